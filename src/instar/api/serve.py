"""Models behind HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instar.api.listening import listen, token_for
from instar.api.paths import AnyPath, Paths
from instar.core.errors import UserError

if TYPE_CHECKING:
    from instar.core.config import Device
    from instar.core.events import Stop
    from instar.serving.limits import Limits

GRACE = 5
"""Seconds beyond the timeout of a request that a server which is stopped waits for those it has accepted."""


def serve(
    models: Paths,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: AnyPath | None = None,
    device: Device = "auto",
    limits: Limits | None = None,
    on_ready: Callable[[str], None] | None = None,
    stop: Stop | None = None,
) -> None:
    """Serve models over HTTP until it is asked to stop. Requests that were accepted are answered before it returns.

    Args:
        models: run directories, checkpoints or exported files; NAME=PATH gives one another name than its own.
        host: address to listen at. Others than this machine's own need a token.
        port: 0 takes a free one.
        token_file: holds the token that clients must send.
        device: auto, cpu, cuda or mps.
        limits: what clients may ask for.
        on_ready: told the address when requests are taken.
        stop: such as a `threading.Event`: once it is set, no more requests are accepted.

    Raises:
        UserError: a model is not there, two have one name, the token is missing, or the address is taken.
    """
    app, timeout = application(models, device=device, limits=limits, token=token_for(host, token_file))
    listen(app, host, port, int(timeout) + GRACE, on_ready, stop)


def application(
    models: Paths, *, device: Device = "auto", limits: Limits | None = None, token: str | None = None
) -> tuple[Any, float]:
    """Return the ASGI application of a server and the seconds within which it answers; see `serve`."""
    _check_extra()
    import psutil

    from instar.serving.app import Server
    from instar.serving.limits import Limits
    from instar.serving.models import Models

    limits = limits or Limits()
    budget = int(limits.memory * psutil.virtual_memory().total)
    server = Server(Models(_named(models), device, budget), limits, token)
    return server.application(), limits.timeout


def _named(models: Paths) -> dict[str, Path]:
    """Return the models by name, all of which are there."""
    from instar.core.store import DEMO
    from instar.inference.exported import is_exported

    found: dict[str, Path] = {}
    given = [models] if isinstance(models, (str, Path)) else list(models)  # type: ignore[arg-type]
    for one in map(str, given):
        name, equals, rest = one.partition("=")
        path = Path(rest if equals and not Path(one).exists() else one)
        name = (
            name if equals and not Path(one).exists() else path.absolute().name.removesuffix(".onnx").removeprefix(DEMO)
        )
        if name in found:
            raise UserError(f"{path}: {found[name]} has the name {name!r} already; give NAME={path}")
        if not is_exported(path):
            from instar.core.run import find_checkpoint

            find_checkpoint(path)
        elif not path.is_file():
            raise UserError(f"{path}: there is no such file")
        found[name] = path
    if not found:
        raise UserError("give a run or an exported model")
    return found


def _check_extra() -> None:
    try:
        import fastapi  # noqa: F401  (an extra)
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(f"serving needs {error.name}: pip install '.[serve]'") from error
