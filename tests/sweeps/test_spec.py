"""The file of a benchmark: what it stands for, what it refuses, and where its runs stand."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from evaluation.parts import data_set

from instar.core import registry
from instar.core.batch import Unpaired
from instar.core.errors import UserError
from instar.core.run import CONFIG, write_config
from instar.sweeps.spec import Job, read_grid, standing

SPEC: dict[str, Any] = {
    "out": "runs",
    "data": {"animals": "set"},
    "seeds": [0, 2],
    "images": 8,
    "common": {"preset": "tiny", "data": {"validation": 8}, "train": {"keep": 1}},
    "runs": {"distancegan": None, "plain": {"name": "cut", "method": {"nce_x": 0.5}, "train": {"keep": 3}}},
    "score": {"extractor": "evaluation.parts:colours", "every": 4},
}


def write(folder: Path, **changes: Any) -> Path:
    """A spec beside a drawn data set; a change to None leaves the key out."""
    data_set(folder / "set", train=20)
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in {**SPEC, **changes}.items() if v is not None}, sort_keys=False))
    return path


def test_what_it_stands_for(tmp_path: Path) -> None:
    grid = read_grid(write(tmp_path))
    assert [job.title for job in grid.jobs] == [
        "animals/distancegan/seed-0",
        "animals/plain/seed-0",
        "animals/distancegan/seed-2",
        "animals/plain/seed-2",
    ]
    first, plain, later, _ = (job.config for job in grid.jobs)
    assert (first.name, plain.name) == ("distancegan", "cut")
    assert grid.jobs[2].folder == tmp_path / "runs/animals/distancegan/seed-2"
    assert (first.train.batch, plain.train.batch) == (2, 1), "of the presets"
    assert (first.train.steps, plain.train.steps) == (4, 8), "the same number of images"
    assert (first.train.score_every, plain.train.score_every) == (2, 4)
    assert first.train.score_with == "evaluation.parts:colours"
    assert (first.train.keep, plain.train.keep) == (1, 3)
    assert plain.method.nce_x == 0.5
    assert first.data.validation == plain.data.validation == 8
    assert first.data.roots == (tmp_path / "set",)
    assert later == replace(first, train=replace(first.train, seed=2))


def test_without_images_a_run_is_as_long_as_its_preset_says(tmp_path: Path) -> None:
    grid = read_grid(write(tmp_path, images=None, seeds=None, score=None))
    assert [job.config.train.steps for job in grid.jobs] == [20, 20]
    assert [job.config.train.seed for job in grid.jobs] == [0, 0]
    assert grid.extractor == "inception"


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set(tmp_path / "elsewhere")
    monkeypatch.setenv("PHOTOS", str(tmp_path / "elsewhere"))
    few = {"preset": "tiny"}
    path = write(tmp_path, data={"a": ["set/train/horse", "set/train/zebra"]}, common=few, score=None)
    assert read_grid(path).jobs[0].config.data.roots == (tmp_path / "set/train/horse", tmp_path / "set/train/zebra")
    path = write(tmp_path, out="$PHOTOS/../out", data={"a": "${PHOTOS}"}, common=few, score=None)
    grid = read_grid(path)
    assert grid.out == tmp_path / "out"
    assert grid.jobs[0].config.data.roots == (tmp_path / "elsewhere",)
    monkeypatch.delenv("PHOTOS")
    with pytest.raises(UserError, match=r"spec.yaml: \$PHOTOS/../out: PHOTOS is not set"):
        read_grid(path)


COMMON = SPEC["common"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": 8}, "spec.yaml: unknown setting 'image'; did you mean 'images'?"),
        ({"out": None}, "spec.yaml: 'out' is missing"),
        ({"runs": {}}, "spec.yaml: 'runs' is missing"),
        ({"score": {"extractr": "x"}}, "unknown setting 'extractr'; did you mean 'extractor'?"),
        ({"score": {"extractor": "mobilenet", "weights": "no.npz"}}, r"score.weights: .*no.npz: no such file"),
        ({"common": {"presets": "tiny"}}, "common: unknown setting 'presets'; did you mean 'preset'?"),
        ({"common": {"train": 3}}, "common.train: 3 is not settings"),
        ({"runs": {"cut": {"preset": "small", "steps": 3}}}, "runs.cut: unknown setting 'steps'"),
        ({"runs": {"cut": {"train": {"kep": 3}}}}, "runs.cut.train: unknown setting 'kep'; did you mean 'keep'?"),
        ({"runs": {"cut": {"method": {"nce": 3}}}}, "runs.cut.method: unknown setting 'nce'"),
        ({"runs": {"cut": {"data": {"size": "big"}}}}, "runs.cut.data: .*size"),
        ({"runs": {"cut": {"data": {"size": 3}}}}, "size must be between 24 and 16384"),
        ({"runs": {"cut": "small"}}, "runs.cut: expected name, preset, .*found 'small'"),
        ({"runs": {"cutt": None}}, "there is no method 'cutt'; did you mean 'cut'?"),
        ({"runs": {"cut": {"preset": "smal"}}}, "cut has no preset 'smal'; did you mean 'small'?"),
        ({"runs": {"../cut": {"name": "cut"}}}, "runs: '../cut' names a folder: use letters"),
        ({"data": {"animals": 3}}, "data.animals: give a folder, or a list of folders, not 3"),
        ({"data": {"animals": "nowhere"}}, "animals/distancegan: .*nowhere: there is no such folder"),
        ({"seeds": [1, 1]}, "seeds: give one or more different numbers"),
        ({"seeds": 3}, "spec.yaml: .*seeds"),
        ({"images": 9}, "runs.distancegan: images 9 must be a multiple of its batch of 2"),
        ({"common": {**COMMON, "train": {"steps": 3}}}, "train.steps follows from 'images' of the spec; leave it out"),
        ({"common": {**COMMON, "train": {"seed": 3}}}, "train.seed follows from 'seeds'"),
        ({"common": {**COMMON, "train": {"score_every": 3}}}, "train.score_every follows from 'score'"),
        ({"common": {**COMMON, "data": {"roots": ["x"]}}}, "data.roots follows from 'data'"),
        ({"common": {"preset": "tiny"}}, "score.every: set data.validation to 8 or more"),
        ({"common": {**COMMON, "data": {"validation": 15}}}, "animals/distancegan: data.validation=15"),
        (
            {"runs": {"cut": None, "large": {"name": "cut", "data": {"size": 64}}}},
            "same images: cut works on 32 px, horse -> zebra, large on 64 px, horse -> zebra",
        ),
        (
            {"runs": {"cut": None, "back": {"name": "cut", "data": {"source": "zebra"}}}},
            "back on 32 px, zebra -> horse",
        ),
        ({"runs": {"cut": None, "pix2pix": None}, "data": {"a": "odd"}}, "a/pix2pix: no train image of horse"),
        ({"runs": {"cut": None, "tunit": None}}, "tunit on 32 px, set -> set"),
        (
            {"data": {"animals": "bare"}, "common": {**COMMON, "data": {"holdout": 0}}, "score": None},
            "data.animals: there are no test images to score with",
        ),
    ],
)  # fmt: skip
def test_what_it_refuses(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    odd = data_set(tmp_path / "odd", train=20)
    for image in (odd / "train/zebra").iterdir():
        image.rename(image.with_name(f"z{image.name}"))
    data_set(tmp_path / "bare", train=20, test=0)
    with pytest.raises(UserError, match=said) as error:
        read_grid(write(tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_files_that_are_no_spec(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.yaml: cannot be read"):
        read_grid(tmp_path / "missing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("out: [")
    with pytest.raises(UserError, match=r"broken\.yaml: not YAML") as error:
        read_grid(broken)
    assert "\n" not in str(error.value)
    broken.write_text("- out")
    with pytest.raises(UserError, match="not a benchmark; it should hold out, data and runs"):
        read_grid(broken)


def begin(job: Job, step: int | None) -> None:
    """Lay out a run as a training leaves it."""
    job.folder.mkdir(parents=True, exist_ok=True)
    write_config(replace(job.config, data=replace(job.config.data, source="horse", target="zebra")), job.folder)
    if step is not None:
        checkpoint = job.folder / "checkpoints" / f"step-{step:09d}"
        checkpoint.mkdir(parents=True)
        training = {"step": step, "phase": "train", "bad_steps": 0, "seconds": 1.0, "meter": {}}
        (checkpoint / "training.json").write_text(json.dumps(training))


def test_where_a_run_stands(tmp_path: Path) -> None:
    job, other = read_grid(write(tmp_path)).jobs[:2]
    assert standing(job) is None
    job.folder.mkdir(parents=True)
    assert standing(job) is None
    begin(job, None)
    assert standing(job) == 0
    begin(job, 2)
    begin(job, 4)
    assert standing(job) == 4
    other.folder.mkdir(parents=True)
    (other.folder / "notes.txt").touch()
    with pytest.raises(UserError, match=f"{other.folder}: not a run directory .* move it away"):
        standing(other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": 16}, "train.steps 4, and the spec now says 8"),
        ({"common": {**COMMON, "train": {"keep": 2}}}, "train.keep 1, and the spec now says 2"),
        ({"runs": {"distancegan": {"method": {"optim": {"lr": 1}}}}}, "method.optim.lr 0.0002, .* says 1.0"),
        ({"runs": {"distancegan": {"name": "cut"}}}, "name distancegan, and the spec now says cut"),
    ],
)  # fmt: skip
def test_a_run_of_another_spec_is_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    begin(read_grid(write(tmp_path)).jobs[0], 2)
    job = read_grid(write(tmp_path, **change)).jobs[0]
    with pytest.raises(UserError, match=f"{job.folder} was trained with {said}: put it back"):
        standing(job)
    assert (job.folder / CONFIG).is_file()


def test_the_shipped_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set(tmp_path / "cat2dog", train=80)
    (tmp_path / "mobilenet_v2_0.35_224_no_top_keras.npz").touch()
    monkeypatch.setenv("DATA", str(tmp_path))
    jobs = read_grid(Path(__file__).parents[2] / "benchmarks/cat2dog.yaml").jobs
    assert {job.config.train.steps * job.config.train.batch for job in jobs} == {3600}
    two_domains = {name for name in registry.names() if registry.get(name).data is Unpaired}
    assert {job.config.name for job in jobs} == two_domains, "every method for such data"


def test_the_documents_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/evaluating.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "spec.yaml").write_text(block)
    data_set(tmp_path / "photos/cat2dog", train=80)
    (tmp_path / "mobilenet_v2_0.35_224_no_top_keras.npz").touch()
    monkeypatch.setenv("WEIGHTS", str(tmp_path))
    assert len(read_grid(tmp_path / "spec.yaml").jobs) == 9
