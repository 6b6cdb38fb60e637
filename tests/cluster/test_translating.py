"""Translating on a Ray cluster: the same results, also when machines go."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import instar
from instar.cli import main
from instar.cluster.record import FOLDER
from instar.core.errors import UserError
from instar.core.events import Event, Worked

Runs = Callable[..., Path]
rng = np.random.default_rng(0)
IMAGES = 64 * 6 + 10


def test_what_does_not_go_is_one_line(run_directory: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, photo = run_directory("cut"), tmp_path / "a.png"
    Image.new("RGB", (32, 32)).save(photo)
    with pytest.raises(UserError, match=r"^ray and out=.*b\.png: give a folder for the results$"):
        instar.translate(run, photo, tmp_path / "b.png", ray="local")
    with pytest.raises(UserError, match=r"^ray: give the directory of the run, which each machine loads itself$"):
        instar.translate(instar.load(run, "cpu"), photo, tmp_path / "out", ray="local")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"^ray needs the library Ray: pip install '\.\[ray\]'$"):
        instar.translate(run, photo, tmp_path / "out", ray="local")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(IMAGES):
        pixels = rng.integers(0, 256, (32 + 8 * (number % 3), 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"none")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing(
    cluster: Any, run_directory: Runs, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Equal bit for bit; and a repetition does what is missing, and no more."""
    run, plain, out = run_directory("bicyclegan"), tmp_path / "plain", tmp_path / "out"
    asked: dict[str, Any] = {"samples": 2, "seed": 5, "device": "cpu"}
    instar.translate(run, photos, plain, **asked)
    killed = False

    def kill(event: Event) -> None:
        nonlocal killed
        if isinstance(event, Worked) and event.done >= IMAGES // 3 and not killed:
            killed = True
            cluster.remove_node(cluster.extra, allow_graceful=False)

    result = instar.translate(run, photos, out, ray=cluster.address, on_event=kill, **asked)
    assert killed
    assert (result.translated, len(result.failed), result.stopped) == (2 * IMAGES, 2, False)
    assert files(out) == files(plain)
    assert (out / "manifest.jsonl").read_bytes() == (plain / "manifest.jsonl").read_bytes()

    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    missing = out / "7_seed5-1.png"
    missing.unlink()
    flags = ["--samples", "2", "--seed", "5", "--device", "cpu", "--ray", cluster.address]
    assert main.run(["translate", str(run), str(photos), "-o", str(out), *flags]) == 1  # one is broken
    assert f"translated {2 * IMAGES} of {2 * IMAGES + 2} images into" in capfd.readouterr().err
    assert files(out) == files(plain)
    assert (out / "manifest-2.jsonl").read_bytes() == (plain / "manifest.jsonl").read_bytes()
    after = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    again = [path for path in before if path != missing and after[path] != before[path]]
    # The part of the missing one, and that of the broken one, which is tried again.
    assert len(again) < 2 * 64 * 2


@pytest.mark.slow
def test_a_stop_keeps_what_is_done(cluster: Any, run_directory: Runs, photos: Path, tmp_path: Path) -> None:
    run, out, stop = run_directory("cut"), tmp_path / "out", threading.Event()
    asked: dict[str, Any] = {"device": "cpu", "ray": cluster.address}

    def listen(event: Event) -> None:
        if isinstance(event, Worked) and event.done:
            stop.set()

    result = instar.translate(run, photos, out, on_event=listen, stop=stop, **asked)
    assert result.stopped
    assert 0 < result.translated < IMAGES
    assert len((out / "manifest.jsonl").read_text().splitlines()) == result.translated + len(result.failed)
    assert list((out / FOLDER).rglob("*.jsonl"))
    done = instar.translate(run, photos, out, **asked)
    assert (done.translated, done.stopped) == (IMAGES, False)
    assert sum(json.loads(line)["status"] == "ok" for line in (out / "manifest-2.jsonl").open()) == IMAGES


@pytest.mark.slow
def test_what_a_machine_lacks_is_one_line(
    cluster: Any, run_directory: Runs, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "gone")
    with pytest.raises(UserError) as it:
        instar.translate(run_directory("cut"), photos, tmp_path / "out", device="cpu", ray=cluster.address)
    assert str(it.value) == f"{tmp_path / 'gone'}: not there on a machine of the cluster (No such file or directory)"
