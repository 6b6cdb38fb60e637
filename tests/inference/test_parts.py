"""Parts of a translation, done one by one in any order, give what one process gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instar.core.events import Listener, Stop
from instar.inference.base import BaseTranslator
from instar.inference.bulk import WINDOW
from instar.inference.manifest import Tally
from instar.inference.parts import PartTranslator, parts_of
from instar.inference.request import TranslationRequest
from instar.inference.translate_files import Order, TranslationResult, translate_files

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(WINDOW + 20):
        pixels = rng.integers(0, 256, (32 + 8 * (number % 3), 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.{('png', 'tif', 'webp')[number % 3]}", lossless=True)
    (folder / "broken.png").write_bytes(b"none")
    (folder / "words.txt").write_text("none")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_parts(run: Path, **asked: Any) -> TranslationResult:
    """Do the last part first."""
    request = TranslationRequest(**asked)

    def work(
        order: Order,
        tally: Tally,
        request: TranslationRequest,
        translator: BaseTranslator,
        hear: Listener,
        stop: Stop | None,
    ) -> None:
        do, jobs = PartTranslator(run, request, "cpu", "32"), order.jobs
        parts = parts_of(jobs, request, translator)
        assert len(parts) > 1
        assert [job for part in parts for job in part.jobs] == jobs
        assert [part.first for part in parts] == list(np.cumsum([0, *(len(part.jobs) for part in parts[:-1])]))
        for part in reversed(parts):
            done = do(part.jobs, order.out)
            for number, (job, entry) in enumerate(zip(part.jobs, done.entries, strict=True), part.first):
                tally.enter(number, job, entry)

    return translate_files(run, request, device="cpu", work=work)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("cut", {}), ("pix2pix", {"seed": 3}), ("bicyclegan", {"samples": 2, "seed": 5, "batch": 3, "grid": True})],
)
def test_the_results_are_those_of_one_process(
    name: str, asked: dict[str, Any], run_directory: Runs, photos: Path, tmp_path: Path
) -> None:
    """Batches, dropout, styles; names, formats, the grid and the manifest too."""
    run = run_directory(name)
    one = translate_files(run, TranslationRequest(inputs=(str(photos),), out=tmp_path / "one", **asked), device="cpu")
    two = in_parts(run, inputs=(str(photos),), out=tmp_path / "two", **asked)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert one.translated == two.translated > WINDOW
    assert one.ignored == two.ignored == 1
    assert set(one.failed) == set(two.failed)
    assert len(two.failed) == asked.get("samples", 1)


def test_landmarks_are_in_one_table(run_directory: Runs, photos: Path, tmp_path: Path) -> None:
    run, some = run_directory("transgaga"), sorted(str(path) for path in photos.glob("*.png"))
    some += [str(path) for path in photos.glob("*.tif")]
    asked: dict[str, Any] = {"inputs": tuple(some), "landmarks": True}
    translate_files(run, TranslationRequest(out=tmp_path / "one", **asked), device="cpu")
    in_parts(run, out=tmp_path / "two", **asked)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert (tmp_path / "two/landmarks.csv").read_text().count("\n") > len(some)
