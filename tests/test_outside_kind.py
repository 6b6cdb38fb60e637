"""A kind of batch of three domains and its method, in one file of another package: trained, pictured, resumed."""

import json
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import instar
from instar.cli import main
from instar.core import registry
from instar.core.board import band
from instar.core.config import DataConfig
from instar.core.errors import UserError
from instar.data import find, open_data

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("dawn", "dusk", "noon")


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    shutil.copy(ROOT / "examples/three_domains.py", tmp_path / "site" / "outside_three_domains.py")
    monkeypatch.syspath_prepend(tmp_path / "site")
    entry = EntryPoint("three-ways", "outside_three_domains:ThreeWays", "instar.methods")
    monkeypatch.setattr(registry, "_outside", lambda: {entry.name: entry})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Domains of 5, 6 and 7 images of three shades, the names of the files their domains'."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        for split, count in (("train", 5 + number), ("test", 3)):
            for i in range(count):
                path = tmp_path / "set" / split / name / f"{name}{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                shade = rng.integers(80 * number, 80 * number + 60, (34, 36, 3), dtype=np.uint8)
                Image.fromarray(shade).save(path)
    return tmp_path / "set"


def train(*arguments: object) -> int:
    return main.run(["train", *map(str, arguments)])


FLAGS = ("--preset", "tiny", "--steps", 6, "--batch", 2, "--train.save-every", 3, "--train.keep", 0, "--device", "cpu",
         "--train.log-every", 2, "--train.preview-every", 3)  # fmt: skip


def state(run: Path, step: int) -> dict[str, torch.Tensor]:
    folder = run / "checkpoints" / f"step-{step:09d}"
    files = ("method", "averages", "optimizers")
    return {
        f"{file} {key}": value for file in files for key, value in load_file(folder / f"{file}.safetensors").items()
    }


def numbers(run: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def test_it_is_trained_pictured_and_resumed_exactly(root: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train("three-ways", root, "-o", whole, *FLAGS) == 0
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "checkpoints" / "step-000000006")
    assert train("--resume", cut) == 0
    there, here = state(whole, 6), state(cut, 6)
    assert there.keys() == here.keys()
    assert all(torch.equal(there[key], here[key]) for key in there)
    assert not any(torch.equal(there[key], value) for key, value in state(whole, 3).items() if "weight" in key)
    assert numbers(whole) == numbers(cut)
    assert {f"G/gan_{domain}" for domain in "abc"} <= set(numbers(whole)[0])

    said = (whole / "run.log").read_text()
    for number, name in enumerate(NAMES):
        assert f"{name}: {5 + number} images to train on, 3 held out" in said
    config = yaml.safe_load((whole / "config.yaml").read_text())["data"]
    assert (config["domains"], config["source"], config["target"]) == (list(NAMES), None, None)
    # Each domain's three test images, then their translations to the two others.
    with Image.open(whole / "samples" / "step-000000006.png") as picture:
        assert picture.size == (3 * 34 + 2 + band(picture), 9 * 34 + 2)
        tiles = np.asarray(picture.convert("RGB"), np.float64)
    rows = [tiles[2 + 34 * i : 34 + 34 * i].mean() for i in range(9)]
    assert rows[0] < rows[3] < rows[6]  # the three shades
    assert len({tuple(np.round(tiles[2 + 34 * i : 34 + 34 * i, 2:34].ravel())) for i in range(9)}) == 9


def test_it_translates_to_each_domain_by_name(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, photo = tmp_path / "run", root / "test" / "dawn" / "dawn0.png"
    assert train("three-ways", root, "-o", run, *FLAGS) == 0
    model = instar.load(run, "cpu")
    made = []
    for name in NAMES:
        out = tmp_path / name
        assert main.run(["translate", str(run), str(photo), "-o", str(out), "--to", name, "--device", "cpu"]) == 0
        with Image.open(out / "dawn0.png") as picture, Image.open(photo) as original:
            made.append(np.asarray(picture))
            np.testing.assert_array_equal(made[-1], np.asarray(model.translate(original.copy(), name)))
    assert len({picture.tobytes() for picture in made}) == 3
    capsys.readouterr()
    assert main.run(["translate", str(run), str(photo), "-o", str(tmp_path / "x"), "--to", "night"]) == 2
    assert "dawn or dusk or noon" in capsys.readouterr().err


def test_the_order_is_chosen_by_name(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert train("three-ways", root, "-o", run, *FLAGS, "--data.domains", "noon", "Dawn", "dusk") == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["domains"] == ["noon", "dawn", "dusk"]
    capsys.readouterr()
    for flags, words in (
        (("--from", "dawn"), "--from dawn: this method has 3 domains; name them by --data.domains"),
        (("--data.domains", "noon", "dawn"), "this method has 3 domains; name them all"),
        (("--data.domains", "noon", "dawn", "nun"), "no such domain in"),
        (("--data.domains", "noon", "dawn", "Noon"), "--data.domains names twice noon"),
    ):
        assert train("three-ways", root, "-o", tmp_path / "other", *FLAGS, *flags) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    assert train("cut", root, "-o", tmp_path / "other", "--data.domains", "noon", "dawn") == 2
    assert "this method has 2 domains; name them by --from and --to" in capsys.readouterr().err


def test_batches_samples_and_what_does_not_fit(root: Path, tmp_path: Path) -> None:
    kind = instar.get("three-ways").data
    data = open_data(DataConfig(roots=(root,), size=32), 3, kind, batch=5, seed=0)
    assert data.train.epoch_length == 2
    batch = data.train.batch(0)
    assert [Path(name).stem[:4] for name in batch.names] == [name for name in NAMES for _ in range(5)]
    means = [float(x.mean()) for x in batch.images.values()]
    assert means == sorted(means)
    samples = data.samples(8)
    assert [len(x) for x in samples.images.values()] == [3, 3, 3]
    folders = tuple(root / "train" / name for name in NAMES)
    assert find(DataConfig(roots=folders), kind).names == dict(zip("abc", NAMES, strict=True))
    for roots, words in (
        (folders[:2], "2 folders given: name one data set folder, or 3, one per domain"),
        ((root / "train" / "dusk",), "holds one domain only"),
    ):
        with pytest.raises(UserError, match=words):
            find(DataConfig(roots=roots), kind)
    shutil.rmtree(root / "train" / "dusk")
    with pytest.raises(UserError, match=r"set holds 2 domains \(dawn, noon\): this method needs 3"):
        find(DataConfig(roots=(root,)), kind)
    for name in ("dusk", "night"):
        shutil.copytree(root / "train" / "dawn", root / "train" / name)
    with pytest.raises(UserError, match=r"4 domains \(dawn, dusk, night, noon\): choose 3 with data\.domains"):
        find(DataConfig(roots=(root,)), kind)
    chosen = find(DataConfig(roots=(root,), domains=("night", "noon", "dawn")), kind)
    assert list(chosen.names.values()) == ["night", "noon", "dawn"]
    assert [len(refs) for refs in chosen.train.values()] == [5, 7, 5]
