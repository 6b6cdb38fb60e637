from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation.parts import data_set

from instar.api.inspect import inspect
from instar.core.errors import UserError
from instar.core.events import Event, Worked

from .quiet import in_a_thread, quietly

Runs = Callable[..., Path]


def test_a_page_and_none(run_directory: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    run, data, out = run_directory("munit"), data_set(tmp_path / "set"), tmp_path / "new" / "page.html"
    events: list[Event] = []
    with quietly(capfd):
        found = inspect(run, data, inputs=2, count=11, on_event=events.append)
        page = in_a_thread(lambda: inspect(run, data, out, inputs=2, count=11))
    assert [ref.path.name for ref in found.seen.refs] == [ref.path.name for ref in page.seen.refs]
    assert found.seen.styles.tolist() == page.seen.styles.tolist()
    assert [len(grid.inputs) for grid in found.grids] == [2]
    assert found.notes == ["Styles are read from the images of zebra."]
    assert found.warnings() == []
    assert events == [
        *(Worked("reading styles", done, 11) for done in (0, 11)),
        *(Worked("translating", done, 8) for done in range(9)),
    ]
    assert run.name in out.read_text()
    assert str(run) not in out.read_text(), "a page goes to others: the path of a server is nobody's business"
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be at least 1, not 0"),
        ({"inputs": 0}, "inputs must be at least 1, not 0"),
        ({"out": "page.png"}, r"out=page.png: give a file that ends with \.html"),
        ({"to": "1"}, "to=1: all domains that the model found are shown; leave out to"),
    ],
)  # fmt: skip
def test_refused(run_directory: Runs, tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        inspect(run_directory("munit"), data_set(tmp_path / "set"), **arguments)  # type: ignore[arg-type]
