import json
import re
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from engine.processes import draw, state
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from instar.cli import main
from instar.cli.train import parse_method
from instar.core import registry
from instar.core.board import band
from instar.core.config import Optim
from instar.core.device import has_bf16
from instar.core.method import defaults
from instar.data import shapes

Said = pytest.CaptureFixture[str]
LAST = "checkpoints/step-000000004"
SHORT = ("--preset", "tiny", "--steps", 4, "--device", "cpu")
METHODS = ("cut", "cyclegan", "pix2pix")


def call(*arguments: object) -> int:
    try:
        return main.run(["train", *map(str, arguments)])
    except SystemExit as stopped:  # of tyro
        return int(stopped.code or 0)


@pytest.fixture(autouse=True)
def usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("drawn") / "data")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: look, but do not touch."""
    out = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSTAR_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert call("cyclegan", data, "-o", out, *SHORT) == 0
    return out


def settings(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((run / "config.yaml").read_text())
    return found


def tiles(run: Path, row: int, step: int = 0, size: int = 32) -> NDArray[np.uint8]:
    """A row of a sample picture."""
    with Image.open(run / "samples" / f"step-{step:09d}.png") as image:
        return np.asarray(image)[2 + row * (size + 2) : 2 + row * (size + 2) + size, : image.width - band(image)]


# Help


def options(text: str) -> dict[str, str]:
    """Every option of a help text by its flags, with all that is said about it in one line."""
    found: dict[str, list[str]] = {}
    here: list[str] | None = None
    for line in text.replace("│", " ").splitlines():  # a frame, where the terminal can show one
        if line.startswith("  -"):
            flags, *short = re.split(r"\s{2,}", line.strip(), maxsplit=1)  # a short text stands beside its flags
            here = found.setdefault(flags, short)
        elif not line.startswith("        "):
            here = None
        elif here is not None:
            here.append(line.strip())
    return {flags: " ".join(lines).strip() for flags, lines in found.items() if not set(flags) <= {"-"}}


@pytest.mark.parametrize("name", METHODS)
def test_help_of_a_method(name: str, capsys: Said) -> None:
    assert call(name, "--help") == 0
    out, err = capsys.readouterr()
    assert err == ""
    method = registry.get(name)
    if method.paper:
        assert str(method.paper.year) in out
        assert method.paper.url in out.replace("\n", "")
    else:
        assert "Of no paper" in out
    shown = options(out)
    flags = {flag.split()[0] for key in shown for flag in key.split(", ")}
    for flag in ("--steps", "--size", "--batch", "--seed", "--device", "--devices", "--precision", "--channels"):
        assert flag in flags
    assert {"-o", "--out", "--preset", "--from", "--to"} <= flags

    own = {f"--method.{field.name.replace('_', '-')}" for field in fields(method.options)} - {"--method.optim"}
    own |= {f"--method.optim.{field.name.replace('_', '-')}" for field in fields(Optim)}
    there = {flag for flag in flags if flag.startswith("--method.") and not flag.startswith("--method.no-")}
    assert there == own

    for key, text in shown.items():
        if key != "-h, --help":
            # A flag without a default says in words what its absence means.
            assert re.fullmatch(r"\S.{10,}(\.| \((default: .+|required)\))", text), f"{key}: {text}"
    preset = next(text for key, text in shown.items() if key.startswith("--preset"))
    assert all(f"{known}: " in preset for known in method.presets)


def test_no_options_of_other_methods(capsys: Said) -> None:
    call("cut", "--help")
    cut = capsys.readouterr().out
    call("cyclegan", "--help")
    cyclegan = capsys.readouterr().out
    assert "--method.nce-x" in cut
    assert "--method.cycle-x" not in cut
    assert "--method.cycle-x" in cyclegan
    assert "--method.nce-x" not in cyclegan


def test_help_shows_the_defaults_of_the_preset(capsys: Said) -> None:
    call("cut", "--preset", "small", "--help")
    shown = {key.split()[0]: text for key, text in options(capsys.readouterr().out).items()}
    small = defaults("cut", registry.get("cut"), "small")
    assert shown["--steps"].endswith(f"(default: {small.train.steps})")
    assert shown["--size"].endswith(f"(default: {small.data.size})")
    assert shown["--method.width"].endswith(f"(default: {small.method.width})")


def test_short_and_derived_flags_are_the_same() -> None:
    short = "--steps 7 --batch 4 --seed 3 --size 48 --device cpu --devices 2 --precision bf16 --channels 1"
    long = (
        "--train.steps 7 --train.batch 4 --train.seed 3 --data.size 48 --train.device cpu --train.devices 2 "
        "--train.precision bf16 --method.channels 1"
    )
    one, own = parse_method("cut", ["d", "-o", "r", *short.split(), "--from", "x", "--to", "y"])
    two, _ = parse_method("cut", ["d", "--out", "r", *long.split(), "--data.source", "x", "--data.target", "y"])
    assert one == two
    assert own["out"] == Path("r")
    assert (one.train.steps, one.train.batch, one.data.size, one.method.channels) == (7, 4, 48, 1)
    assert (one.data.source, one.data.target) == ("x", "y")
    assert one.data.roots == (Path("d").absolute(),)


def test_flags_change_the_preset(data: Path) -> None:
    plain, _ = parse_method("cut", [str(data), "-o", "r"])
    assert plain == parse_method("cut", [str(data), "-o", "r", "--preset", "paper"])[0]
    assert plain.data.size == 256
    config, _ = parse_method("cut", [str(data), "--preset=small", "-o", "r", "--method.width", "8"])
    assert (config.preset, config.method.width, config.data.size) == ("small", 8, 64)


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["cut", "d", "-o", "r", "--stps", "4"], "--steps"),
        (["cut", "d", "-o", "r", "--method.nce-z", "4"], "--method.nce-x"),
        (["pix2pix", "d", "-o", "r", "--trian.seed", "4"], "--train.seed"),
        (["cut", "d"], "--out"),
        (["cut", "d", "-o", "r", "--precision", "16"], "bf16"),
        (["cut", "d", "-o", "r", "--steps", "many"], "--steps"),
    ],
)
def test_a_wrong_flag(arguments: list[str], meant: str, capsys: Said, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert meant in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def spoiled(folder: Path, *broken: str) -> Path:
    draw(folder)
    for name in broken:
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    return folder


def alone(folder: Path) -> Path:
    draw(folder)
    for name in ("trainB", "testB"):
        shutil.rmtree(folder / name)
    return folder


def emptied(folder: Path) -> Path:
    draw(folder)
    for path in (folder / "trainB").iterdir():
        path.unlink()
    return folder


def few(folder: Path) -> Path:
    draw(folder)
    for path in sorted((folder / "trainB").iterdir())[3:]:
        path.unlink()
    return folder


def file(folder: Path) -> Path:
    folder.write_text("no folder")
    return folder


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


LONG = "a folder with a name that is longer than a line of a terminal is wide " * 2
DATA: dict[str, tuple[Callable[[Path], Path], tuple[object, ...], tuple[str, ...]]] = {
    "missing": (lambda folder: folder, (), ("{data}: there is no such folder",)),
    "a file": (file, (), ("{data} is a file",)),
    "empty": (empty, (), ("{data}: no images (the folder is empty)",)),
    "one empty": (emptied, (), ("{data}/trainB: no images",)),
    "one domain": (alone, (), ("one domain only", "{data}")),
    "few": (few, ("--batch", 4), ("B has 3 training images, fewer than --batch 4",)),
    "unreadable": (
        lambda folder: spoiled(folder, "trainA/0003.png", "trainA/0005.png"),
        (),
        ("2 of 12 images cannot be read", "--data.max-bad 0.05", "the first is {data}/trainA/0003.png: "),
    ),
    "no such domain": (draw, ("--from", "horse"), ("--from horse: no such domain in {data}", "A, B")),
    "same domains": (draw, ("--from", "A", "--to", "a"), ("--from and --to are both A",)),
}


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used(case: str, tmp_path: Path, capsys: Said) -> None:
    make, flags, words = DATA[case]
    data = make(tmp_path / LONG.strip())
    before = sorted(tmp_path.rglob("*"))
    assert call("cut", data, "-o", tmp_path / "run", *SHORT, *flags) == 2
    err = refused(capsys)
    for word in words:
        assert word.replace("{data}", str(data)) in err
    assert sorted(tmp_path.rglob("*")) == before


def refused(capsys: Said) -> str:
    """One line on stderr, however long, and nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("instar: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


FLAGS = {
    "pix2pix DATA -o RUN --preset small --size 100": "--size 100: pix2pix with these options needs a multiple of 64",
    "cut DATA -o RUN --batch 3 --devices 2": "--batch 3 cannot be shared equally by --devices 2",
    "cut DATA -o RUN --steps 0": "steps must be at least 1, not 0",
    "cut DATA -o RUN --batch 0": "batch must be at least 1, not 0",
    "cut DATA -o RUN --seed -1": "seed must be at least 0, not -1",
    "cut DATA -o RUN --size 8": "size must be between 24 and",
    "cut DATA -o RUN --size 64 --data.zoom 0.5": "--data.zoom must be between 1 and 8, not 0.5",
    "cut DATA -o RUN --data.max-bad 2": "--data.max-bad must be between 0 and 1, not 2.0",
    "cut DATA -o RUN --channels 2": "has 3 bands, where networks of A have 2 channels: set --channels 3",
    "cut DATA -o RUN --preset smal": "cut has no preset 'smal'; did you mean 'small'?",
    "cut DATA -o RUN --preset=fastcat": "did you mean 'fastcut'?",
    "cut DATA -o RUN --preset small --method.blocks 4": "--method.blocks 4: light networks (--method.light 64) have",
    "cut DATA -o RUN --method.blocks 4": "with --method.blocks 4 there is no 'block5'",
    "cut DATA -o RUN --preset tiny --method.nce-x 0 --method.nce-y 0": "one of the two contrasts must be on",
    "pix2pix DATA -o RUN --method.gan 0 --method.l1 0": "one of the two losses must be on",
    "cut DATA DATA DATA -o RUN": "3 folders given",
    "cut DATA DATA -o RUN": "is given for both domains",
    "cut -o RUN": "no data set given",
    "cyclegam DATA -o RUN": "there is no method 'cyclegam'; did you mean 'cyclegan'?",
    "--preset tiny cut DATA -o RUN": "takes the method first, not --preset",
    "--resume RUN": "not a run directory (it has no config.yaml)",
    "--resume DATA": "not a run directory (it has no config.yaml)",
    "--resume RUN --size 64": "--resume RUN takes --allow-changes, --allow-code, --devices, --steps alone",
    "--resume RUN/checkpoints/step-000000007": "no such checkpoint; there is: none",
    "--resume=DATA": "not a run directory (it has no config.yaml)",
    "--config RUN/config.yaml -o RUN": "/run/config.yaml: no such file",
    "--config DATA/trainA/0000.png -o RUN": "0000.png: not YAML",
    "cut DATA -o DATA": "exists already",
    "cut DATA -o DATA/trainA/0000.png": "exists already",
    "cut DATA -o DATA/trainA/0000.png/run --preset tiny": "cannot be written",
}


@pytest.mark.parametrize("line", FLAGS)
def test_settings_that_cannot_be_used(
    line: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(data.rglob("*"))
    words = [word.replace("DATA", str(data)).replace("RUN", str(tmp_path / "run")) for word in line.split()]
    assert call(*words) == 2
    assert FLAGS[line] in refused(capsys)
    assert list(tmp_path.iterdir()) == []
    assert sorted(data.rglob("*")) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_no_cuda(data: Path, tmp_path: Path, capsys: Said) -> None:
    assert call("cut", data, "-o", tmp_path / "run", "--preset", "tiny", "--device", "cuda") == 2
    assert "--device cuda: not available here (there is: " in refused(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_overwritten(data: Path, trained: Path, capsys: Said) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert call("cyclegan", data, "-o", trained, *SHORT) == 2
    assert f"{trained} exists already; go on with `instar train --resume {trained}`" in refused(capsys)
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  steps: 4", "  stpes: 4", "train: unknown setting 'stpes'; did you mean 'steps'?"),
        ("  cycle_x: ", "  cycel_x: ", "method: unknown setting 'cycel_x'; did you mean 'cycle_"),
        ("    hold: ", "    hodl: ", "unknown setting 'hodl'; did you mean 'hold'?"),
        ("name: cyclegan", "name: cyclegam", "there is no method 'cyclegam'; did you mean 'cyclegan'?"),
        ("name: cyclegan\n", "", "'name' is missing"),
        ("preset: ", "perset: ", "unknown setting 'perset'; did you mean 'preset'?"),
        ("  steps: 4", "  steps: 0", "steps must be at least 1, not 0"),
        ("  steps: 4", "  steps: many", "train"),
        ("name: cyclegan", "name: [", "not YAML"),
    ],
)
def test_a_config_that_cannot_be_used(
    old: str, new: str, said: str, trained: Path, tmp_path: Path, capsys: Said
) -> None:
    text = (trained / "config.yaml").read_text()
    assert old in text
    config = tmp_path / "config.yaml"
    config.write_text(text.replace(old, new))
    assert call("--config", config, "-o", tmp_path / "run") == 2
    assert said in refused(capsys)
    assert list(tmp_path.iterdir()) == [config]


# Runs


def test_a_run_directory(trained: Path, data: Path) -> None:
    config = settings(trained)
    assert config["name"] == "cyclegan"
    assert config["preset"] == "tiny"
    assert config["data"]["roots"] == [str(data)]
    assert (config["data"]["source"], config["data"]["target"]) == ("A", "B")
    assert (config["train"]["steps"], config["train"]["seed"]) == (4, 0)

    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 4
    logged, measured = rows[-2:]
    assert {"G/cycle_x", "G/gan_g", "D/y_real", "seconds", "images_per_second"} <= set(logged)
    assert {"held-out/change (L1)", "held-out/luminance correlation"} <= set(measured)
    assert all(np.isfinite(value) for row in rows for value in row.values())

    log = (trained / "run.log").read_text()
    for word in ("instar 0.", f"torch {torch.__version__.split('+')[0]}", "Python 3.", "; cpu (", "seed 0"):
        assert word in log
    assert "A: 12 images to train on, 4 held out" in log
    assert f"instar translate {trained} IMAGES -o OUT" in log

    for step in (0, 4):
        with Image.open(trained / "samples" / f"step-{step:09d}.png") as picture:
            assert picture.size == (4 * 34 + 2 + band(picture), 4 * 34 + 2)
    assert list((trained / "tensorboard").glob("events.out.tfevents.*"))
    checkpoint = trained / LAST
    assert {path.name for path in checkpoint.iterdir()} == {
        *("config.yaml", "training.json", "method.safetensors", "averages.safetensors", "optimizers.safetensors"),
        *("images.txt", "SHA256SUMS"),
    }
    assert json.loads((checkpoint / "training.json").read_text())["step"] == 4
    assert (checkpoint / "config.yaml").read_bytes() == (trained / "config.yaml").read_bytes()
    assert [path.name for path in (trained / "checkpoints").iterdir()] == ["step-000000004"]
    assert {path.name for path in trained.iterdir()} == {
        *("config.yaml", "metrics.jsonl", "run.log", "samples", "tensorboard", "checkpoints", ".lock", "index.html")
    }


def test_config_repeats_a_run_bit_for_bit(trained: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert call("--config", trained / "config.yaml", "-o", again) == 0
    assert state(again) == state(trained)
    assert settings(again) == settings(trained)
    assert (tiles(again, 1, 4) == tiles(trained, 1, 4)).all()


def test_another_seed_is_another_run(trained: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert call("cyclegan", data, "-o", other, *SHORT, "--seed", 1) == 0
    assert settings(other)["train"]["seed"] == 1
    one, two = (load_file(run / LAST / "method.safetensors") for run in (trained, other))
    assert set(one) == set(two)
    assert not any(torch.equal(one[name], two[name]) for name in one if name.endswith(".weight") and one[name].ndim > 1)


def test_resume_of_a_finished_run_changes_nothing(trained: Path, tmp_path: Path, capsys: Said) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.rglob("*.*") if path.is_file()}
    assert call("--resume", run) == 0
    assert "done: step 4" in capsys.readouterr().err
    for path, (when, content) in before.items():
        if path.name not in ("run.log", "index.html"):
            assert path.read_bytes() == content, path
        if "checkpoints" in path.parts:
            assert path.stat().st_mtime_ns == when, path


def test_resume_finds_no_images(trained: Path, tmp_path: Path, capsys: Said) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(settings(run)["data"]["roots"][0]), str(tmp_path / "gone")))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"}
    assert call("--resume", run) == 2
    assert f"{tmp_path / 'gone'}: there is no such folder" in refused(capsys)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != ".lock"} == before


def test_resume_lengthens_and_says_what_has_changed(trained: Path, tmp_path: Path, capsys: Said) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    assert call("--resume", run, "--steps", 0) == 2
    assert "steps must be at least 1, not 0" in refused(capsys)
    assert call("--resume", run, "--steps", 6) == 0
    err = capsys.readouterr().err
    assert "goes on from step 4 of 6" in err
    assert "done: step 6" in err
    assert settings(run)["train"]["steps"] == 6
    assert call("--resume", run) == 0
    assert f"at its end, step 6; to lengthen it: instar train --resume {run} --steps 12" in capsys.readouterr().err
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("seed: 0", "seed: 5"))
    assert call("--resume", run, "--steps", 7) == 2
    said = refused(capsys)
    assert f"{run}/config.yaml: --seed was 0, is 5 (since step 6); put it back, or go on" in said
    assert said.endswith(f"instar train --resume {run} --allow-changes\n")
    (run / "config.yaml").write_text(config.replace("score_with: inception", "score_with: os:system=ls"))
    assert call("--resume", run) == 2
    assert refused(capsys).endswith("os:system=ls is code that would be run; if you trust it: --allow-code\n")
    assert call("--config", run / "config.yaml", "-o", tmp_path / "new") == 2
    assert refused(capsys).endswith("os:system=ls is code that would be run; if you trust it: --allow-code\n")
    assert call("--config", run / "config.yaml", "-o", tmp_path / "new", "--allow-code") == 0, "it is not scored"


def test_direction(trained: Path, data: Path, tmp_path: Path) -> None:
    swapped = tmp_path / "swapped"
    assert call("cyclegan", data, "-o", swapped, *SHORT, "--from", "B", "--to", "A") == 0
    assert (settings(swapped)["data"]["source"], settings(swapped)["data"]["target"]) == ("B", "A")
    a, b = tiles(trained, 0), tiles(trained, 2)
    assert (a != b).any()
    assert (tiles(swapped, 0) == b).all()
    assert (tiles(swapped, 2) == a).all()


def test_names_of_folders_are_names_of_domains(data: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for domain, name in (("A", "horse"), ("B", "zebra")):
            shutil.copytree(data / f"{split}{domain}", tmp_path / "data" / split / name)
    assert call("cut", tmp_path / "data", "-o", tmp_path / "run", *SHORT, "--from", "zebra") == 0
    assert (settings(tmp_path / "run")["data"]["source"], settings(tmp_path / "run")["data"]["target"]) == (
        "zebra",
        "horse",
    )
    assert "zebra: 12 images to train on, 4 held out" in (tmp_path / "run" / "run.log").read_text()


def test_two_folders(data: Path, tmp_path: Path, capsys: Said) -> None:
    run = tmp_path / "run"
    for domain, name in (("A", "summer"), ("B", "winter")):
        shutil.copytree(data / f"train{domain}", tmp_path / name)
    assert call("cut", tmp_path / "winter", tmp_path / "summer", "-o", run, *SHORT) == 0
    config = settings(run)["data"]
    assert config["roots"] == [str(tmp_path / "winter"), str(tmp_path / "summer")]
    assert (config["source"], config["target"]) == ("winter", "summer")
    err = capsys.readouterr().err
    assert "winter: 11 images to train on, 1 held out" in err
    assert "no test folder" in err


def test_a_few_unreadable_files_are_named_and_left_out(tmp_path: Path, capsys: Said) -> None:
    data = spoiled(tmp_path / LONG.strip(), "trainA/0003.png")
    (data / "trainB" / "0007.png").write_bytes(b"")
    run = tmp_path / "run"
    assert call("cyclegan", data, "-o", run, *SHORT, "--data.max-bad", 0.1) == 0
    err, log = capsys.readouterr().err, (run / "run.log").read_text()
    for text in (err, log):
        assert "A: 11 images to train on" in text
        assert "2 unreadable file(s) left out:" in text
        assert f"{data / 'trainA' / '0003.png'}: " in text, "in one piece"
        assert f"{data / 'trainB' / '0007.png'}: the file is empty" in text, "in one piece"


def test_sixteen_bit_gray(tmp_path: Path) -> None:
    for number in range(6):
        for domain, image in zip("AB", shapes.pair(number, 40), strict=True):
            folder = tmp_path / "data" / f"{'train' if number < 4 else 'test'}{domain}"
            folder.mkdir(parents=True, exist_ok=True)
            wide = np.asarray(image.convert("L")).astype(np.uint16) * 200 + number
            Image.fromarray(wide).save(folder / f"{number}.png")
    assert call("cyclegan", tmp_path / "data", "-o", tmp_path / "run", *SHORT, "--channels", 1) == 0
    weights = load_file(tmp_path / "run" / LAST / "method.safetensors")
    assert {w.shape[1] for name, w in weights.items() if name.startswith("D_X") and w.ndim == 4} >= {1}
    source = tmp_path / "photo.png"
    Image.fromarray(np.arange(50 * 37, dtype=np.uint16).reshape(37, 50) * 35).save(source)
    out = tmp_path / "out"
    assert main.run(["translate", str(tmp_path / "run"), str(source), "-o", str(out), "--device", "cpu"]) == 0
    with Image.open(out / "photo.png") as image:
        assert image.size == (50, 37)
        assert image.mode == "I;16"
        values = np.asarray(image)
    assert values.dtype == np.uint16
    assert (values % 257 != 0).any(), "more than 8 bits are in use"


def test_bf16(data: Path, tmp_path: Path, trained: Path) -> None:
    run = tmp_path / "run"
    assert call("cyclegan", data, "-o", run, *SHORT, "--precision", "bf16") == 0
    assert settings(run)["train"]["precision"] == "bf16"
    said = (run / "run.log").read_text()
    assert "precision bf16" in said
    assert ("no instructions for it" in said) != has_bf16("cpu")
    one, two = (load_file(folder / LAST / "method.safetensors") for folder in (run, trained))
    names = [name for name in one if name.endswith("weight")]
    assert {one[name].dtype for name in names} == {torch.float32}
    assert all(bool(one[name].isfinite().all()) for name in names)
    assert any(not torch.equal(one[name], two[name]) for name in names)
    resumed = tmp_path / "resumed"
    flags = (*SHORT[:2], "--steps", 4, *SHORT[4:], "--precision", "bf16", "--train.save-every", 2, "--train.keep", 0)
    assert call("cyclegan", data, "-o", resumed, *flags) == 0
    shutil.rmtree(resumed / LAST)
    assert call("--resume", resumed) == 0
    assert state(resumed) == state(run)


def test_auto_precision_is_written_as_what_it_took(data: Path, tmp_path: Path) -> None:
    """The run is that of the precision given; resuming it keeps it, whatever that device has."""
    taken = "bf16" if has_bf16("cpu") else "32"
    auto, given = tmp_path / "auto", tmp_path / "given"
    assert call("cyclegan", data, "-o", auto, *SHORT, "--precision", "auto") == 0
    assert call("cyclegan", data, "-o", given, *SHORT, "--precision", taken) == 0
    assert settings(auto)["train"]["precision"] == taken
    assert f"--precision auto takes {taken}: " in (auto / "run.log").read_text()
    assert state(auto) == state(given)


def test_networks_computed_twice_end_in_the_same_bits(data: Path, tmp_path: Path, trained: Path) -> None:
    """The setting may change while a run is stopped, and nothing of it is in a checkpoint."""
    run = tmp_path / "run"
    assert call("cyclegan", data, "-o", run, *SHORT, "--train.activation-checkpointing", "G", "D_Y") == 0
    assert settings(run)["train"]["activation_checkpointing"] == ["G", "D_Y"]
    assert state(run) == state(trained)
    written = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(written.replace("- G\n", "").replace("- D_Y\n", "- all\n"))
    assert call("--resume", run, "--steps", 6) == 0


def test_pairs_side_by_side(tmp_path: Path) -> None:
    for number in range(6):
        folder = tmp_path / "data" / ("train" if number < 4 else "test")
        folder.mkdir(parents=True, exist_ok=True)
        left, right = shapes.pair(number, 40)
        both = Image.new("RGB", (80, 40))
        both.paste(left, (0, 0))
        both.paste(right, (40, 0))
        both.save(folder / f"{number}.png")
    run, back = tmp_path / "run", tmp_path / "back"
    assert call("pix2pix", tmp_path / "data", "-o", run, *SHORT) == 0
    with Image.open(run / "samples" / "step-000000004.png") as picture:
        assert picture.size == (2 * 34 + 2 + band(picture), 3 * 34 + 2)
    assert "A: 4 images to train on, 2 held out" in (run / "run.log").read_text()
    assert call("pix2pix", tmp_path / "data", "-o", back, *SHORT, "--from", "B") == 0
    assert (tiles(back, 0) == tiles(run, 2)).all(), "the input of one is the truth of the other"
    assert (tiles(back, 2) == tiles(run, 0)).all()
