from pathlib import Path

import numpy as np
from PIL import Image

from instar.inference.results import Film, Single

rng = np.random.default_rng(0)
FRAMES = [Image.fromarray(rng.integers(0, 256, (36, 40, 3), dtype=np.uint8)) for _ in range(3)]


def test_film_leaves_nothing_half_written(tmp_path: Path) -> None:
    Film(FRAMES).save(tmp_path / "strip.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["strip.gif", "strip.png"]


def test_a_film_is_a_strip(tmp_path: Path) -> None:
    Film(FRAMES).save(tmp_path / "strip.png")
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    assert np.array_equal(strip, np.concatenate([np.asarray(frame) for frame in FRAMES], axis=1))
    assert Image.open(tmp_path / "strip.gif").n_frames == 4  # type: ignore[attr-defined]  (there and back)


def test_pictures_and_films_have_no_rows(tmp_path: Path) -> None:
    Single(FRAMES[0]).save(tmp_path / "new" / "one.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "one.png")), np.asarray(FRAMES[0]))
    assert [*Single(FRAMES[0]).rows("a.png"), *Film(FRAMES).rows("a.png")] == []
