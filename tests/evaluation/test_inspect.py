import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from instar.core.errors import UserError
from instar.data import ImageRef
from instar.evaluation import inspect_map
from instar.evaluation.inspect import Inspection, Seen
from instar.evaluation.inspect_history import Window, bins, history, recent
from instar.reports.inspect import colour


def seen(probabilities: list[list[float]], styles: list[float] | None = None) -> Seen:
    n = len(probabilities)
    values = torch.tensor(styles or [0.0] * n)[:, None]
    refs = [ImageRef(Path(f"{i}.png")) for i in range(n)]
    return Seen(refs, [False] * n, values, torch.tensor(probabilities))


def inspection(what: Seen, windows: list[Window], reachable: list[int]) -> Inspection:
    n = len(what.refs)
    return Inspection("run", "m", 9, 32, 3, n, what, windows, reachable, [], [])


def test_the_likeliest_are_typical_and_then_the_nearest() -> None:
    found = seen([[0.9, 0.1], [1.0, 0.0], [0.99999, 0.00001], [0.2, 0.8], [1.0, 0.0]], [5.0, 8.0, 4.0, 0.0, 5.5])
    assert found.domains.tolist() == [0, 0, 0, 1, 0]
    assert found.sizes == [4, 1]
    # The mean style is 5.625: of three that are certain, image 4 lies nearest, then 2, then 1.
    assert found.typical(0) == [4, 2, 1, 0]
    assert found.typical(1) == [3]


def test_warnings_name_empty_domains() -> None:
    full = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]
    assert inspection(seen(full), [Window(0, 10, [100, 100, 100])], [0, 1, 2]).warnings() == []
    assert inspection(seen(full), [Window(0, 10, [100, 0, 100])], []).warnings() == []  # too few to say
    late = [Window(0, 10, [500, 500, 500]), Window(10, 20, [900, 0, 600])]
    assert inspection(seen(full[:1]), late, [0, 2]).warnings() == [
        "Domains 1 and 2 are empty: none of the 1 images on this page.",
        "In training, domain 1 had none of the last 1,500 images (steps 11 to 20).",
        "Domain 1 cannot be translated to: no image of late in training had such a style.",
    ]
    assert inspection(seen([[]]), [], []).warnings() == []


def test_history_reads_up_to_a_step(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "step-000000020"
    checkpoint.mkdir(parents=True)
    assert history(checkpoint, 20) == []
    rows = [{"step": 5, "domains": [1, 2]}, {"step": 7, "score": 1.0}, {"step": 10, "domains": [3, 0]}, {"step": 30}]
    text = "".join(json.dumps(row) + "\n" for row in rows) + '{"step": 40, "dom'
    (tmp_path / "metrics.jsonl").write_text(text)
    assert history(checkpoint, 20) == [Window(0, 5, [1, 2]), Window(5, 10, [3, 0])]
    assert history(checkpoint, 5) == [Window(0, 5, [1, 2])]


def test_recent_and_bins_lose_no_image() -> None:
    windows = [Window(10 * i, 10 * i + 10, [i, 50]) for i in range(10)]
    assert recent(windows[:3]) is None
    assert recent(windows) == Window(60, 100, [6 + 7 + 8 + 9, 200])
    assert bins(windows, 20) == windows
    for most in (1, 3, 7):
        found = bins(windows, most)
        assert len(found) == most
        assert (found[0].start, found[-1].end) == (0, 100)
        assert all(a.end == b.start for a, b in itertools.pairwise(found))
        assert [sum(part.sizes[k] for part in found) for k in (0, 1)] == [45, 500]
    assert bins([], 5) == []


def test_the_map_keeps_groups_apart_and_is_the_same_each_time() -> None:
    styles = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    styles[20:] += 30
    placed = inspect_map.places(styles)
    assert placed.shape == (40, 2)
    assert (placed.min(), placed.max()) == (0, 1)
    np.testing.assert_array_equal(placed, inspect_map.places(styles))
    near = np.linalg.norm(placed[:, None] - placed[None], axis=2)
    np.fill_diagonal(near, np.inf)
    assert ((near.argmin(1) >= 20) == (np.arange(40) >= 20)).all()
    assert np.isfinite(inspect_map.places(torch.zeros(inspect_map.LEAST, 1))).all()


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(UserError, match=r"needs scikit-learn: pip install '\.\[inspect\]'"):
        inspect_map.library()


def test_colours_differ() -> None:
    assert len({colour(i) for i in range(60)}) == 60
