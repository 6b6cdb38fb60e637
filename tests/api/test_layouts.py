"""Every layout through every use case: what comes out is what comes out of the folder that it was made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.packing import PACKED
from engine.processes import draw
from evaluation.parts import extractor
from PIL import Image

import instar
from instar.core.run import checkpoints

pytest.importorskip("pyarrow")
OFTEN: dict[str, Any] = {"save_every": 1, "log_every": 1, "preview_every": 10, "keep": 0}
Made = dict[str, Any]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("images") / "data", train=4, test=2)


def weights(run: Path) -> dict[str, torch.Tensor]:
    model = instar.load(run, "cpu")
    return model.method.state_dict()


@pytest.fixture(scope="module")
def plain(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What comes out of the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        return through(images, tmp_path_factory.mktemp("plain"))


def through(data: Path, out: Path) -> Made:
    run = instar.train("pix2pix", data, out=out / "run", preset="tiny", steps=2, device="cpu", train=OFTEN).run
    instar.resume(checkpoints(run)[0])
    report = instar.evaluate(run, data, extractor=extractor(), device="cpu")
    done = instar.translate(run, data, out / "out", device="cpu")
    return {
        "weights": weights(run),
        "scores": [[(score.name, score.value) for score in column.scores] for column in report.columns],
        "translated": (done.translated, done.total),
        "pictures": sorted(
            np.asarray(Image.open(path)).tobytes() for path in (out / "out").rglob("*.png") if path.is_file()
        ),
        "checked": [group.readable() and len(group.facts) for group in instar.check(data).groups],
    }


@pytest.mark.parametrize("layout", PACKED)
def test_the_same_comes_out(layout: str, images: Path, plain: Made, tmp_path: Path) -> None:
    made: Callable[[Path, Path], Path] = PACKED[layout]
    place = made(images, tmp_path)
    found = through(place, tmp_path)
    assert found["weights"].keys() == plain["weights"].keys()
    assert all(torch.equal(found["weights"][key], value) for key, value in plain["weights"].items())
    for what in ("scores", "translated", "pictures", "checked"):
        assert found[what] == plain[what], what


def test_results_of_a_tar_stay_in_the_folder(tmp_path: Path, run_directory: Callable[..., Path]) -> None:
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415

    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "PNG")
    with tarfile.open(tmp_path / "s.tar", "w") as file:
        for name in ("x/1.png", "../2.png"):
            info = tarfile.TarInfo(name)
            info.size = len(picture.getvalue())
            file.addfile(info, io.BytesIO(picture.getvalue()))
    done = instar.translate(run_directory(), tmp_path / "s.tar", tmp_path / "deep" / "out", device="cpu")
    assert (done.translated, done.failed) == (1, ())
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    assert found == {"deep/out/x/1.png"}
    assert any("lead out of their container" in note for note in done.notes)


@pytest.mark.parametrize("layout", ["csv", "parquet", "shards"])
def test_styles_and_a_grid(layout: str, images: Path, tmp_path: Path, run_directory: Callable[..., Path]) -> None:
    run, place = run_directory("munit"), PACKED[layout](images, tmp_path)
    here, there = (instar.styles(run, data, device="cpu") for data in (images, place))
    assert sorted(map(tuple, here.styles.tolist())) == sorted(map(tuple, there.styles.tolist()))
    done = instar.translate(run, place, tmp_path / "out", grid=True, samples=2, device="cpu")
    assert done.grid == tmp_path / "out" / "grid.png"
