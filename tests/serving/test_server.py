"""The real server, in a process of its own, asked by real clients."""

import contextlib
import http.client
import io
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from engine.processes import start
from PIL import Image

import instar
from instar.data import shapes

for needed in ("fastapi", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(needed)

Runs = Callable[..., Path]


@dataclass
class Served:
    """A server, and how it is asked."""

    port: int
    process: Any

    def ask(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def translate(self, content: bytes, **fields: Any) -> tuple[int, dict[str, str], bytes]:
        return self.ask(f"/v1/translate?{urlencode(fields)}", content)

    def count(self, name: str) -> float:
        _, _, body = self.ask("/metrics")
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? ([\d.e+-]+)$", body.decode(), re.MULTILINE)
        return sum(map(float, found))


@contextlib.contextmanager
def served(*arguments: object) -> Iterator[Served]:
    process = start(["serve", *arguments, "--port", 0, "--device", "cpu"])
    try:
        line = process.stderr.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert match, line + process.stderr.read()
        yield Served(int(match[1]), process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def run(run_directory: Runs) -> Path:
    return run_directory("cyclegan")


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[Served]:
    with served(f"horses={run}") as found:
        yield found


def picture(number: int = 0, size: tuple[int, int] = (40, 36)) -> Image.Image:
    return shapes.pair(number)[0].resize(size)


def png(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def multipart(**files: bytes | str) -> tuple[bytes, dict[str, str]]:
    parts = []
    for name, value in files.items():
        file = f'; filename="../../{name}.png"' if isinstance(value, bytes) else ""
        head = f'--limit\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        parts.append(head + (value if isinstance(value, bytes) else value.encode()) + b"\r\n")
    return b"".join(parts) + b"--limit--\r\n", {"Content-Type": "multipart/form-data; boundary=limit"}


def test_translations_are_those_of_the_library(server: Served, run: Path) -> None:
    model = instar.load(run, "cpu")
    for number, to in ((0, "zebra"), (1, "horse"), (2, None)):
        image = picture(number, (40 + number, 36))
        status, headers, body = server.translate(png(image), **({"to": to} if to else {}))
        assert (status, headers["content-type"]) == (200, "image/png")
        assert (pixels(body) == np.asarray(model.translate(image, to))).all()
    body, headers = multipart(image=png(picture()), to="horse")
    status, _, whole = server.ask("/v1/translate", body, headers)
    assert status == 200
    assert (pixels(whole) == np.asarray(model.translate(picture(), "horse"))).all()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff", "npy"])
def test_formats(server: Served, kind: str) -> None:
    expected = pixels(server.translate(png(picture()))[2])
    status, headers, body = server.translate(png(picture()), format=kind)
    assert (status, headers["content-type"]) == (200, "application/x-npy" if kind == "npy" else f"image/{kind}")
    found = np.load(io.BytesIO(body)).astype(int) if kind == "npy" else pixels(body)
    if kind in ("jpeg", "webp"):
        options = {"quality": 95, **({"subsampling": 0} if kind == "jpeg" else {})}
        expected = pixels(png(Image.fromarray(expected.astype(np.uint8)), kind.upper(), **options))
    assert (found == expected).all()


def test_styles_and_references(run_directory: Runs) -> None:
    run = run_directory("munit")
    model = instar.load(run, "cpu")
    style = model.styles(3)[2]
    with served(run) as server:
        status, _, body = server.translate(png(picture()), style=",".join(f"{one:.9g}" for one in style.tolist()))
        assert status == 200
        assert (pixels(body) == np.asarray(model.translate(picture(), style=style))).all()
        body, headers = multipart(image=png(picture()), reference=png(picture(5)))
        status, _, body = server.ask("/v1/translate", body, headers)
        assert status == 200
        assert (pixels(body) == np.asarray(model.translate(picture(), style=model.style_of(picture(5))))).all()
        one, other = (pixels(server.translate(png(picture()), seed=seed)[2]) for seed in (1, 2))
        assert (one != other).any()
        for fields, said in (({"style": "1,2"}, "a style of this model has"), ({"style": "a"}, "numbers with commas")):
            status, _, body = server.translate(png(picture()), **fields)
            assert status in (400, 422)
            assert said in json.loads(body)["error"]


def test_models_health_and_description(server: Served) -> None:
    assert server.translate(png(picture()))[0] == 200
    (one,) = json.loads(server.ask("/v1/models")[2])["models"]
    assert one == {
        "name": "horses",
        "loaded": True,
        "method": "cyclegan",
        "domains": ["horse", "zebra"],
        "targets": ["horse", "zebra"],
        "channels": 3,
        "size": 32,
        "styles": False,
        "style_size": 0,
    }
    assert json.loads(server.ask("/healthz")[2]) == {"status": "ok"}
    assert server.ask("/readyz")[0] == 200
    described = json.loads(server.ask("/openapi.json")[2])
    assert set(described["paths"]) == {"/v1/translate", "/v1/models", "/healthz", "/readyz", "/metrics"}
    named = {one["name"]: one["schema"] for one in described["paths"]["/v1/translate"]["post"]["parameters"]}
    assert set(named) == {"model", "to", "seed", "size", "format"}, "what this model takes"
    assert named["to"]["enum"] == ["horse", "zebra"]
    assert named["model"]["enum"] == ["horses"]


def wide() -> bytes:
    """A small file of an image with very many pixels."""
    return png(Image.new("1", (9000, 9000)))


@pytest.mark.parametrize(
    ("fields", "content", "status", "said"),
    [
        ({"to": "cow"}, None, 422, "translates to"),
        ({"model": "other"}, None, 404, "no such model"),
        ({"size": "x"}, None, 400, "size: a whole number"),
        ({"size": "999999999999999999999"}, None, 400, "size: a whole number"),
        ({"size": "1"}, None, 400, "size"),
        ({"seed": "0" * 30 + "9" * 30}, None, 400, "seed"),
        ({"seed": "-1"}, None, 400, "seed"),
        ({"seed": "٣"}, None, 400, "seed"),
        ({"format": "gif"}, None, 400, "format: there is: png"),
        ({"style": "1"}, None, 422, "no styles"),
        ({"style": "nan"}, None, 400, "finite"),
        ({"path": "/etc/passwd"}, None, 400, "'path' is no parameter"),
        ({}, b"", 415, "no image"),
        ({}, b"GIF89a", 415, "the image cannot be read: not an image"),
        ({}, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "the image cannot be read: not an image"),
        ({}, b"\x93NUMPY\x01\x00", 415, "the image cannot be read: not an image"),
        ({}, "half", 415, "the image cannot be read"),
        ({}, "wide", 413, "at most 16000000"),
        ({}, b"x" * 21_000_000, 413, "more than 20 MB"),
    ],
)
def test_wrong_requests(server: Served, fields: dict[str, str], content: Any, status: int, said: str) -> None:
    body = {None: png(picture()), "half": png(picture())[:600], "wide": None}.get(content, content)
    with contextlib.suppress(ConnectionError):  # the server may close before all of a body too large was sent
        found, headers, answer = server.translate(wide() if content == "wide" else body, **fields)
        assert found == status
        assert headers["content-type"] == "application/json"
        assert said in json.loads(answer)["error"]
        assert "/tmp" not in answer.decode()
        assert "Traceback" not in answer.decode()
    assert server.ask("/healthz")[0] == 200


def test_deep_colour_is_read_and_answered_deep(server: Served) -> None:
    """By the gate of all files: Pillow alone would have read eight bits."""
    tifffile = pytest.importorskip("tifffile")
    deep, file = np.random.default_rng(0).integers(0, 65536, (32, 40, 3), dtype=np.uint16), io.BytesIO()
    tifffile.imwrite(file, deep, photometric="rgb")
    status, _, answer = server.translate(file.getvalue(), format="npy")
    assert status == 200
    made = np.load(io.BytesIO(answer))
    assert (made.shape, made.dtype) == (deep.shape, deep.dtype)
    assert (made % 257).any()


def test_other_routes_methods_and_bodies(server: Served) -> None:
    assert server.ask("/v2/translate")[0] == 404
    assert server.ask("/v1/translate")[0] == 405
    assert server.ask("/docs")[0] == 404
    assert json.loads(server.ask("/v2/translate")[2]) == {"error": "Not Found"}
    for body, headers in (
        (b"junk", {"Content-Type": "multipart/form-data; boundary=limit"}),
        (b"junk", {"Content-Type": "multipart/form-data"}),
        multipart(image=png(picture()), other=b"x"),
        multipart(image=png(picture()), name="x"),
    ):
        assert server.ask("/v1/translate", body, headers)[0] in (400, 415)
    body, headers = multipart(**{f"f{i}": "x" for i in range(50)})
    assert server.ask("/v1/translate", body, headers)[0] == 400


def test_requests_of_one_size_go_together(run: Path) -> None:
    model = instar.load(run, "cpu")
    with served(run, "--limits.gather", 0.3) as server, ThreadPoolExecutor(8) as pool:
        server.translate(png(picture()))
        images = [picture(i) for i in range(8)]
        answers = list(pool.map(lambda image: server.translate(png(image)), images))
        assert [status for status, _, _ in answers] == [200] * 8
        for image, (_, _, body) in zip(images, answers, strict=True):
            assert np.abs(pixels(body) - np.asarray(model.translate(image)).astype(int)).max() <= 1
        assert server.count("instar_images_total") == 9
        assert server.count("instar_batch_images_count") <= 4


def test_a_full_line_says_come_again_and_loses_nothing(run: Path) -> None:
    with served(run, "--limits.gather", 1.0, "--limits.waiting", 2) as server, ThreadPoolExecutor(6) as pool:
        server.translate(png(picture()))
        answers = list(pool.map(lambda i: server.translate(png(picture(0, (40 + 4 * i, 40)))), range(6)))
        statuses = [status for status, _, _ in answers]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 2
        assert all(headers["retry-after"] == "1" for status, headers, _ in answers if status == 503)
        assert server.translate(png(picture()))[0] == 200


def test_clients_that_go_away_are_dropped(run: Path) -> None:
    with served(run, "--limits.gather", 2.0) as server:
        server.translate(png(picture()))
        done = server.count("instar_images_total")
        content = png(picture())
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"POST /v1/translate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
            client.sendall(head.encode() + content)
            wait(lambda: server.count("instar_waiting") == 1)
        time.sleep(2.5)
        assert server.count("instar_images_total") == done
        assert server.translate(content)[0] == 200


def test_slow_bodies_and_slow_work_end(run: Path) -> None:
    with served(run, "--limits.upload", 0.5, "--limits.timeout", 1.0, "--limits.gather", 3.0) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /v1/translate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf of it")
            assert client.recv(1000).startswith(b"HTTP/1.1 408")
        status, _, body = server.translate(png(picture()))
        assert status == 504
        assert "not done within 1 s" in json.loads(body)["error"]


def test_tokens(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-long-enough-token\n")
    with served(run, "--token-file", file) as server:
        assert server.ask("/healthz")[0] == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "a-long-enough-token"}):
            for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
                assert server.ask(path, headers=headers)[0] == 401
        assert server.ask("/v1/models", headers={"Authorization": "Bearer a-long-enough-token"})[0] == 200
        body, headers = multipart(image=png(picture()))
        assert server.ask("/v1/translate", body, headers)[0] == 401
        right = {**headers, "Authorization": "Bearer a-long-enough-token"}
        assert server.ask("/v1/translate", body, right)[0] == 200


def test_models_make_room_for_each_other_and_failures_stay_inside(
    run: Path, run_directory: Runs, tmp_path: Path
) -> None:
    broken = tmp_path / "secret-place"
    (broken / "checkpoints" / "step-000000001").mkdir(parents=True)
    (broken / "config.yaml").write_text("nothing")
    with served(run, run_directory("cut"), f"broken={broken}", "--limits.memory", 0) as server:
        assert server.translate(png(picture()))[0] == 400
        assert server.count("instar_models_loaded") == 0
        for name in ("cyclegan", "cut", "cyclegan"):
            assert server.translate(png(picture()), model=name)[0] == 200
            assert server.count("instar_models_loaded") == 1
        status, _, body = server.translate(png(picture()), model="broken")
        assert status == 500
        assert "secret-place" not in body.decode()
        assert server.translate(png(picture()), model="cut")[0] == 200


def test_a_server_that_is_stopped_answers_what_it_has_accepted(run: Path) -> None:
    with served(run, "--limits.gather", 1.5) as server, ThreadPoolExecutor(8) as pool:
        server.translate(png(picture()))
        answers = [pool.submit(server.translate, png(picture(i, (40 + 4 * i, 40)))) for i in range(8)]
        wait(lambda: server.count("instar_waiting") == 8)
        os.kill(server.process.pid, signal.SIGTERM)
        assert [one.result()[0] for one in answers] == [200] * 8
        assert server.process.wait(20) == 0
        with pytest.raises(ConnectionError):
            server.ask("/healthz")


def test_garbage(server: Served) -> None:
    chance = random.Random(0)
    before = server.count("instar_requests_total")

    def throw(_: int) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=2) as client:
            start = chance.choice(
                [b"POST /v1/translate HTTP/1.1\r\nContent-Length: 50\r\n\r\n", b"GET /", b"", b"\x16\x03"]
            )
            client.sendall(start + chance.randbytes(chance.randrange(200)))
            client.shutdown(socket.SHUT_WR)
            client.recv(1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(throw, range(300)))
    assert server.ask("/healthz")[0] == 200
    assert server.translate(png(picture()))[0] == 200
    metrics = server.ask("/metrics")[2].decode()
    assert 'status="500"' not in metrics
    assert server.count("instar_requests_total") > before


def wait(true: Callable[[], bool]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def test_wrong_starts(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("short")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for options, said in (
            ({"models": tmp_path / "none"}, "not a run directory"),
            ({"models": [run, run]}, "has the name 'cyclegan' already; give NAME="),
            ({"models": []}, "give a run"),
            ({"models": run, "host": "0.0.0.0"}, "give a token"),
            ({"models": run, "token_file": file}, "at least 16"),
            ({"models": run, "token_file": tmp_path / "no"}, "cannot be read"),
            ({"models": run, "port": taken.getsockname()[1]}, "is taken"),
        ):
            with pytest.raises(instar.UserError, match=said):
                instar.serve(**options)


def test_serving_from_python(run: Path) -> None:
    stop, heard = threading.Event(), []
    options = {"port": 0, "on_ready": heard.append, "stop": stop, "device": "cpu"}
    thread = threading.Thread(target=instar.serve, args=(run,), kwargs=options)
    thread.start()
    wait(lambda: bool(heard))
    assert Served(int(heard[0].rsplit(":", 1)[1]), None).translate(png(picture()))[0] == 200
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


@pytest.mark.slow
def test_it_keeps_what_its_description_promises(run: Path, tmp_path: Path) -> None:
    """Requests that schemathesis makes of the OpenAPI document, right and wrong ones.

    No schema says of bytes that they are an image: 415 is an answer to right ones. Images and sizes are small, or the
    slowest machines answer 504.
    """
    pytest.importorskip("schemathesis")
    accepted = "[checks]\npositive_data_acceptance.expected-statuses = ['2xx', 415]\n"
    (tmp_path / "schemathesis.toml").write_text(accepted)
    with served(f"horses={run}", "--limits.megapixels", 0.01) as server:
        assert server.translate(png(picture()))[0] == 200  # from then on it tells what its model can
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        command = [sys.executable, "-m", "schemathesis.cli", "run", address, "--max-examples", "20", "--seed", "1"]
        command += ["--request-timeout", "60"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:]
        assert server.ask("/healthz")[0] == 200
