import io

from rich.console import Console

from instar.cli.work import work_bar
from instar.core.events import Worked, note


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=80), file


def test_a_bar_in_a_terminal_for_each_piece_of_work_and_nothing_after_it() -> None:
    screen, file = console(True)
    with work_bar(screen) as listen:
        for done in range(4):
            listen(Worked("decoding images", done, 3))
        assert listen.shown is None  # type: ignore[attr-defined]
        assert "decoding images" in file.getvalue()
        listen(Worked("reading images", 1, 9))
        listen(note("something else"))
        assert listen.shown is not None  # type: ignore[attr-defined]
    assert listen.shown is None  # type: ignore[attr-defined]
    assert "reading images" in file.getvalue()
    assert file.getvalue().count("\x1b[?25h") == file.getvalue().count("\x1b[?25l") == 2  # the cursor is back


def test_a_failure_takes_the_bar_away() -> None:
    screen, file = console(True)
    try:
        with work_bar(screen) as listen:
            listen(Worked("decoding images", 0, 3))
            raise OSError
    except OSError:
        pass
    assert file.getvalue().count("\x1b[?25h") == file.getvalue().count("\x1b[?25l") == 1


def test_work_of_unknown_length() -> None:
    screen, file = console(True)
    with work_bar(screen) as listen:
        for done in range(3):
            listen(Worked("measuring", done, 0))
        assert listen.shown is not None  # type: ignore[attr-defined]
    assert "measuring" in file.getvalue()


def test_nothing_where_there_is_no_terminal() -> None:
    screen, file = console(False)
    with work_bar(screen) as listen:
        listen(Worked("decoding images", 1, 3))
    assert file.getvalue() == ""
