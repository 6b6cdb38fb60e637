"""Pages of runs."""

from __future__ import annotations

from pathlib import Path

from instar.api.paths import AnyPath, Paths, several
from instar.core.errors import Speller, UserError, in_python, setting


def view(runs: Paths, out: AnyPath | None = None, *, speller: Speller = in_python) -> Path:
    """Write the page of a run, or of several runs side by side, and return its path.

    Every training keeps its own page, `index.html` in the run, up to date; this is for other runs and for several. The
    page opens from disk. It shows the pictures where they are: a page that is moved away from its runs has none.

    Args:
        runs: run directories.
        out: the file, which ends with .html; index.html in the run if there is one run. One that is there is replaced.
        speller: writes settings and calls in the page.

    Raises:
        UserError: one is no run directory, or the file cannot be written.
    """
    from instar.reports.view import PAGE, write

    folders = several(runs)
    if not folders:
        raise UserError("give a run directory")
    if out is None and len(folders) > 1:
        raise UserError(f"several runs: give the file of the page, {setting('out', 'runs.html')}")
    file = folders[0] / PAGE if out is None else Path(out)
    if file.suffix.lower() != ".html":
        raise UserError(f"{setting('out', file)}: give a file that ends with .html")
    if not file.absolute().parent.is_dir():
        raise UserError(f"{setting('out', file)}: there is no folder {file.parent}")
    try:
        write(folders, file, speller)
    except OSError as error:
        raise UserError(f"{setting('out', file)}: cannot be written ({error.strerror or error})") from error
    return file


def view_page(runs: Paths, beside: AnyPath, *, speller: Speller = in_python, again: int = 20) -> str:
    """Return the page of runs as it is now, for those who show it themselves.

    Args:
        runs: run directories.
        beside: folder relative to which the page looks for the runs' pictures.
        speller: writes settings and calls in the page.
        again: seconds after which the page of a run that is trained is read anew.

    Raises:
        UserError: one is no run directory.
    """
    from instar.reports.view import page

    return page(several(runs), Path(beside).absolute(), speller, again=again)
