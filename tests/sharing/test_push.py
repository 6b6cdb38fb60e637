"""A run is pushed, and loaded from where it then lies; the hub is a server of the test on this machine."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import instar
from instar.core import registry
from instar.core.digests import write_sums
from instar.core.errors import UserError
from instar.core.run import CONFIG, read_config, write_config
from instar.core.store import FILES
from instar.data import shapes

Runs = Callable[..., Path]
SHARED = {*FILES, "README.md", "samples.png"} - {"averages.safetensors"}
PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as models need: one branch, files that lie in memory."""

    files: dict[str, dict[str, bytes]] = {}

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, content: bytes = b"{}", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def missing(self) -> None:
        self.answer(b'{"error": "Repository not found"}', 404, X_Error_Code="RepoNotFound")

    def revision(self, repository: str) -> str:
        return hashlib.sha1(repr(sorted(self.files[repository].items())).encode()).hexdigest()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        repository = "/".join(parts[2:4] if api else parts[:2])
        if repository not in self.files:
            return self.missing()
        held, commit = self.files[repository], self.revision(repository)
        if api and "tree" in parts:
            rows = [{"type": "file", "path": name, "size": len(one), "oid": "0"} for name, one in held.items()]
            return self.answer(json.dumps(rows).encode())
        if api:
            facts = {"id": repository, "sha": commit, "siblings": [{"rfilename": name} for name in held]}
            return self.answer(json.dumps(facts).encode())
        content = held["/".join(parts[4:])]
        return self.answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=commit)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.files.setdefault(name, {})
            return self.answer(json.dumps({"url": f"http://{self.headers['Host']}/{name}", "id": name}).encode())
        if parts[-2] == "preupload":
            wanted = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for one in json.loads(body)["files"]
            ]
            return self.answer(json.dumps({"files": wanted}).encode())
        if parts[-2] == "commit":
            held = self.files["/".join(parts[2:4])]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    held[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.answer(
                json.dumps(
                    {
                        "commitUrl": f"http://{self.headers['Host']}/{'/'.join(parts[2:4])}/commit/{'1' * 40}",
                        "commitOid": "1" * 40,
                    }
                ).encode()
            )
        return self.answer()  # what a README says is all right


@pytest.fixture
def hub() -> Iterator[str]:
    Hub.files = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(run_directory: Runs, tmp_path: Path) -> Path:
    """A run that tells of the machine it is from, and has a sample picture."""
    made = tmp_path / "run"
    shutil.copytree(run_directory("cut"), made)
    (checkpoint,) = (made / "checkpoints").iterdir()
    (checkpoint / "SHA256SUMS").unlink()
    config = read_config(checkpoint / CONFIG)
    data = replace(config.data, roots=(Path("/home/ann/secret"),))
    train = replace(config.train, score_with="mobilenet=/home/ann/weights.npz", start_from=Path("/home/ann/other"))
    write_config(replace(config, data=data, train=train), checkpoint)
    (made / "samples").mkdir(exist_ok=True)
    Image.fromarray(PIXELS).save(made / "samples" / "step-000000001.png")
    return made


def test_a_store_of_files(run: Path, tmp_path: Path) -> None:
    scores = {"columns": [{"title": "last", "scores": [{"name": "KID | ↓", "value": 0.0123456}]}]}
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    address = (tmp_path / "store" / "a zebra").as_uri()
    done = instar.push(run, address, data="Drawn horses.", license="cc0-1.0", scores=tmp_path / "scores.json")
    assert done.address == address
    assert set(done.files) == SHARED
    ours = instar.load(run, "cpu").translate(PIXELS)
    assert np.array_equal(instar.load(address, "cpu").translate(PIXELS), ours)
    Image.fromarray(PIXELS).save(tmp_path / "in.png")
    assert instar.translate(address, tmp_path / "in.png", tmp_path / "out.png").translated == 1
    folder = tmp_path / "store" / "a zebra"
    assert all(b"/home/ann" not in path.read_bytes() for path in folder.iterdir())
    card = (folder / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert (head["license"], head["library_name"], head["pipeline_tag"]) == ("cc0-1.0", "instar", "image-to-image")
    assert "Drawn horses." in card
    assert r"| KID \| ↓, last | 0.01235 |" in card
    assert "| data.source | horse |" in card
    assert "![inputs and their translations](samples.png)" in card
    with pytest.raises(UserError, match="exists already"):
        instar.push(run, address)


@pytest.mark.parametrize("kind", ["bicyclegan", "cut", "cyclegan", "tunit", "transgaga"])
def test_only_what_translates_is_shared(kind: str, run_directory: Runs, tmp_path: Path) -> None:
    """Averages in place of what is trained, no discriminators and pools; and it is all that styles and domains need."""
    run = run_directory(kind)
    (checkpoint,) = (run / "checkpoints").iterdir()
    instar.push(run, (tmp_path / "shared").as_uri())
    shared = load_file(tmp_path / "shared" / "method.safetensors")
    method = registry.get(kind)(read_config(checkpoint / CONFIG).method)
    used = {*method.translators, *method.also_used, *method.fitted}
    assert {name.split(".")[0] for name in shared} == used
    averages = load_file(checkpoint / "averages.safetensors")
    assert all(torch.equal(shared[name], value) for name, value in averages.items())
    one, other = (instar.load(path, "cpu").method.state_dict() for path in (run, tmp_path / "shared"))
    assert all(torch.equal(other[name], value) for name, value in one.items())
    assert one.keys() == other.keys() == shared.keys()


def test_a_model_of_an_earlier_version_loads(run: Path, tmp_path: Path) -> None:
    """It holds the weights of all networks, and the averages beside them."""
    (checkpoint,) = (run / "checkpoints").iterdir()
    shutil.copytree(checkpoint, tmp_path / "old", ignore=shutil.ignore_patterns("optimizers*", "images.txt"))
    write_sums(tmp_path / "old")
    ours = instar.load(run, "cpu").translate(PIXELS)
    assert np.array_equal(instar.load((tmp_path / "old").as_uri(), "cpu").translate(PIXELS), ours)
    instar.push(tmp_path / "old", (tmp_path / "again").as_uri())
    assert np.array_equal(instar.load(tmp_path / "again", "cpu").translate(PIXELS), ours)


def test_a_shared_model_cannot_be_trained_on(run: Path, tmp_path: Path) -> None:
    address = (tmp_path / "shared").as_uri()
    instar.push(run, address)
    for given in (address, tmp_path / "shared", "hf://ann/zebra", "demo:coat"):
        with pytest.raises(
            UserError, match=r"a shared model, which cannot be trained on: .*train\.start_from"
        ) as caught:
            instar.resume(given)
        assert "\n" not in str(caught.value)


def test_a_run_starts_from_a_shared_model(run: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shapes.write(images, 6, 2)
    address = (tmp_path / "shared").as_uri()
    instar.push(run, address)
    common: dict[str, Any] = {"preset": "tiny", "steps": 1, "device": "cpu"}
    done = instar.train("cut", images, out=tmp_path / "new", **common, train={"start_from": address})
    (said,) = (note for note in done.notes if "networks of" in note)
    assert "G; left out: D: it is not there" in said
    asked = {"start_from": address, "start_with": ("D",)}
    with pytest.raises(UserError, match=r"train\.start_with.*does not fit, it is not there"):
        instar.train("cut", images, out=tmp_path / "other", **common, train=asked)


def test_what_is_damaged_is_refused_at_both_ends(run: Path, tmp_path: Path) -> None:
    address = (tmp_path / "store").as_uri()
    instar.push(run, address)
    weights = tmp_path / "store" / "method.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(UserError, match=r"method\.safetensors: damaged or changed"):
        instar.load(address, "cpu")
    (checkpoint,) = (run / "checkpoints").iterdir()
    (checkpoint / "method.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match=r"method\.safetensors: cannot be read"):
        instar.push(run, (tmp_path / "other").as_uri())
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("to", ["elsewhere", "http://x/y", "hf://only-one"])
def test_what_is_no_address(to: str, run: Path) -> None:
    with pytest.raises(UserError, match="hf://OWNER/NAME"):
        instar.push(run, to)


def asked(code: str, hub: str, home: Path, *arguments: object, offline: bool = False) -> str:
    """Run code in a process whose hub is that of the test, and return the last line that it prints."""
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_TOKEN": "hf_test", "NO_PROXY": "*"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": str(int(offline))}
    start = "import sys, instar, numpy\nfrom instar.core.errors import UserError\n"
    command = [sys.executable, "-c", start + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_a_hub(run: Path, hub: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    push = "print(instar.push(sys.argv[1], 'hf://ann/zebra', license='cc0-1.0').address)"
    assert asked(push, hub, tmp_path / "one", run) == "hf://ann/zebra"
    assert set(Hub.files["ann/zebra"]) == SHARED
    Hub.files["ann/zebra"] |= {"evil.py": b"raise SystemExit", "evil.pkl": b"."}

    np.save(tmp_path / "in.npy", PIXELS)
    load = """
try: numpy.save(sys.argv[2], instar.load(sys.argv[3], "cpu").translate(numpy.load(sys.argv[1]))); print("done")
except UserError as error: print(error)
"""
    arguments = (tmp_path / "in.npy", tmp_path / "out.npy")
    assert asked(load, hub, tmp_path / "two", *arguments, "hf://ann/zebra") == "done"
    assert np.array_equal(np.load(tmp_path / "out.npy"), instar.load(run, "cpu").translate(PIXELS))
    assert not [path for path in (tmp_path / "two").rglob("*") if "evil" in path.name]
    assert "no such model, or it is private" in asked(load, hub, tmp_path / "two", *arguments, "hf://ann/none")

    nowhere = "http://127.0.0.1:9"
    assert asked(load, nowhere, tmp_path / "two", *arguments, "hf://ann/zebra", offline=True) == "done"  # the cache
    said = asked(load, nowhere, tmp_path / "three", *arguments, "hf://ann/zebra", offline=True)
    assert "if this machine is offline, fetch the model where there is a network" in said
    Hub.files["ann/other"] = {"weights.bin": b"pickle"}
    assert "holds no model of Instar" in asked(load, hub, tmp_path / "two", *arguments, "hf://ann/other")
