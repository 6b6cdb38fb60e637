"""What a model with styles makes of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instar.api.paths import AnyPath, Paths, several
from instar.core.errors import UserError, setting
from instar.core.events import Listener, Worked, ignore
from instar.core.settings import Bounds

if TYPE_CHECKING:
    from instar.evaluation.inspect import Inspection


def inspect(
    run: AnyPath,
    data: Paths = (),
    out: AnyPath | None = None,
    *,
    to: str | None = None,
    count: int = 1000,
    inputs: int = 6,
    device: str = "auto",
    on_event: Listener | None = None,
) -> Inspection:
    """Look at images with a trained model: domains that it found, styles, and translations into these.

    Args:
        run: directory of a run (its last checkpoint is used) or one checkpoint.
        data: the images, laid out as for training, those of a test folder too; the run's own if empty.
        out: a .html file for a page about it, which is replaced if it is there; None writes nothing.
        to: for methods with two domains: that of the styles, by its name or as A or B; B if None.
        count: most images to look at, drawn evenly; the map of the page shows at most 1,000 of them.
        inputs: images that are translated into each style.
        device: where to compute: auto, cpu, cuda or mps.
        on_event: told what is being done (`Worked`). If it raises, the work ends.

    Raises:
        UserError: the method has no styles, no image can be read, or the page cannot be written.
    """
    from instar.core.files import text_bytes, write_atomically
    from instar.evaluation import inspect_map
    from instar.evaluation.inspect import inspect_run
    from instar.reports.inspect import page

    for name, value in (("count", count), ("inputs", inputs)):
        Bounds(1).check(name, value)
    listen = ignore if on_event is None else on_event
    if out is None:
        return inspect_run(Path(run), several(data), count=count, inputs=inputs, to=to, device=device, on_event=listen)
    file = Path(out)
    if file.suffix not in (".html", ".htm"):
        raise UserError(f"{setting('out', file)}: give a file that ends with .html")
    inspect_map.library()  # before minutes of work
    found = inspect_run(Path(run), several(data), count=count, inputs=inputs, to=to, device=device, on_event=listen)
    listen(Worked("laying out the map", 0, 0))
    html = text_bytes(page(found))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, html)
    except OSError as error:
        raise UserError(f"{setting('out', file)}: cannot be written ({error.strerror})") from error
    return found
