"""The example page in a real browser, with the npm package onnxruntime-web, whose place INSTAR_ORT_WEB names."""

import functools
import os
import shutil
import threading
import time
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import instar

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
ort = pytest.importorskip("onnxruntime")
from browsing import needs_browser, opened  # noqa: E402

from instar.exporting.onnx_file import write_onnx  # noqa: E402

Runs = Callable[..., Path]
PAGE = Path(__file__).parents[2] / "examples" / "browser"
PACKAGE = Path(os.environ.get("INSTAR_ORT_WEB", "node_modules/onnxruntime-web"))


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *_: object) -> None:
        pass


@needs_browser
@pytest.mark.skipif(not (PACKAGE / "dist").is_dir(), reason="needs npm install onnxruntime-web, and INSTAR_ORT_WEB")
def test_the_page_translates_as_the_run_does(run_directory: Runs, tmp_path: Path) -> None:
    shutil.copytree(PAGE, tmp_path / "site")
    (tmp_path / "site" / "ort").symlink_to((PACKAGE / "dist").resolve())
    run = instar.load(run_directory("cut"), "cpu")
    write_onnx(run, "b", tmp_path / "site" / "model.onnx")  # type: ignore[arg-type]
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with opened() as browser:
            browser.get(f"http://127.0.0.1:{server.server_address[1]}/index.html")
            wait(browser, "choose an image")
            browser.find_element("id", "file").send_keys(str(tmp_path / "in.png"))
            wait(browser, "translated in")
            data = browser.execute_script(
                "const c = document.getElementById('made');"
                "return [c.height, c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
            )
            asked = browser.execute_script("return performance.getEntriesByType('resource').map(one => one.name)")
            logged = [one["message"] for one in browser.get_log("browser") if "favicon" not in one["message"]]
    finally:
        server.shutdown()
        server.server_close()
    height, width, values = data
    made = np.array(values, np.uint8).reshape(height, width, 4)
    assert np.abs(made[:, :, :3].astype(int) - run.translate(pixels)).max() <= 1
    assert (made[:, :, 3] == 255).all()
    assert all(one.startswith("http://127.0.0.1") for one in asked)
    assert logged == []


def wait(browser: object, words: str) -> None:
    """Wait until the page says something; a minute is enough for the slowest machine."""
    for _ in range(600):
        said = browser.find_element("id", "said").text  # type: ignore[attr-defined]
        if words in said:
            return
        time.sleep(0.1)
    raise AssertionError(f"the page says {said!r}")
