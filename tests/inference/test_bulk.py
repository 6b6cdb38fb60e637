import io
from pathlib import Path

import numpy as np
from PIL import Image

from instar.core.reading import read
from instar.inference import bulk
from instar.inference.jobs import collect
from instar.inference.manifest import Tally
from instar.inference.results import Single


def test_memory_does_not_grow_with_the_inputs(tmp_path: Path) -> None:
    """However fast reading is, only the batch in use and the next one are decoded."""
    (tmp_path / "in").mkdir()
    for i in range(12):
        Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(tmp_path / f"in/{i}.png")
    ahead: list[int] = []
    translated: list[Image.Image] = []

    def load(path: Path) -> Image.Image:
        ahead.append(1)
        return read(path)

    def network(batch: list[Image.Image]) -> list[Single]:
        translated.extend(batch)
        assert len(ahead) <= len(translated) + 2
        return [Single(image) for image in batch]

    tally, out = Tally(io.StringIO(), lambda: None), tmp_path / "out"
    listed = collect([str(tmp_path / "in")], out)
    inputs = bulk.Inputs(load, None, lambda *_: None)
    bulk.work(listed, out, [network], tally, batch=2, pixels=10**6, inputs=inputs, stopped=lambda: False)
    assert tally.ok == 12
