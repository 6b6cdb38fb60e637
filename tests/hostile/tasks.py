"""What processes of the campaign do that is no command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instar.api.check import check
from instar.cli import demo, main
from instar.data.drawn import sets
from instar.engine.trainer import Trainer


def write_carelessly(arguments: Sequence[str]) -> int:
    """Write a file in place, as nothing in Instar may: what the campaign must find."""
    path = Path(arguments[0])
    with path.open("w") as file:
        for _ in range(3):
            file.write("a line\n" * 2000)
            file.flush()
    path.with_suffix(".done").write_text("")
    return 0


def draw_a_set(arguments: Sequence[str]) -> int:
    """Draw a set over another one of the same names, where there is one."""
    folder = Path(arguments[0])
    sets.write("stripes", folder, "easy", train=2, test=2)
    return 0


def demonstrate(arguments: Sequence[str]) -> int:
    """Run the demo with few pictures."""
    demo.TRAIN, demo.TEST, demo.SHOWN = 6, 3, 3
    return demo.run(["-o", *arguments, "--steps", "2"])


def with_a_vanishing_folder(arguments: Sequence[str]) -> int:
    """Run a command; when a training in it has done a step, a folder goes away or becomes another one."""
    way, what, other, step, *command = arguments
    place = Path(what)
    train_step = Trainer.train_step

    def stepped(self: Trainer, *given: Any) -> None:
        train_step(self, *given)
        if self.step == int(step) and place.exists() and not place.is_symlink():
            away = place.with_name(f"{place.name}-away")
            place.rename(away)
            if way == "deleted":
                shutil.rmtree(away)
            elif way == "linked":
                place.symlink_to(other)
            elif way == "replaced":
                shutil.copytree(other, place)

    Trainer.train_step = stepped  # type: ignore[method-assign]
    return main.run(command)


def check_as_json(arguments: Sequence[str]) -> int:
    """Print the names of what `check` cannot read of domain A, by split."""
    report = check(arguments)
    found: dict[str, list[str]] = {"train": [], "test": []}
    for group in report.groups:
        if group.domain == "A":
            found[group.split] += [str(fact.ref.path) for fact in group.facts if fact.error]
    known = {name for names in found.values() for name in names}
    for name, _ in report.unreadable:
        split = "train" if "trainA" in name else "test"
        if Path(name).is_absolute() and name not in known:
            found[split].append(name)
    lost = sum(
        bool(fact.error)
        for group in report.groups
        if group.domain == "A" and group.split == "test"
        for fact in group.facts
    )
    print(json.dumps({**found, "lost": lost}))  # noqa: T201
    return 0
