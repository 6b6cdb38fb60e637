"""Runs side by side on the same held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from instar.api.evaluate import INCEPTION, extractor_of
from instar.api.paths import AnyPath, Paths, new_folder, path_or_none, several, written_at_once
from instar.core.errors import UserError, setting
from instar.core.events import Listener, ignore

if TYPE_CHECKING:
    from instar.evaluation.compare import Comparison
    from instar.metrics.extractors import Extractor


def compare(  # noqa: PLR0913  (as the command line has flags)
    runs: Paths,
    out: AnyPath | None = None,
    *,
    data: Paths = (),
    titles: Sequence[str] = (),
    extractor: str | Extractor = INCEPTION,
    weights: AnyPath | None = None,
    to: str | None = None,
    device: str = "auto",
    on_event: Listener | None = None,
) -> Comparison:
    """Score runs on the same held-out images; runs that differ only by their seed make one row with its spread.

    Args:
        runs: run directories or checkpoints.
        out: folder, to be made, for table.md, table.html, scores.json and strips of pictures; None writes nothing.
        data: the images, laid out as for training; the first run's own test images if empty.
        titles: a name for each run, under which it stands in the table; runs of one name make a row.
        extractor: as of `evaluate`.
        weights: as of `evaluate`.
        to: domain to translate into, by its name or as A or B; B, the target of the training, if None.
        device: where to compute: auto, cpu, cuda or mps.
        on_event: told of all that is measured (`Worked`). If it raises, the work ends.

    Raises:
        UserError: the runs do not compare, `out` is there already, or there is no such extractor.
    """
    from instar.evaluation.compare import compare_runs, strips
    from instar.reports.compare import write

    given = several(runs)
    if not given:
        raise UserError("nothing to compare: give a run or more")
    if titles and len(titles) != len(given):
        raise UserError(f"{setting('titles')}: give one for each of the {len(given)} runs, not {len(titles)}")
    folder = None if out is None else new_folder(out)
    found = compare_runs(
        given,
        several(data),
        titles=titles,
        extractor=extractor_of(extractor, path_or_none(weights)),
        to=to,
        device=device,
        on_event=ignore if on_event is None else on_event,
    )
    if folder:
        pictures = strips(found, several(data), to, device)
        with written_at_once(folder) as part:
            write(found, pictures, part)
    return found
