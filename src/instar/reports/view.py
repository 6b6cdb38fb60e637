"""The page of a run, and of several runs side by side: samples over time, curves, settings, notes."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from PIL import Image

from instar.core import registry
from instar.core.abilities import Styled, supports
from instar.core.board import band
from instar.core.config import RunConfig
from instar.core.errors import Message, Speller, UserError, call, in_python, setting
from instar.core.events import Event, Finished, Listener, Pictured, Saved, Scored, Started, Watched, warning
from instar.core.files import read_own, write_atomically
from instar.core.method import defaults, outline
from instar.core.run import CONFIG, owner, read_config
from instar.core.settings import to_dict
from instar.core.sheet import PADDING, STYLES, row_label, sheet_rows
from instar.reports.render import render

PAGE = "index.html"
COPIES = "copies.json"
"""In a run: what copies of the inputs score on the validation images, by the names of the scores."""
CHARTS = ("validation/", "held-out/")
"""How the names of numbers begin that have a chart each: scores, and what translations of held-out images do."""
POINTS = 400
"""Of a curve at most; more are averaged."""
LINES = 200
"""Of the log that are shown, the last ones."""
PAUSE, SHARE = 5.0, 0.01
"""Seconds between two writings while a run is trained, and the share of its time that they may take."""
AGAIN = 20
"""Seconds after which the page of a run that is trained is read anew."""
NAMES = frozenset({"data.roots", "data.source", "data.target", "data.domains"})
"""Settings that say which images, of which no preset knows."""
OF_THE_CLOCK = frozenset({"step", "seconds", "images_per_second"})
_SAMPLE = re.compile(r"step-(\d+)\.png")
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ (INFO|WARNING) (.*)")
State = Literal["training", "finished", "stopped"]


class ViewPage:
    """A listener that keeps the page of a run that is trained up to date. It cannot stop the run."""

    def __init__(self, run: Path, say: Listener, speller: Speller = in_python) -> None:
        """Write into the directory `run`; `say` is told when that is not possible."""
        self.run, self._say, self._speller = run, say, speller
        self._next = 0.0
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Write the page where there is something new to see, and the last writing is long enough ago."""
        if self._failed or not isinstance(event, (Started, Pictured, Scored, Watched, Saved, Finished)):
            return
        started = time.monotonic()
        state: State = "training"
        if isinstance(event, Finished):
            state = "finished" if event.reached else "stopped"
        elif started < self._next:
            return
        try:
            write([self.run], self.run / PAGE, self._speller, state)
        except Exception as error:  # whatever it is, training is worth more than its page
            self._failed = True
            self._say(warning(f"{PAGE} cannot be written any more ({error}); training goes on"))
        now = time.monotonic()
        self._next = now + max(PAUSE, (now - started) / SHARE)


def write(runs: Sequence[Path], out: Path, speller: Speller = in_python, state: State | None = None) -> None:
    """Write the page of runs.

    Args:
        runs: their directories.
        out: the file. Pictures are looked up where they are, by paths relative to it.
        speller: writes settings and calls.
        state: of the runs; what their directories say if None.

    Raises:
        UserError: one is no run directory.
        OSError: it cannot be written.
    """
    write_atomically(out, page(runs, out.absolute().parent, speller, state).encode())


def page(
    runs: Sequence[Path], beside: Path, speller: Speller = in_python, state: State | None = None, again: int = AGAIN
) -> str:
    """Return the page of runs.

    Args:
        runs: their directories.
        beside: absolute path of the folder that the page is for: pictures are looked up by paths relative to it.
        speller: writes settings and calls.
        state: of the runs; what their directories say if None.
        again: seconds after which a page of a run that is trained is read anew.

    Raises:
        UserError: one is no run directory.
    """
    found = [_run(run, beside, speller, state) for run in runs]
    title = found[0]["name"] if len(found) == 1 else f"{len(found)} runs"
    differing = _differing([one.pop("config") for one in found], speller)
    return render("view.html", title=title, runs=found, differing=differing if len(found) > 1 else [], again=again)


def _run(run: Path, beside: Path, speller: Speller, state: State | None) -> dict[str, Any]:
    """Return all that the page says of a run."""
    if not (run / CONFIG).is_file():
        raise UserError(f"{run}: not a run directory (it has no {CONFIG})")
    config = read_config(run / CONFIG)
    kind = registry.get(config.name)
    rows = _rows(run / "metrics.jsonl")
    step = max([int(row["step"]) for row in rows], default=0)
    samples = _samples(run, beside)
    step = max([step, *(one["step"] for one in samples)])
    last: Mapping[str, Any] = next((row for row in reversed(rows) if "seconds" in row), {})
    seconds = float(last.get("seconds", 0.0))
    state = state or ("training" if owner(run) is not None else "finished" if step >= config.train.steps else "stopped")
    left = seconds / last["step"] * (config.train.steps - step) if seconds and state == "training" else None
    return {
        "name": run.absolute().name,
        "method": kind.title or kind.__name__,
        "preset": config.preset,
        "state": state,
        "step": step,
        "steps": config.train.steps,
        "seconds": seconds,
        "pace": float(last.get("images_per_second", 0.0)),
        "left": left,
        "written": datetime.now().isoformat(" ", "seconds"),
        "samples": samples,
        "sheet": _sheet(run, config, samples),
        "curves": _curves(rows),
        "scores": _scores(rows),
        "copies": _copies(run),
        "changes": _changes(config, speller),
        "lines": _lines(run),
        "commands": [
            _spelled(call(name, run), speller)
            for name in (*(["resume"] if state != "finished" else []), "translate", "evaluate", "export", "view")
        ],
        "config": config,
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of numbers; lines that a kill left unfinished are none."""
    found: list[dict[str, Any]] = []
    with suppress(OSError), read_own(path) as file:
        for line in file:
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                int(row["step"])
                found.append(row)
    return found


def _samples(run: Path, beside: Path) -> list[dict[str, Any]]:
    folder = run / "samples"
    found = []
    for path in sorted(folder.glob("step-*.png")) if folder.is_dir() else ():
        match = _SAMPLE.fullmatch(path.name)
        if match:
            source = quote(Path(os.path.relpath(path.absolute(), beside)).as_posix())
            found.append({"step": int(match[1]), "src": source})
    return found


def _sheet(run: Path, config: RunConfig, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return where the images lie in a sample picture, and what its rows are; None if there is none that tells."""
    kind = registry.get(config.name)
    method = outline(kind, config.method)
    batches = kind.kind_of(config.method)
    rows = sheet_rows(batches, method.targets, STYLES if supports(method, Styled) else 1)
    names = {key: name or key.upper() for key, name in config.data.names(tuple(batches.parts)).items()}
    for sample in reversed(samples):
        path = run / "samples" / f"step-{sample['step']:09d}.png"
        with suppress(OSError), read_own(path) as file, Image.open(file, formats=("PNG",)) as image:
            width, height = image.size[0] - band(image), image.size[1]
            tall, rest = divmod(height - PADDING, max(1, len(rows)))
            if rest or tall <= PADDING:
                return None
            columns = max(1, round((width - PADDING) / (config.data.size + PADDING)))
            inputs = [i for i, row in enumerate(rows) if row.what == "input"]
            return {
                "width": width,
                "height": height,
                "columns": columns,
                "pad": PADDING,
                "rows": [
                    {"label": row_label(row, names), "what": row.what, "input": max(i for i in inputs if i <= place)}
                    for place, row in enumerate(rows)
                ],
            }
    return None


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[list[float]]]]:
    """Return the points of each term, by objective and term."""
    points: dict[str, list[list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name not in OF_THE_CLOCK and not name.startswith(CHARTS) and isinstance(value, (int, float)):
                points.setdefault(name, []).append([row["step"], float(value)])
    groups: dict[str, dict[str, list[list[float]]]] = {}
    for name, found in points.items():
        group, slash, term = name.partition("/")
        groups.setdefault(group if slash else "", {})[term if slash else name] = _thinned(found)
    return groups


def _scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith(CHARTS) and isinstance(value, (int, float)):
                found.setdefault(name.removeprefix("validation/"), []).append([row["step"], float(value)])
    return found


def _copies(run: Path) -> dict[str, float]:
    with suppress(OSError, ValueError, AttributeError), read_own(run / COPIES) as file:
        held = json.loads(file.read())
        return {name.removeprefix("validation/"): float(value) for name, value in held.items()}
    return {}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Return at most `POINTS` means of neighbours, each at the last of their steps."""
    size = -(-len(points) // POINTS)
    if size < 2:
        return [[step, float(f"{value:.5g}")] for step, value in points]
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [[part[-1][0], float(f"{sum(value for _, value in part) / len(part):.5g}")] for part in parts]


def _changes(config: RunConfig, speller: Speller) -> list[dict[str, str]]:
    """Return the settings that are not those of the preset."""
    kind = registry.get(config.name)
    try:
        base = to_dict(defaults(config.name, kind, config.preset or None))
    except UserError:  # a preset that is gone
        return []
    now = to_dict(config)
    found = []
    for section in ("method", "data", "train"):
        was = _flat(base[section], f"{section}.")
        for name, value in _flat(now[section], f"{section}.").items():
            if name not in NAMES and value != was.get(name):
                found.append({"name": _name(name, speller), "value": _word(value), "preset": _word(was.get(name))})
    return found


def _differing(configs: Sequence[RunConfig], speller: Speller) -> list[dict[str, Any]]:
    """Return the settings in which runs differ, with a value for each run."""
    each = [{"the method": one.name, **_flat(_sections(one), "")} for one in configs]
    names = dict.fromkeys(name for one in each for name in one)
    return [
        {"name": _name(name, speller), "values": [_word(one.get(name)) for one in each]}
        for name in names
        if len({_word(one.get(name)) for one in each}) > 1
    ]


def _sections(config: RunConfig) -> dict[str, Any]:
    held = to_dict(config)
    return {section: held[section] for section in ("method", "data", "train")}


def _lines(run: Path) -> list[dict[str, str]]:
    """Return the last lines of the log."""
    found: list[dict[str, str]] = []
    with suppress(OSError), read_own(run / "run.log") as file:
        for line in file.read().decode(errors="replace").splitlines()[-LINES:]:
            match = _LINE.fullmatch(line)
            if match:
                found.append({"time": match[1], "level": match[2].lower(), "text": match[3]})
    return found


def _name(name: str, speller: Speller) -> str:
    return _spelled(setting(name), speller) if "." in name else name


def _spelled(text: str, speller: Speller) -> str:
    return Message(text).spelled(speller)


def _word(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) or "none"
    return "" if value is None else str(value)


def _flat(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
