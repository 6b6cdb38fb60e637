import io
import re

import pytest
from rich.console import Console

from instar.cli import progress
from instar.core.events import Worked, note


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


@pytest.mark.parametrize("width", [60, 80, 120])
def test_losses_are_cut_where_the_line_is_short(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step, speed and time to go stay whole, on one line."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with progress.bar(Console(file=out, width=width, force_terminal=True), steps=266800, start=0, batch=4) as shown:
        shown.terms({f"G/term_{number}": 0.123 for number in range(6)})
        now[0] += 40
        shown.step(1028, waited=1.0)
        shown.bar.refresh()
        line = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).replace("\r", "\n").strip().splitlines()[-1]
    assert len(line) <= width
    assert "1028/266800" in line
    assert "102.8 images/s" in line
    assert re.search(r"\d:\d\d|-:--", line)
    assert line.rstrip().endswith("…")


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=80), file


def test_a_bar_in_a_terminal_for_each_piece_of_work_and_nothing_after_it() -> None:
    screen, file = console(True)
    with progress.Screen(screen) as listen:
        for done in range(4):
            listen(Worked("decoding images", done, 3))
        assert listen._work is None
        assert "decoding images" in file.getvalue()
        listen(Worked("reading images", 1, 9))
        listen(note("something else"))
        assert listen._work is not None
    assert listen._work is None
    assert "reading images" in file.getvalue()
    assert file.getvalue().count("\x1b[?25h") == file.getvalue().count("\x1b[?25l") == 2  # the cursor is back


def test_a_failure_takes_the_bar_away() -> None:
    screen, file = console(True)
    try:
        with progress.Screen(screen) as listen:
            listen(Worked("decoding images", 0, 3))
            raise OSError
    except OSError:
        pass
    assert file.getvalue().count("\x1b[?25h") == file.getvalue().count("\x1b[?25l") == 1


def test_work_of_unknown_length() -> None:
    screen, file = console(True)
    with progress.Screen(screen) as listen:
        for done in range(3):
            listen(Worked("measuring", done, 0))
        assert listen._work is not None
    assert "measuring" in file.getvalue()


def test_nothing_where_there_is_no_terminal() -> None:
    screen, file = console(False)
    with progress.Screen(screen) as listen:
        listen(Worked("decoding images", 1, 3))
    assert file.getvalue() == ""


@pytest.mark.parametrize("width", [40, 200])
def test_names_are_no_markup(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width)
    with progress.Screen(console) as screen:
        screen(Worked("[/link]runs/[red]a", 1, 3))
        screen(note("[/link] b [bold]"))
        screen.close()
    with progress.bar(console, steps=3, start=0, batch=1) as shown:
        shown.terms({"[/link]": 1.0})
        shown.seen[0] = (shown.seen[0][0] - 5, 0, 0.0)
        shown.step(1, 0.0)
    assert "[/link] b [bold]" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00:00"), (59.6, "0:01:00"), (3725, "1:02:05"), (90_000, "25:00:00"), (5e5, "5.8 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


@pytest.mark.parametrize("pace", [0.01, 0.5, 45.0])
def test_the_time_to_go_is_there_from_the_first_step_on(pace: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of steps that take longer than the time over which rich measures."""
    now, out = [100.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=out, force_terminal=True, width=80)
    with progress.bar(console, steps=1000, start=0, batch=1) as shown:
        for step in range(1, 4):
            now[0] += pace
            shown.step(step, 0.0)
            shown.bar.refresh()
            assert progress.duration(999 * pace) in out.getvalue()
    assert "-:--:--" not in out.getvalue()
