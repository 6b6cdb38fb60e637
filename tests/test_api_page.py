"""The reference of Python is what the code says, and complete."""

import re
from pathlib import Path

import instar
from instar.core import events

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_it_has_every_public_name_and_every_event() -> None:
    there = set(re.findall(r"^<!-- api ([\w.]+) -->$", (DOCS / "api.md").read_text(), re.MULTILINE))
    assert {f"instar.{name}" for name in instar.__all__ if name != "__version__"} <= there
    assert {f"instar.core.events.{kind.__name__}" for kind in events.Event.__args__} <= there


def test_every_argument_is_described() -> None:
    for block in (DOCS / "api.md").read_text().split("<!-- api ")[1:]:
        lines = (
            [line.strip() for line in block.split("```python\n")[1].split("```")[0].splitlines()]
            if "```" in block
            else []
        )
        named = [line.lstrip("*").split(":")[0] for line in lines if line.endswith(",") and ":" in line]
        assert [name for name in named if f"| `{name}` |" not in block] == [], block.splitlines()[0]
