"""Images of an S3 store, from one process and from a Ray cluster; the store is a server on this machine."""

import importlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from engine.processes import INSTAR
from PIL import Image

Runs = Callable[..., Path]
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What the environment says of it."""
    pytest.importorskip("s3fs", reason="needs s3fs")
    server = pytest.importorskip("moto.server", reason="needs moto[server]").ThreadedMotoServer(port=0)
    server.start()
    port = server.get_host_and_port()[1]
    environment = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield environment
    server.stop()


@pytest.mark.slow
def test_a_bucket_is_translated_as_a_folder(store: dict[str, str], run_directory: Runs, tmp_path: Path) -> None:
    """By one process and by a cluster; and a repetition of that does nothing again."""
    rng, photos, run = np.random.default_rng(0), tmp_path / "photos", run_directory("cut")
    photos.mkdir()
    for number in range(70):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(photos / f"{number}.png")
    bucket = importlib.import_module("s3fs").S3FileSystem()
    bucket.mkdir("bucket")
    bucket.put(str(photos), "bucket/photos", recursive=True)

    def translated(source: object, out: str, *flags: str) -> dict[str, bytes]:
        command = [*INSTAR, "translate", str(run), str(source), "-o", str(tmp_path / out), "--device", "cpu", *flags]
        done = subprocess.run(
            command, env={**os.environ, **store}, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / out).glob("*.png")}

    plain = translated(photos, "plain")
    assert len(plain) == 70
    assert translated("s3://bucket/photos", "one") == plain
    assert translated("s3://bucket/photos", "all", "--ray", "local") == plain
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "all").glob("*.png")}
    assert translated("s3://bucket/photos", "all", "--ray", "local") == plain
    assert {path: path.stat().st_mtime_ns for path in before} == before
