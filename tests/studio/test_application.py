"""The application as it is served, asked by a program that means ill."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="needs gradio: pip install '.[studio]'")
from reports import viewed
from starlette.testclient import TestClient

from instar.core.errors import UserError
from instar.studio.launch import OURS, _owned, application, launch
from instar.studio.root import OWN, Root

ADDRESS = "http://127.0.0.1:7860"
SECRET = "of somebody else"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    above = tmp_path_factory.mktemp("above")
    (above / "secret.txt").write_text(SECRET)
    (above / "table.html").write_text(SECRET)
    root = above / "root"
    (root / "runs").mkdir(parents=True)
    run = viewed.make(root / "runs" / "a first&<b>")
    (run / "samples" / "step-000000099.png").symlink_to(above / "secret.txt")
    (root / "made").mkdir()
    (root / "made" / "table.html").write_text("<script>alert(1)</script>")
    (root / "notes.txt").write_text(SECRET)
    return root


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "")
        with TestClient(application(Root(folder), None, OURS), base_url=ADDRESS, follow_redirects=False) as client:
            yield client


def test_the_page_of_a_run(client: TestClient) -> None:
    answer = client.get("/run/runs/a%20first%26%3Cb%3E/")
    assert answer.status_code == 200
    assert "read the page anew" not in answer.text, "nobody trains"
    assert '"src": "samples/step-000000004.png"' in answer.text
    assert "<b>" not in answer.text.split("</style>")[1].split("<script")[0]
    picture = client.get("/run/runs/a%20first%26%3Cb%3E/samples/step-000000004.png")
    assert picture.headers["content-type"] == "image/png"
    several = client.get("/run/", params={"run": ["runs/a first&<b>", "runs/a first&<b>"]})
    assert "runs/a%20first%26%3Cb%3E/samples/step-000000004.png" in several.text


def test_the_page_of_a_comparison_reaches_nothing_of_the_studio(client: TestClient) -> None:
    answer = client.get("/table/made/")
    assert "alert" in answer.text
    assert answer.headers["content-security-policy"] == "sandbox allow-scripts"


@pytest.mark.parametrize(
    "path",
    [
        *("/run/runs/none/", "/run/", "/run/made/", "/run/../above/", "/run/%2e%2e/", "/run/%2e%2e%2fsecret.txt/"),
        "/run/runs/a%20first%26%3Cb%3E/samples/step-000000099.png",
        "/run/runs/a%20first%26%3Cb%3E/samples/..%2fconfig.yaml",
        "/run/runs/a%20first%26%3Cb%3E/config.yaml",
        "/run/made/samples/step-1.png",
        *("/table/%2e%2e/", "/table/..%2f/", "/table/runs/", f"/table/{OWN}/"),
        *("/gradio_api/file=/etc/passwd", "/gradio_api/file={above}/secret.txt", "/gradio_api/file={root}/notes.txt"),
        *("/gradio_api/file={root}/runs/../../secret.txt", "/gradio_api/file=notes.txt", "/file=/etc/passwd"),
        *("/static/../../../secret.txt", "/static/%2e%2e/%2e%2e/__init__.py"),
    ],
)
def test_nothing_else_is_read(client: TestClient, folder: Path, path: str) -> None:
    answer = client.get(path.format(root=folder, above=folder.parent))
    assert answer.status_code in (400, 403, 404, 405), answer.text[:200]
    assert SECRET not in answer.text
    assert "root:" not in answer.text


def components(client: TestClient) -> tuple[int, list[dict[str, Any]]]:
    """The number of the function that translates, and what its inputs are."""
    config = client.get("/config").json()
    by_id = {one["id"]: one for one in config["components"]}
    (button,) = [one["id"] for one in config["components"] if one["props"].get("elem_id") == "translate"]
    (call,) = [one for one in config["dependencies"] if [button, "click"] in [list(t) for t in one["targets"]]]
    return call["id"], [by_id[one] for one in call["inputs"]]


@pytest.mark.parametrize("path", ["/etc/passwd", "{above}/secret.txt", "{root}/notes.txt", "../secret.txt"])
def test_a_path_in_place_of_an_upload_is_refused(client: TestClient, folder: Path, path: str) -> None:
    number, inputs = components(client)
    assert [one["type"] for one in inputs].count("image") == 2
    given = path.format(root=folder, above=folder.parent)
    image = {"path": given, "meta": {"_type": "gradio.FileData"}}
    data = [image if one["type"] == "image" else 1 for one in inputs]
    uploads = folder / OWN / "work" / "uploads"
    answer = client.post("/gradio_api/queue/join", json={"data": data, "fn_index": number, "session_hash": "abc"})
    if answer.status_code == 200:
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "abc"}) as events:
            text = "".join(line for line in events.iter_lines() if line)
        assert '"success": false' in text or '"success":false' in text
        assert SECRET not in text
    assert not uploads.exists() or [one for one in uploads.rglob("*") if one.is_file()] == []


def test_one_studio_for_a_folder(tmp_path: Path) -> None:
    root = Root(tmp_path)
    with _owned(root), pytest.raises(UserError, match="another studio is at work in this folder"):
        launch(tmp_path, port=0)
    with pytest.raises(UserError, match="give a token"):
        launch(tmp_path, host="0.0.0.0", port=0)
    with pytest.raises(UserError, match="no such folder"):
        launch(tmp_path / "none")
