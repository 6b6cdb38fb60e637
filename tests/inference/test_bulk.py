import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instar.inference import bulk
from instar.inference.jobs import collect
from instar.inference.manifest import Tally
from instar.inference.results import Single


def test_memory_does_not_grow_with_the_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast reading is, only the batch in use and the next one are decoded."""
    (tmp_path / "in").mkdir()
    for i in range(12):
        Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(tmp_path / f"in/{i}.png")
    ahead: list[int] = []
    real, translated = bulk.read, []
    monkeypatch.setattr(bulk, "read", lambda path: ahead.append(1) or real(path))

    def network(batch: list[Image.Image]) -> list[Single]:
        translated.extend(batch)
        assert len(ahead) <= len(translated) + 2
        return [Single(image) for image in batch]

    tally, out = Tally(io.StringIO(), lambda: None), tmp_path / "out"
    listed = collect([str(tmp_path / "in")], out)
    bulk.work(listed, out, [network], tally, batch=2, pixels=10**6, look=lambda *_: None, stopped=lambda: False)
    assert tally.ok == 12
