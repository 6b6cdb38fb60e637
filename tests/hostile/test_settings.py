"""Settings, specifications and answers of strangers: each is refused in a line, or does what it says."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostile.figures import Found
from hostile.forks import Forks, Limits
from hostile.runs import trained
from hostile.sampling import chance, times
from instar.core.errors import UserError
from instar.core.run import checkpoints
from instar.core.tensors import read_tensors

Campaign = Callable[[str], AbstractContextManager[Found]]
Place = tuple[str | int, ...]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"),
    10**6, 10**30, 2**63, -(2**63), "", "x", "nan", "1", "0.1", "../..", "/", "os:system=touch PWNED", "[/link]",
    "\x1b[31m", "\0", "a\nb", "字" * 200, [], {}, [1], [[]], {"a": 1}, ["x"] * 1000, [None], "!!python/object",
    "2001-01-01",
]  # fmt: skip
"""What stands in place of another value."""
_TEXTS = {
    "deep YAML": "[" * 20_000 + "]" * 20_000,
    "an alias bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{c}: &{c} [{','.join([f'*{chr(ord(c) - 1)}'] * 9)}]\n" for c in "bcdefghij"),
    "an alias of itself": "a: &a [*a]\nname: *a\n",
    "a tag of Python": "!!python/object/apply:os.system ['touch PWNED']\n",
    "two documents": "---\na: 1\n---\nb: 2\n",
    "tabs": "\tname: x\n",
    "a number": "42\n",
    "nothing": "",
    "no UTF-8": "\udcff\udcfe: 1",
    "a byte order mark": "\ufeffname: cut\n",
    "long": "name: " + "x" * 3_000_000,
}
"""Whole files."""


def places(value: Any, prefix: Place = ()) -> Iterator[Place]:
    """Yield where the values are in nested lists and mappings."""
    if prefix:
        yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*prefix, key))


def mutated(value: Any, chance: random.Random) -> tuple[str, Any]:
    """Return a copy of nested lists and mappings with one thing changed, and what that is, in words."""
    made = copy.deepcopy(value)
    *above, last = chance.choice(list(places(made)))
    holder = made
    for key in above:
        holder = holder[key]
    way = chance.choice(["value", "value", "value", "value", "removed", "added", "renamed"])
    where = ".".join(map(str, [*above, last]))
    if way == "value":
        new = chance.choice(VALUES)
        holder[last] = new
        return f"{where} = {str(new)[:40]!r}", made
    old = holder.pop(last)
    if way == "added":
        if isinstance(holder, dict):
            holder.update({last: old, chance.choice(["zzz", "", "__class__", 7, "Steps"]): chance.choice(VALUES)})
        else:
            holder.extend([old, chance.choice(VALUES)])
    elif way == "renamed" and isinstance(holder, dict):
        holder[str(last).upper()] = old
    return f"{where} {way}", made


def written(value: Any) -> str:
    """Return a file as a stranger might write it."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def strange(value: Any, chance: random.Random) -> tuple[str, str]:
    """Return what a stranger writes in place of settings, and its name."""
    if chance.random() < 0.25:
        return chance.choice(list(_TEXTS.items()))
    what, changed = mutated(value, chance)
    return what, written(changed)


@pytest.fixture(scope="module")
def original(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, a specification of a benchmark, and a study with answers."""
    folder = trained(forks, tmp_path_factory.mktemp("original"), "pix2pix", 2)
    shutil.copytree(folder / "data", folder / "other" / "data")
    trained(forks, folder / "other", "cut", 2)
    done = forks(["study", folder / "run", folder / "other/run", "-o", folder / "study"])
    assert done.code == 0, done.said
    return folder


def told(found: Found, case: str, end: Any) -> bool:
    fault = end.fault()
    if fault:
        found.add(fault[0], f"{case}: {fault[1]}")
        return False
    if end.code in (2, 3):
        lines = [line for line in end.err.splitlines() if line.startswith("instar: ")]
        if len(lines) != 1 or len(lines[0]) > 5000:
            found.add("crashes", f"{case}: {len(lines)} lines: {end.err[-300:]!r}")
    return bool(end.code == 0)


@pytest.mark.parametrize("way", ["config", "resume"])
def test_configs(way: str, forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """A run with settings that were accepted ends with finite weights."""
    config = yaml.safe_load((original / "run" / "config.yaml").read_text())
    config["train"].update(steps=2, save_every=1)
    limits = Limits(seconds=45, memory=3 * 2**30)
    environment = {"INSTAR_CACHE": str(original / "cache")}
    with campaign(f"settings: {way}") as found:
        for number in times(30):
            drawn = chance(found.title, number)
            what, text = strange(config, drawn)
            home = tmp_path / f"{number}"
            home.mkdir()
            file, run = home / "config.yaml", home / "run"
            if way == "resume":
                shutil.copytree(original / "run", run)
                file = run / "config.yaml"
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
            asked = ["--config", file, "-o", run] if way == "config" else ["--resume", run, "--steps", "3"]
            found.case(what if what in _TEXTS else "value")
            done = told(found, what, forks(["train", *asked], limits, folder=home, **environment))
            if list(tmp_path.rglob("PWNED")):
                found.add("silent losses", f"{what}: code was run")
                next(tmp_path.rglob("PWNED")).unlink()
            if done and way == "config":
                finite(found, what, run)
            shutil.rmtree(home)


def finite(found: Found, what: str, run: Path) -> None:
    """Note weights that are not finite, or a run without any."""
    there = checkpoints(run)
    if not there:
        found.add("silent losses", f"{what}: code 0 without a checkpoint")
        return
    try:
        read_tensors(there[-1] / "method.safetensors")
    except UserError as error:
        found.add("silent losses", f"{what}: {error}")


def test_specifications(forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """Of benchmarks."""
    spec = {
        "out": str(tmp_path / "grid"),
        "data": {"animals": str(original / "data")},
        "runs": {"cut": {"preset": "tiny"}, "other": {"name": "pix2pix", "preset": "tiny", "method": {"width": 4}}},
        "seeds": [0, 1],
        "images": 8,
        "common": {"train": {"device": "cpu", "batch": 2}},
        "score": {"extractor": "evaluation.parts:colours"},
    }
    path = tmp_path / "spec.yaml"
    path.write_text(written(spec))
    arguments = ["benchmark", path, "--dry-run"]
    end = forks(arguments)
    assert end.code == 0, end.said
    expected = end.out
    with campaign("settings: benchmark") as found:
        for number in times(25):
            drawn = chance(found.title, number)
            what, text = strange(spec, drawn)
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            found.case(what if what in _TEXTS else "value")
            told(found, what, forks(arguments, Limits(seconds=30, memory=2 * 2**30), folder=tmp_path))
            if {one.name for one in tmp_path.iterdir()} - {"spec.yaml"}:
                found.add("silent losses", f"{what}: a dry run wrote files")
    assert expected.count("cut") >= 2


def test_answers(forks: Forks, original: Path, tmp_path: Path, campaign: Campaign) -> None:
    """Of studies: the key, and what participants sent."""
    key = json.loads((original / "study" / "key.json").read_text())
    said = [{"question": one["id"], "side": "left", "ms": 900} for one in key["questions"]]
    answers = {"study": key["study"], "participant": "one", "answers": said}
    folder, sent = tmp_path / "study", tmp_path / "answers.json"
    shutil.copytree(original / "study", folder)
    sent.write_text(json.dumps(answers))
    arguments = ["study", "--score", folder, sent]
    end = forks(arguments)
    assert end.code == 0, end.said
    with campaign("settings: study") as found:
        for number in times(20):
            drawn = chance(found.title, number)
            which, value, path = drawn.choice([("key", key, folder / "key.json"), ("answers", answers, sent)])
            if drawn.random() < 0.25:
                what, text = drawn.choice(list(_TEXTS.items()))
                text = text.replace("\n", "") if drawn.random() < 0.5 else "[" * 100_000
            else:
                what, changed = mutated(value, drawn)
                text = json.dumps(changed)
            (folder / "key.json").write_text(json.dumps(key))
            sent.write_text(json.dumps(answers))
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
            found.case(which)
            told(found, f"{which}: {what}", forks(arguments, Limits(seconds=30, memory=2 * 2**30), folder=tmp_path))
