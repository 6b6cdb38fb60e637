import io

import pytest
from rich.console import Console

from instar.cli import progress


def test_the_line_says_when_the_loader_is_the_bottleneck(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with progress.bar(Console(file=out, width=200), steps=100, start=0, batch=4) as shown:
        shown.terms({"G/gan": 0.5, "G/total": 9.0, "G/grad_norm": 3.0})
        now[0] += 40
        shown.step(10, waited=1.0)
        now[0] += 40
        shown.step(20, waited=21.0)
    first, second = out.getvalue().splitlines()
    assert first == "step 10/100  1.0 images/s  6 min to go  G/gan 0.5"
    assert second == "step 20/100  1.0 images/s  5 min to go  waiting for data  G/gan 0.5"


def test_a_pause_does_not_look_like_slowness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten steps a second; the first line falls due in a pause of two seconds, as a picture takes."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with progress.bar(Console(file=out, width=200), steps=1000, start=0, batch=4) as shown:
        for step in range(1, 601):
            now[0] += 2.1 if step == 290 else 0.1
            shown.step(step, waited=0.05 * step)
    first, second = out.getvalue().splitlines()
    assert first.startswith("step 290/1000  37.4 images/s  1 min to go  waiting for data")
    assert second.startswith("step 591/1000  37.5 images/s  1 min to go  waiting for data")
