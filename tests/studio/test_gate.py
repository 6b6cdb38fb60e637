import json
from typing import Any

import pytest

pytest.importorskip("gradio", reason="needs gradio: pip install '.[studio]'")
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from instar.studio.gate import LARGEST, Gate
from instar.studio.launch import OURS

TOKEN = "correct horse battery"
OWN = "http://127.0.0.1:7860"


async def echo(request: Request) -> Response:
    return JSONResponse({"path": request.url.path, "body": (await request.body()).decode()})


def client(token: str | None = None, hosts: frozenset[str] = OURS, address: str = OWN) -> TestClient:
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    return TestClient(Gate(app, token, hosts), base_url=address, follow_redirects=False)


def test_answers_are_protected() -> None:
    answer = client().get("/x")
    assert answer.json()["path"] == "/x"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", "", "[::"])
def test_another_name_of_this_machine_is_refused(host: str) -> None:
    """A page of another site may have had its name moved to this address."""
    assert client().get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:1", "[::1]:7860"])
def test_names_of_this_machine(host: str) -> None:
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:80", "http://localhost:7860"])
def test_pages_of_other_sites_may_not_ask(origin: str) -> None:
    assert client().post("/x", headers={"origin": origin}).status_code == 403
    assert client().post("/x", headers={"origin": OWN}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=http://example.org/x", "/gradio_api/file=HTTPS://x", "/gradio_api/proxy=https://x"]
)
def test_addresses_are_no_files(path: str) -> None:
    assert client().get(path).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": [{"path": "/a/upload.png", "url": f"{OWN}/gradio_api/file=/a/upload.png"}]}, 200),
        ({"data": [{"path": "http://example.org/x.png"}]}, 403),
        ({"data": [[{"image": {"path": "file:///etc/passwd"}}]]}, 403),
        ({"data": [{"nested": {"deeper": [{"path": "HTTP://example.org"}]}}]}, 403),
        ([], 200),
    ],
)
def test_files_that_gradio_would_fetch(body: Any, status: int) -> None:
    answer = client().post("/gradio_api/queue/join", json=body)
    assert answer.status_code == status
    if status == 200:
        assert json.loads(answer.json()["body"]) == body


def test_bodies_that_are_none() -> None:
    headers = {"content-type": "application/json"}
    assert client().post("/x", content=b"{", headers=headers).status_code == 400
    assert client().post("/x", content=b"[" * 100_000, headers=headers).status_code == 400
    assert client().post("/x", content=b" " * (LARGEST + 1), headers=headers).status_code == 413
    assert client().post("/x", content=b"", headers=headers).status_code == 200
    assert client().post("/x", content=b" " * (LARGEST + 1)).status_code == 200, "an upload"


def test_a_token_is_shown_once() -> None:
    person = client(TOKEN, frozenset(), "http://gpu.example:7860")
    assert person.get("/").status_code == 401
    assert person.get("/?token=wrong").status_code == 401
    assert person.get("/gradio_api/info").status_code == 401
    assert person.get("/manifest.json/../gradio_api/info").status_code == 401
    assert person.get("/manifest.json").status_code == person.get("/favicon.ico").status_code == 200
    answer = person.get(f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert person.get("/").status_code == 200
    assert person.post("/x", headers={"origin": "http://gpu.example:7860"}).status_code == 200


@pytest.mark.parametrize("header", [{"authorization": f"Bearer {TOKEN}"}])
def test_programs_show_the_token_in_a_header(header: dict[str, str]) -> None:
    assert client(TOKEN).get("/", headers=header).status_code == 200
    assert client(TOKEN).get("/", headers={"authorization": "Bearer no"}).status_code == 401
    assert client(TOKEN).get("/", headers=[(b"cookie", "instar-studio=é; x".encode())]).status_code == 401
