import json
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


def noise(width: int = 40, height: int = 36, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    noise().save(tmp_path / "photos" / "cat.png")
    noise(mode="RGBA").save(tmp_path / "photos" / "sub" / "dog.png")
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    noise(50, 50).save(tmp_path / "red.jpg")
    return tmp_path / "red.jpg"


def call(*arguments: object) -> int:
    return main.run(["translate", *map(str, arguments), "--device", "cpu"])


def written(out: Path) -> list[str]:
    files = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return sorted(set(files) - {"manifest.jsonl"})


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_samples(run_directory: Runs, photos: Path, tmp_path: Path) -> None:
    """Sample 0 is what is translated without the flag; the same styles serve all images."""
    run, out = run_directory("bicyclegan"), tmp_path / "out"
    assert call(run, photos, "-o", out, "--samples", 3, "--seed", 5) == 0
    names = [f"{name}_seed5-{k}.png" for name in ("cat", "sub/dog") for k in range(3)]
    assert written(out) == sorted(names)
    assert Image.open(out / "sub/dog_seed5-1.png").mode == "RGBA"
    cats = [pixels(out / f"cat_seed5-{k}.png") for k in range(3)]
    assert not np.array_equal(cats[0], cats[1])
    assert not np.array_equal(cats[1], cats[2])
    assert call(run, photos, "-o", tmp_path / "plain", "--seed", 5) == 0
    assert np.array_equal(pixels(tmp_path / "plain" / "cat.png"), cats[0])
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["output"] for line in lines if line["status"] == "ok"] == names
    assert [line["input"] for line in lines if line["status"] == "ignored"] == [str(photos / "notes.txt")]


def test_reference(run_directory: Runs, photos: Path, reference: Path, tmp_path: Path) -> None:
    run, out = run_directory("bicyclegan"), tmp_path / "out"
    assert call(run, photos / "cat.png", "-o", out, "--reference", reference) == 0
    assert written(out) == ["cat_like-red.png"]
    model = instar.load(run, "cpu")
    style = model.style_of(Image.open(reference))
    again = model.translate(Image.open(photos / "cat.png"), style=style)
    assert np.array_equal(np.asarray(again), pixels(out / "cat_like-red.png"))


def test_interpolation(run_directory: Runs, photos: Path, reference: Path, tmp_path: Path) -> None:
    """The strip begins with style 0 and ends with style 1, or with the reference's."""
    run, out = run_directory("bicyclegan"), tmp_path / "out"
    assert call(run, photos / "cat.png", "-o", out, "--samples", 2) == 0
    assert call(run, photos / "cat.png", "-o", out, "--interpolate", 4) == 0
    assert call(run, photos / "cat.png", "-o", out, "--interpolate", 4, "--reference", reference) == 0
    strip = pixels(out / "cat_seed0-0-to_seed0-1.png")
    assert strip.shape == (36, 4 * 40, 3)
    assert np.array_equal(strip[:, :40], pixels(out / "cat_seed0-0.png"))
    assert np.array_equal(strip[:, 120:], pixels(out / "cat_seed0-1.png"))
    assert not np.array_equal(pixels(out / "cat_seed0-0-to_like-red.png")[:, 120:], strip[:, 120:])
    moving = Image.open(out / "cat_seed0-0-to_seed0-1.gif")
    assert moving.n_frames == 6  # type: ignore[attr-defined]  (there and back)
    assert moving.size == (40, 36)


def test_way_between_two_images(run_directory: Runs, photos: Path, reference: Path, tmp_path: Path) -> None:
    run, out = run_directory("unit"), tmp_path / "out"
    assert call(run, photos / "cat.png", "-o", out, "--interpolate", 3, "--reference", reference) == 0
    assert written(out) == ["cat_to_like-red.gif", "cat_to_like-red.png"]
    assert call(run, photos / "cat.png", "-o", out) == 0
    strip = pixels(out / "cat_to_like-red.png")
    assert np.abs(strip[:, :40] - pixels(out / "cat.png")).max() <= 1


def test_heatmap(run_directory: Runs, photos: Path, tmp_path: Path) -> None:
    run, out = run_directory("ugatit"), tmp_path / "out"
    assert call(run, photos / "cat.png", "-o", out, "--heatmap") == 0
    assert written(out) == ["cat.png", "cat_heatmap.png"]
    assert Image.open(out / "cat_heatmap.png").size == (40, 36)
    seen = instar.load(run, "cpu").attention(Image.open(photos / "cat.png"))
    assert seen.shape == (36, 40)
    assert 0 <= seen.min() < seen.max() <= 1


@pytest.mark.parametrize(
    ("method", "flags", "message"),
    [
        ("cyclegan", ["--samples", "3"], "--samples: cyclegan cannot do that; methods that can: bicyclegan, "),
        (
            "cyclegan",
            ["--reference", "REFERENCE"],
            "--reference: cyclegan cannot do that; methods that can: bicyclegan",
        ),
        ("cyclegan", ["--interpolate", "3"], "--interpolate: cyclegan cannot do that; methods that can: bicyclegan"),
        ("cyclegan", ["--heatmap"], "--heatmap: cyclegan cannot do that; methods that can: ugatit"),
        ("bicyclegan", ["--samples", "0"], "--samples must be at least 1"),
        ("bicyclegan", ["--interpolate", "1"], "--interpolate must be at least 2"),
        ("bicyclegan", ["--interpolate", "3", "--samples", "2"], "--interpolate and --samples: give one of the two"),
        ("bicyclegan", ["--reference", "missing.png"], "missing.png: there is no such file"),
        ("unit", ["--interpolate", "3"], "--interpolate: unit needs --reference IMAGE"),
        ("unit", ["--reference", "REFERENCE"], "--reference: unit cannot do that"),
    ],
)
def test_what_a_method_cannot_do_is_one_line(
    method: str,
    flags: list[str],
    message: str,
    run_directory: Runs,
    photos: Path,
    reference: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(reference) if flag == "REFERENCE" else flag for flag in flags]
    assert call(run_directory(method), photos, "-o", tmp_path / "out", *given) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_results_of_two_inputs_must_not_meet(
    run_directory: Runs, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise().save(photos / "cat.jpg")
    assert call(run_directory("bicyclegan"), photos, "-o", tmp_path / "out", "--interpolate", "3") == 2
    assert "would both become cat_seed0-0-to_seed0-1.png" in capsys.readouterr().err


def test_domains_named_the_other_way_round(run_directory: Runs, photos: Path, reference: Path, tmp_path: Path) -> None:
    """Trained with --from B --to A: the domain b is called A."""
    for method, flags in (("munit", ["--reference", reference]), ("ugatit", ["--heatmap"])):
        here = tmp_path / method
        shutil.copytree(run_directory(method), here)
        for file in here.rglob("config.yaml"):
            (file.parent / "SHA256SUMS").unlink(missing_ok=True)
            text = file.read_text().replace("source: horse", "source: B").replace("target: zebra", "target: A")
            file.write_text(text)
        results = []
        for run, to in ((here, "A"), (run_directory(method), "zebra")):
            out = tmp_path / f"{method}-{to}"
            assert call(run, photos / "cat.png", "-o", out, "--to", to, *flags) == 0
            results.append([pixels(out / name) for name in written(out)])
        assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
