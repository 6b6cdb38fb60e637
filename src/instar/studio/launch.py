"""Starting a studio."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.api.listening import is_own, listen, token_for
from instar.api.paths import AnyPath
from instar.core.errors import Speller, UserError, in_python
from instar.core.files import lock, open_own, own_folder

if TYPE_CHECKING:
    from instar.core.events import Stop
    from instar.studio.root import Root

GRACE = 1
"""Seconds that requests have when the studio is stopped: trainings do not need it."""
WORK = "work"
"""Folder for uploads and downloads in the studio's own."""
UPLOAD = "200mb"
"""Largest file that is taken."""
OURS = frozenset({"127.0.0.1", "localhost", "::1"})


def launch(
    root: AnyPath = ".",
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    token_file: AnyPath | None = None,
    speller: Speller = in_python,
    on_ready: Callable[[str], None] | None = None,
    stop: Stop | None = None,
) -> None:
    """Serve the studio's page until it is asked to stop. Trainings that were started go on.

    Args:
        root: folder with data sets and runs. Nothing outside of it is read or written for a page, but for the
            library's own caches.
        host: address to listen at. Others than this machine's own need a token.
        port: 0 takes a free one.
        token_file: holds the token that a browser shows once, as ?token=... in the address.
        speller: writes settings and calls on the page.
        on_ready: told the address when the page is there.
        stop: such as a `threading.Event`: once it is set, the studio ends.

    Raises:
        UserError: gradio is not installed, there is no such folder, another studio is at work in it, the token is
            missing, or the address is taken.
    """
    _check_extra()
    from instar.studio.root import Root  # noqa: PLC0415  (seconds of torch)

    token, folder = token_for(host, token_file), Root(Path(root))
    with _owned(folder):
        app = application(folder, token, OURS if is_own(host) and token is None else frozenset(), speller)
        listen(app, host, port, GRACE, on_ready, stop)


def application(root: Root, token: str | None, hosts: frozenset[str], speller: Speller = in_python) -> Any:
    """Return the ASGI application of a studio, see `launch`.

    Args:
        root: folder that it works in.
        token: that browsers must show.
        hosts: names under which it may be asked; all if empty.
        speller: writes settings and calls on the page.
    """
    work = root.own / WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    # Read by Gradio when a component is made, and when a file is uploaded.
    os.environ["GRADIO_TEMP_DIR"] = str(work / "uploads")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr  # noqa: PLC0415  (an extra)

    from instar.studio.context import Studio  # noqa: PLC0415
    from instar.studio.gate import Gate  # noqa: PLC0415
    from instar.studio.jobs import Jobs  # noqa: PLC0415
    from instar.studio.models import Models  # noqa: PLC0415
    from instar.studio.page import page, style, theme  # noqa: PLC0415
    from instar.studio.routes import application as routes  # noqa: PLC0415

    blocks = page(Studio(root, Jobs(root), Models(), speller, work))
    app = gr.mount_gradio_app(
        routes(root, speller),
        blocks,
        "/",
        footer_links=[],
        run_history=False,
        allowed_paths=[str(work)],
        show_error=False,
        max_file_size=UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=style(),
    )
    # Until then Gradio takes any path for one of its own files, as it does for examples that a program gives.
    blocks.has_launched = True
    return Gate(app, token, hosts)


@contextmanager
def _owned(root: Root) -> Iterator[None]:
    """Be the one studio in a folder."""
    try:
        own_folder(root.own)
        file = open_own(root.own / ".lock", "r+b")
    except OSError as error:
        raise UserError(f"{root.path}: cannot be written ({error.strerror}); the studio writes there") from error
    with file:
        if not lock(file):
            raise UserError(f"{root.path}: another studio is at work in this folder; open its page, or stop it")
        try:
            yield
        finally:
            shutil.rmtree(root.own / WORK, ignore_errors=True)


def _check_extra() -> None:
    try:
        import gradio  # noqa: F401, PLC0415  (an extra)
    except ImportError as error:
        raise UserError(f"the studio needs {error.name}: pip install '.[studio]'") from error
