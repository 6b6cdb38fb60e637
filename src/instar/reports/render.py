"""The templates of all pages: HTML is escaped by itself, and a value that is missing is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def render(template: str, **values: Any) -> str:
    """Return a template of this folder with values filled in.

    Args:
        template: its file, such as compare.html. Of a file that ends with .html all values are escaped.
        **values: what stands in it.
    """
    return environment("instar.reports", line=line, duration=duration).get_template(template).render(values)


def line(cells: Iterable[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def duration(seconds: float) -> str:
    """Return a time in words, such as 12 s, 3 min or 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@cache
def environment(package: str, **filters: Callable[..., str]) -> Environment:
    """Return the templates in the folder `templates` of a package, with filters by name."""
    found = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= filters
    found.policies["json.dumps_kwargs"] = {"sort_keys": False}
    return found
