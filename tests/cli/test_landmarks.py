"""Landmarks on the command line: shown, moved, led to those of another image."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import instar
from instar.cli import main

Runs = Callable[..., Path]
rng = np.random.default_rng(0)


@pytest.fixture
def run(run_directory: Runs) -> Path:
    return run_directory("transgaga")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name, size in (("cat.png", (40, 36)), ("sub/dog.jpg", (48, 48))):
        smooth(*size).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


def smooth(width: int, height: int) -> Image.Image:
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def call(*arguments: object) -> int:
    return main.run(["translate", *map(str, arguments), "--device", "cpu"])


def written(out: Path) -> list[str]:
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and p.suffix != ".jsonl")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_shown_and_listed(run: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call(run, photos, "-o", out, "--landmarks") == 0
    assert written(out) == ["cat.png", "cat_landmarks.png", "landmarks.csv", "sub/dog.jpg", "sub/dog_landmarks.png"]
    assert Image.open(out / "cat_landmarks.png").size == (2 * 40 * 8, 36 * 8)  # enlarged, for the numbers
    rows = list(csv.DictReader((out / "landmarks.csv").open()))
    kinds = [(row["file"], row["image"], int(row["number"])) for row in rows]
    files = [str(photos / name) for name in ("cat.png", "sub/dog.jpg")]
    assert kinds == [(file, image, k) for file in files for image in ("input", "output") for k in range(4)]
    model = instar.load(run, "cpu")
    found = model.landmarks(Image.open(photos / "cat.png"))
    assert [[float(row["x"]), float(row["y"])] for row in rows[:4]] == pytest.approx(found, abs=0.006)
    _, drawn = model.moved([Image.open(photos / "cat.png")], "b")
    assert [[float(row["x"]), float(row["y"])] for row in rows[4:8]] == pytest.approx(drawn[0], abs=0.006)


def test_moved_across_and_within_a_domain(run: Path, photos: Path, tmp_path: Path) -> None:
    """Moves add up to what Python makes of the same numbers; the input's own domain draws the input anew."""
    cat, model = photos / "cat.png", instar.load(run, "cpu")
    by = np.zeros((4, 2), np.float32)
    by[2], by[0] = (0.3, -0.2), (0, 0.1)
    flags = ("--move", "2:+0.3,-0.2", "--move", "0:0,1e-1")
    cases = ((("--to", "zebra"), "b", "a"), (("--from", "horse", "--to", "horse"), "a", "a"))
    for number, (domains, to, source) in enumerate(cases):
        out, plain = tmp_path / f"moved{number}", tmp_path / f"plain{number}"
        assert call(run, cat, "-o", out, *domains, *flags) == 0
        assert call(run, cat, "-o", plain, *domains) == 0
        (expected,), _ = model.moved([Image.open(cat)], to, by, source=source)  # type: ignore[arg-type]
        assert np.array_equal(pixels(out / "cat.png"), np.asarray(expected))
        assert not np.array_equal(pixels(out / "cat.png"), pixels(plain / "cat.png"))
    assert np.array_equal(pixels(tmp_path / "plain0/cat.png"), np.asarray(model.translate(Image.open(cat))))
    assert not np.array_equal(pixels(tmp_path / "plain1/cat.png"), pixels(tmp_path / "plain0/cat.png"))


def test_moved_in_styles(run: Path, photos: Path, tmp_path: Path) -> None:
    """What chooses the appearance chooses it for moved landmarks too."""
    out, dog = tmp_path / "out", photos / "sub/dog.jpg"
    assert call(run, photos / "cat.png", "-o", out, "--reference", dog, "--move", "1:0.4,0") == 0
    model = instar.load(run, "cpu")
    by = np.array([[0, 0], [0.4, 0], [0, 0], [0, 0]], np.float32)
    (expected,), _ = model.moved([Image.open(photos / "cat.png")], "b", by, style=model.style_of(Image.open(dog)))
    assert np.array_equal(pixels(out / "cat_like-dog.png"), np.asarray(expected))


def test_the_way_to_the_landmarks_of_another_image(run: Path, photos: Path, tmp_path: Path) -> None:
    """It begins with the translation and ends with the other's landmarks in the first one's appearance."""
    out, cat, dog = tmp_path / "out", photos / "cat.png", photos / "sub/dog.jpg"
    assert call(run, cat, "-o", out, "--interpolate", 3, "--towards", dog) == 0
    assert call(run, cat, "-o", out) == 0
    assert written(out) == ["cat.png", "cat_towards-dog.gif", "cat_towards-dog.png"]
    strip = pixels(out / "cat_towards-dog.png")
    assert strip.shape == (36, 3 * 40, 3)
    assert np.array_equal(strip[:, :40], pixels(out / "cat.png"))
    model, image = instar.load(run, "cpu"), Image.open(cat)
    other = Image.open(dog).resize((40, 40), Image.Resampling.BICUBIC).crop((0, 2, 40, 38))
    by = 2 * (model.landmarks(other) - model.landmarks(image)) / np.array([40, 36], np.float32)
    (last,), _ = model.moved([image], "b", by)
    assert np.abs(strip[:, 80:] - np.asarray(last)).mean() < 3  # cut out of the other image a little differently
    assert call(run, cat, "-o", out, "--interpolate", 3, "--towards", dog, "--reference", dog) == 0
    assert (out / "cat_towards-dog_like-dog.png").is_file()


def test_the_way_between_two_references(run: Path, photos: Path, tmp_path: Path) -> None:
    out, cat, dog = tmp_path / "out", photos / "cat.png", photos / "sub/dog.jpg"
    both = ("--reference", cat, "--reference", dog)
    assert call(run, cat, "-o", out, *both, "--interpolate", 3) == 0
    assert call(run, cat, "-o", out, *both) == 0
    strip = pixels(out / "cat_like-cat-to_like-dog.png")
    assert np.array_equal(strip[:, :40], pixels(out / "cat_like-cat.png"))
    assert np.array_equal(strip[:, 80:], pixels(out / "cat_like-dog.png"))


@pytest.mark.parametrize(
    ("method", "flags", "message"),
    [
        ("cyclegan", ["--landmarks"], "--landmarks: cyclegan cannot do that; methods that can: transgaga"),
        ("munit", ["--move", "1:0,0"], "--move: munit cannot do that; methods that can: transgaga"),
        (
            "unit",
            ["--interpolate", "3", "--towards", "X"],
            "--towards: unit cannot do that; methods that can: transgaga",
        ),
        ("cyclegan", ["--from", "horse"], "--from: cyclegan cannot do that; methods that can: transgaga"),
        ("transgaga", ["--from", "lion"], "--from lion: this model translates to horse or zebra"),
        ("transgaga", ["--move", "4:0,0"], "--move 4:0,0: this model has landmarks 0 to 3"),
        ("transgaga", ["--move", "up"], "--move up: give NUMBER:RIGHT,DOWN"),
        ("transgaga", ["--move", "1:0,0", "--move", "1:0,1"], "--move 1:0,1: landmark 1 is moved twice"),
        ("transgaga", ["--towards", "X"], "--towards: give also --interpolate N"),
        ("transgaga", ["--reference", "X", "--reference", "X"], "--reference: results are named after the images"),
        ("transgaga", ["--interpolate", "3", "--towards", "missing.png"], "missing.png: there is no such file"),
        (
            "transgaga",
            ["--interpolate", "3", "--towards", "X", "--reference", "X", "--reference", "Y"],
            "--interpolate: give at most 1 --reference here, not 2",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(
    method: str,
    flags: list[str],
    message: str,
    run_directory: Runs,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images = {"X": str(photos / "cat.png"), "Y": str(photos / "sub/dog.jpg")}
    given = [images.get(flag, flag) for flag in flags]
    assert call(run_directory(method), photos, "-o", tmp_path / "out", *given) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_broken_image_has_no_rows(run: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes((photos / "cat.png").read_bytes()[:200])
    assert call(run, photos, "-o", tmp_path / "out", "--landmarks") == 1
    rows = list(csv.DictReader((tmp_path / "out" / "landmarks.csv").open()))
    assert {Path(row["file"]).name for row in rows} == {"cat.png", "dog.jpg"}


def test_domains_named_the_other_way_round(run: Path, photos: Path, tmp_path: Path) -> None:
    """Trained with --from B --to A: the domain b is called A, and inputs are of B."""
    here = tmp_path / "run"
    shutil.copytree(run, here)
    for file in here.rglob("config.yaml"):
        (file.parent / "SHA256SUMS").unlink(missing_ok=True)
        file.write_text(file.read_text().replace("source: horse", "source: B").replace("target: zebra", "target: A"))
    tables = []
    for which, flags in ((run, ()), (here, ("--to", "A")), (here, ("--from", "B", "--to", "A"))):
        out = tmp_path / f"out{len(tables)}"
        assert call(which, photos / "cat.png", "-o", out, "--landmarks", *flags) == 0
        tables.append((out / "landmarks.csv").read_text())
    assert tables[0] == tables[1] == tables[2]
