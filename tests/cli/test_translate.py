import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

import instar
from instar.cli import main, translate
from instar.core.images import to_array
from instar.core.reading import read
from instar.inference import fitting, memory, results
from instar.inference.tiles import whole
from instar.inference.translator import Translator

Runs = Callable[..., Path]
Lines = list[dict[str, Any]]
rng = np.random.default_rng(0)


def picture(width: int = 37, height: int = 53, mode: str = "RGB") -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16))
    image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
    return image.convert(mode)


def write(path: Path, width: int = 37, height: int = 53, mode: str = "RGB", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(width, height, mode).save(path, **options)
    return path


def call(*arguments: object) -> int:
    return main.run(["translate", *map(str, arguments), "--device", "cpu"])


def manifest(out: Path) -> Lines:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def outputs(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} - {"manifest.jsonl"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("10.png", "2.png", "sub/2.png", "sub/deep/x.JPG"):
        write(folder / name)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results" / "new"


@pytest.mark.parametrize("name", ["cyclegan", "pix2pix", "cut"])
def test_names_sizes_and_modes_are_kept(name: str, run_directory: Runs, tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "in"
    modes = ("L", "I;16", "RGB", "RGBA", "LA", "P", "1")
    files = [write(folder / f"{mode.replace(';', '')}.png", mode=mode) for mode in modes]
    files += [write(folder / f"{mode.replace(';', '')}.tif", 40, 21, mode) for mode in ("L", "I;16", "RGB", "CMYK")]
    files += [write(folder / "a b.webp", 33, 64), write(folder / "ü.jpeg", 32, 32), write(folder / "l.jpg", mode="L")]
    assert call(run_directory(name), folder, "-o", out) == 0
    assert outputs(out) == {path.name for path in files}
    for path in files:
        before, after = read(path), read(out / path.name)
        with Image.open(path) as source, Image.open(out / path.name) as result:
            assert (result.format, result.mode, result.size) == (source.format, source.mode, source.size), path
        assert before.tobytes() != after.tobytes(), path
        if before.mode in ("RGBA", "LA"):
            assert before.getchannel("A").tobytes() == after.getchannel("A").tobytes()
    wide = to_array(read(out / "I16.png"), 1)
    assert len(np.unique(wide // 257 * 257 - wide)) > 50  # 16 bit in earnest, not 8 bit blown up


def test_pictures_stand_upright(run_directory: Runs, tmp_path: Path, out: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path / "in/a.jpg", 60, 40, exif=exif)
    write(tmp_path / "in/b.png", 60, 40, exif=exif)  # its header does not show it
    write(tmp_path / "in/c.png", 60, 40)
    assert call(run_directory(), tmp_path / "in", "-o", out) == 0
    for name, size in (("a.jpg", (40, 60)), ("b.png", (40, 60)), ("c.png", (60, 40))):
        with Image.open(out / name) as image:
            assert image.size == size
            assert image.getexif().get(0x0112, 1) == 1
    assert [(line["width"], line["height"]) for line in manifest(out)] == [(40, 60), (40, 60), (60, 40)]


def test_a_folder_keeps_its_tree(run_directory: Runs, photos: Path, out: Path) -> None:
    (photos / "notes.txt").write_text("hello")
    (photos / ".hidden.png").write_text("not the user's")
    (photos / "sub" / "circle").symlink_to(photos)
    assert call(run_directory(), photos, "-o", out) == 0
    assert outputs(out) == {"10.png", "2.png", "sub/2.png", "sub/deep/x.JPG"}
    lines = manifest(out)
    assert [line["input"] for line in lines] == [
        str(photos / name) for name in ("2.png", "10.png", "notes.txt", "sub/2.png", "sub/deep/x.JPG")
    ]
    good = {"output": "sub/2.png", "status": "ok", "width": 37, "height": 53, "mode": "RGB"}
    assert lines[3] == {"input": str(photos / "sub/2.png"), **good}
    empty = {"output": None, "width": None, "height": None, "mode": None}
    assert lines[2] == {"input": str(photos / "notes.txt"), "status": "ignored", **empty}


def test_files_and_patterns_go_flat(run_directory: Runs, photos: Path, out: Path) -> None:
    write(photos / "[1].png")
    (photos / "sub/notes.txt").write_text("hello")
    inputs = (photos / "10.png", photos / "[1].png", f"{photos}/sub/**", f"{photos}/1?.png", photos / "10.png")
    assert call(run_directory(), *inputs, "-o", out) == 0
    assert outputs(out) == {"10.png", "[1].png", "2.png", "x.JPG"}
    assert [line["status"] for line in manifest(out)] == ["ok", "ok", "ok", "ok", "ignored"]


def test_a_linked_folder_is_followed(run_directory: Runs, photos: Path, tmp_path: Path, out: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "there").symlink_to(photos)
    assert call(run_directory(), tmp_path / "in", "-o", out) == 0
    assert len(outputs(out)) == 4


def test_two_inputs_of_one_name(
    run_directory: Runs, photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(run_directory(), photos / "2.png", f"{photos}/sub/*.png", "-o", out) == 2
    error = capsys.readouterr().err
    assert str(photos / "2.png") in error
    assert str(photos / "sub/2.png") in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("inputs", "target"),
    [
        (["photos"], "photos"),
        (["photos/2.png"], "photos"),
        (["photos/*.png"], "photos"),
        (["photos/sub"], "photos/sub/../sub"),
        (["links"], "photos"),
    ],
)
def test_inputs_are_never_overwritten(
    inputs: list[str],
    target: str,
    run_directory: Runs,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("links").mkdir()
    for name in ("2.png", "10.png"):
        Path("links", name).symlink_to(photos / name)
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    assert call(run_directory(), *inputs, "-o", target) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}


def test_a_link_among_the_results_is_replaced_and_what_it_means_stays(run_directory: Runs, photos: Path) -> None:
    links = photos.parent / "links"
    links.mkdir()
    (links / "2.png").symlink_to(photos / "2.png")
    before = (photos / "2.png").read_bytes()
    assert call(run_directory(), photos, "-o", links) == 0
    assert (photos / "2.png").read_bytes() == before
    assert not (links / "2.png").is_symlink()


@pytest.mark.parametrize("what", ["", "/**"])
def test_results_inside_the_input_folder_are_no_inputs(what: str, run_directory: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write(folder / "a.png")
    write(folder / "sub/b.png")
    for _ in range(2):
        assert call(run_directory(), f"{folder}{what}", "-o", folder / "sub" / "out") == 0
        assert [line["input"] for line in manifest(folder / "sub/out")] == [
            str(folder / "a.png"),
            str(folder / "sub/b.png"),
        ]


def test_bad_files_are_told_and_the_rest_is_done(
    run_directory: Runs, photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (photos / "2.png").read_bytes()
    (photos / "3.png").write_bytes(whole[: len(whole) // 2])
    (photos / "4.png").write_bytes(b"hello")
    (photos / "data.bin").write_bytes(b"hello")
    write(photos / "scan", format="PNG")
    write(photos / "alpha.png", mode="RGBA").rename(photos / "alpha.jpg")
    code = call(run_directory(), photos, photos / "data.bin", photos / "scan", "-o", out)
    assert code == 1
    failed = {Path(line["input"]).name: line for line in manifest(out) if line["status"] == "failed"}
    assert set(failed) == {"3.png", "4.png", "data.bin", "scan"}
    assert failed["4.png"] == {
        "input": str(photos / "4.png"),
        **{"output": None, "status": "failed", "width": None, "height": None, "mode": None, "error": "not an image"},
    }
    (alpha,) = (line for line in manifest(out) if line["input"].endswith("alpha.jpg"))
    assert (alpha["status"], alpha["note"]) == ("ok", "RGBA saved as RGB, for .jpg files hold no RGBA")
    assert "no suffix" in failed["scan"]["error"]
    assert outputs(out) == {"10.png", "2.png", "alpha.jpg", "sub/2.png", "sub/deep/x.JPG"}
    error = " ".join(capsys.readouterr().err.split())
    assert f"translated 5 of 9 images into {out}; 4 failed: " in error
    assert "note: RGBA saved as RGB, for .jpg files hold no RGBA: 1 image, " in error
    assert "2 other files ignored" in error
    assert f"{out / 'manifest.jsonl'}" in error


@pytest.mark.parametrize(
    ("inputs", "flags", "words"),
    [
        (["photos/3.png"], [], ["photos/3.png", "no such file or folder"]),
        (["photos/*.tif"], [], ["photos/*.tif", "no images"]),
        (["empty"], [], ["empty", "no images", "(1 other file)"]),
        ([], [], ["nothing to translate"]),
        (["photos"], ["--to", "donkey"], ["--to donkey", "horse or zebra"]),
        (["photos"], ["--size", "4"], ["--size must be at least 8"]),
        (["photos"], ["--tile", "4"], ["--tile must be at least 64"]),
        (["photos"], ["--batch", "0"], ["--batch must be at least 1"]),
        (["photos"], ["--seed", "-1"], ["--seed must be at least 0"]),
    ],
)
def test_wrong_input_is_told_before_anything_is_written(
    inputs: list[str],
    flags: list[str],
    words: list[str],
    run_directory: Runs,
    photos: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    Path("empty/notes.txt").write_text("hello")
    assert call(run_directory(), *inputs, "-o", out, *flags) == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert error.count("\n") == 1
    assert not out.exists()


def test_no_run_and_no_folder(
    run_directory: Runs, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, photos, "-o", tmp_path / "out") == 2
    assert "not a run directory" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert call(run_directory(), photos, "-o", tmp_path / "file") == 2
    assert "cannot write" in capsys.readouterr().err


def test_both_directions(run_directory: Runs, photos: Path, tmp_path: Path) -> None:
    run = run_directory()
    model = instar.load(run, "cpu")
    for to, domain in ((None, "zebra"), ("zebra", "zebra"), ("horse", "horse"), ("A", "horse"), ("B", "zebra")):
        assert call(run, photos / "2.png", "-o", tmp_path / f"{to}", *(["--to", to] if to else [])) == 0
        expected = model.translate(read(photos / "2.png"), domain)
        assert read(tmp_path / f"{to}/2.png").tobytes() == expected.tobytes()


@pytest.mark.parametrize(("side", "notes"), [(54, 0), (55, 1)])
def test_images_much_larger_than_the_training_are_noted(
    run_directory: Runs, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], side: int, notes: int
) -> None:
    write(tmp_path / "in/a.png", 60, side)
    assert call(run_directory(), tmp_path / "in", "-o", out) == 0  # trained at a short side of 36
    assert capsys.readouterr().err.count("if the results disappoint, try --size 36") == notes


def test_size(run_directory: Runs, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in/a.png", 300, 200)
    write(tmp_path / "in/b.png", 290, 200)
    run = run_directory()  # trained at a short side of 36
    assert call(run, tmp_path / "in", "-o", out) == 0
    assert capsys.readouterr().err.count("--size 36") == 1
    plain = read(out / "a.png")
    assert call(run, tmp_path / "in", "-o", out, "--size", 36) == 0
    assert "--size" not in capsys.readouterr().err
    small = read(out / "a.png")
    assert small.size == plain.size
    assert np.abs(np.diff(small, axis=0)).mean() < np.abs(np.diff(plain, axis=0)).mean()


def test_batches_give_what_single_images_give(
    run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(5):
        write(tmp_path / f"in/{i}.png", 40, 32)
        write(tmp_path / f"in/{i}.jpg", 32, 40)
    together: list[int] = []
    real = Translator.images

    def counted(self: Translator, batch: list[Image.Image], *args: Any, **options: Any) -> list[Image.Image]:
        together.append(len(batch))
        return real(self, batch, *args, **options)

    monkeypatch.setattr(Translator, "images", counted)
    assert call(run_directory(), tmp_path / "in", "-o", tmp_path / "many", "--batch", 4) == 0
    assert together == [4, 4, 1, 1]
    assert [line["input"] for line in manifest(tmp_path / "many")][:2] == [
        str(tmp_path / "in/0.jpg"),
        str(tmp_path / "in/0.png"),
    ]
    assert call(run_directory(), tmp_path / "in", "-o", tmp_path / "one", "--batch", 1) == 0
    for name in (f"{i}.png" for i in range(5)):
        many, one = (np.asarray(read(tmp_path / folder / name)).astype(int) for folder in ("many", "one"))
        assert np.abs(many - one).max() <= 1  # sums in another order, then rounded


def test_noise_follows_the_seed(run_directory: Runs, photos: Path, tmp_path: Path) -> None:
    run = run_directory("pix2pix")
    for place, seed, batch in (("a", 1, 8), ("b", 1, 3), ("c", 2, 8)):
        assert call(run, photos, "-o", tmp_path / place, "--seed", seed, "--batch", batch) == 0
    content = {place: [(tmp_path / place / name).read_bytes() for name in ("10.png", "2.png")] for place in "abc"}
    assert content["a"] == content["b"]
    assert content["a"][0] != content["c"][0]


def test_tiles(run_directory: Runs, photos: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files larger than a tile come out as without tiles; what that takes is told once for each size."""
    for name in ("large.png", "larger.png"):
        write(photos / name, 120, 90)
    assert call(run_directory(), photos, "-o", out / "whole") == 0
    assert call(run_directory(), photos, "-o", out / "tiles", "--tile", 64) == 0
    assert outputs(out / "tiles") == outputs(out / "whole")
    for name in outputs(out / "whole") - {"sub/deep/x.JPG"}:
        one, other = (np.int16(to_array(read(out / folder / name), 3)) for folder in ("whole", "tiles"))
        assert np.abs(one - other).max() <= 1
    told = capsys.readouterr().err
    assert told.count("note: 120 x 90 px in tiles of 64 px: about 0.0 GB of memory") == 1
    assert told.count("in tiles") == 1


def test_what_will_not_fit_names_the_flag(
    run_directory: Runs, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(photos / "huge.png", 90, 90)
    monkeypatch.setattr(fitting, "ALWAYS_FITS", 5000)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2**17)
    monkeypatch.setattr(whole, "planned", lambda *_: None)
    assert call(run_directory(), photos, "-o", out) == 1
    (failed,) = (line for line in manifest(out) if line["status"] == "failed")
    assert failed["error"] == (
        "90 x 90 px need about 0.0 GB of memory, 0.0 GB are free; set --tile auto, or a lower --size"
    )


def test_out_of_memory(run_directory: Runs, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(photos / "huge.png", 90, 90)
    real = Translator.images

    def tight(self: Translator, batch: list[Image.Image], *args: Any, **options: Any) -> list[Image.Image]:
        if sum(image.width * image.height for image in batch) > 5000:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(self, batch, *args, **options)

    monkeypatch.setattr(Translator, "images", tight)
    assert call(run_directory(), photos, "-o", out) == 1
    assert [line["status"] for line in manifest(out)] == ["ok", "ok", "failed", "ok", "ok"]
    (failed,) = (line for line in manifest(out) if line["status"] == "failed")
    assert (failed["width"], failed["height"], failed["mode"]) == (90, 90, "RGB")
    assert "out of memory at 90 x 90" in failed["error"]
    assert "--size" in failed["error"]
    assert "--device cpu" in failed["error"]


def test_a_full_disk_is_a_failure(
    run_directory: Runs, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: Image.Image, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "save", full)
    assert call(run_directory(), photos, "-o", out) == 1
    assert all("No space left" in line["error"] for line in manifest(out))


def test_a_stop_finishes_what_is_in_flight(
    run_directory: Runs, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(9):
        write(tmp_path / f"in/{i}.png")
    real, calls = Translator.images, []

    def interrupted(self: Translator, batch: list[Image.Image], *args: Any, **options: Any) -> list[Image.Image]:
        calls.append(len(batch))
        if len(calls) == 2:
            handler: Any = signal.getsignal(signal.SIGINT)  # OpenVINO, if a test used it, dies of a real one
            handler(signal.SIGINT, None)
        return real(self, batch, *args, **options)

    monkeypatch.setattr(Translator, "images", interrupted)
    assert call(run_directory(), tmp_path / "in", "-o", out, "--batch", 2) == 130
    assert outputs(out) == {f"{i}.png" for i in range(4)}
    assert len(manifest(out)) == 4
    assert f"stopped: translated 4 of 9 images into {out}" in capsys.readouterr().err


def test_the_manifest_grows_while_work_goes_on(
    run_directory: Runs, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6):
        write(tmp_path / f"in/{i}.png")
    real, lengths = Translator.images, []

    def watched(self: Translator, batch: list[Image.Image], *args: Any, **options: Any) -> list[Image.Image]:
        lengths.append(len(manifest(out)))
        return real(self, batch, *args, **options)

    monkeypatch.setattr(Translator, "images", watched)
    assert call(run_directory(), tmp_path / "in", "-o", out, "--batch", 1) == 0
    assert lengths == [0, 0, 1, 2, 3, 4]
    assert call(run_directory(), tmp_path / "in/3.png", "-o", out) == 0
    assert len(manifest(out)) == 6
    assert len((out / "manifest-2.jsonl").read_text().splitlines()) == 1
    assert len(outputs(out) - {"manifest-2.jsonl"}) == 6


def test_progress_in_a_terminal(
    run_directory: Runs, photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(translate, "console", lambda: screen)
    assert call(run_directory(), photos, "-o", out) == 0
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "4/4" in shown
    assert "images/s" in shown
    assert "translated 4 of 4 images" in shown


def test_the_command(run_directory: Runs, photos: Path, out: Path) -> None:
    (photos / "bad.png").write_bytes(b"")
    command = [str(Path(sys.executable).with_name("instar")), "translate", str(run_directory()), "-o", str(out)]
    done = subprocess.run([*command, str(photos), "--device", "cpu"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    expected = f"translated 4 of 5 images into {out}; 1 failed: {photos / 'bad.png'}: the file is empty "
    assert done.stderr == f"{expected}(all listed in {out / 'manifest.jsonl'})\n"


def test_help_comes_without_torch() -> None:
    code = (
        "import sys, instar.cli.main as m\n"
        "try: m.run(['translate', '--help'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--size" in done.stdout


def blocks(pixels: np.ndarray) -> np.ndarray:
    """Means of 4 x 4 pixels."""
    height, width, _ = pixels.shape
    return pixels.reshape(height // 4, 4, width // 4, 4, 3).mean((1, 3))


def test_a_video(run_directory: Runs, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av")
    from inference.test_video import clip, frames_of, sound_of  # noqa: PLC0415

    source = clip(tmp_path / "clip.mp4", (36, 28), frames=6)
    run, model = run_directory("cyclegan"), instar.load(run_directory("cyclegan"), "cpu")
    assert call(run, source, "-o", tmp_path / "out.mp4") == 0
    said = capsys.readouterr().err
    assert "note: out.mp4: neighbouring frames differ by" in said
    for (_, given), (_, made) in zip(frames_of(source), frames_of(tmp_path / "out.mp4"), strict=True):
        wanted = np.asarray(model.translate(Image.fromarray(given)))
        assert np.abs(blocks(wanted) - blocks(made)).mean() < 3  # codecs keep colours at half the size
    assert sound_of(tmp_path / "out.mp4") == sound_of(source)
    write(tmp_path / "photo.png")
    assert call(run, source, tmp_path / "photo.png", tmp_path / "*.mp4", "-o", out) == 0
    assert outputs(out) == {"photo.png", "clip.mp4", "out.mp4"}
    lines = {line["output"]: line for line in manifest(out)}
    assert lines["photo.png"].keys() == {"input", "output", "status", "width", "height", "mode"}
    line = lines["clip.mp4"]
    assert (line["width"], line["height"], line["frames"], line["rate"]) == (36, 28, 6, 25)
    assert line["flicker"].keys() == {"input", "output", "still"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("clip.mp4", "-o", "out.png"), "-o out.png: clip.mp4 is a video, and this would be a picture"),
        (("photo.png", "-o", "out.mp4"), "-o out.mp4: photo.png is a picture, and this would be a video"),
        (("clip.mp4", "-o", "out", "--grid"), "--grid: clip.mp4 is a video, of which there is only the translation"),
        (("clip.mp4", "-o", "out", "--keep-outside", "."), "--keep-outside: clip.mp4 is a video"),
    ],
)
def test_what_does_not_go_with_videos(
    arguments: tuple[str, ...], words: str, run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"")
    write(tmp_path / "photo.png")
    assert call(run_directory("cyclegan"), *arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_broken_video_fails_alone(run_directory: Runs, tmp_path: Path, out: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "clip.mp4").write_text("hello")
    write(tmp_path / "photo.png")
    assert call(run_directory("cyclegan"), tmp_path / "clip.mp4", tmp_path / "photo.png", "-o", out) == 1
    assert [line["status"] for line in manifest(out)] == ["ok", "failed"]
    assert manifest(out)[1]["error"].startswith("the video cannot be translated (")
    assert outputs(out) == {"photo.png"}
