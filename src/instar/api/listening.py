"""A web server of this process: where it listens, who may ask, and how it ends."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from instar.api.paths import AnyPath, path_or_none
from instar.core.errors import UserError, setting

if TYPE_CHECKING:
    from instar.core.events import Stop


def listen(
    app: Any, host: str, port: int, grace: int, on_ready: Callable[[str], None] | None, stop: Stop | None
) -> None:
    """Serve an ASGI application until it is asked to stop and has answered what it had accepted.

    Args:
        app: the application.
        host: address to listen at.
        port: 0 takes a free one.
        grace: seconds that accepted requests have once it is stopped.
        on_ready: told the address when requests are taken.
        stop: once it is set, no more requests are accepted.

    Raises:
        UserError: the address is taken, or not this machine's.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=grace,
    )
    server: Any = uvicorn.Server(config)
    server.capture_signals = nullcontext  # whoever calls this has handlers of its own
    try:
        socket = config.bind_socket()
    except SystemExit as error:
        raise UserError(f"{setting('port', port)}: the address {host}:{port} is taken or not this machine's") from error
    address = f"http://{host}:{socket.getsockname()[1]}"
    asyncio.run(_until(stop or threading.Event(), server, socket, lambda: on_ready(address) if on_ready else None))


async def _until(stop: Stop, server: Any, socket: Any, ready: Callable[[], None]) -> None:
    """Run a server until it is asked to stop and has answered what it had accepted."""
    serving, told = asyncio.ensure_future(server.serve(sockets=[socket])), False
    while not serving.done():
        if server.started and not told:
            told = True
            ready()
        server.should_exit = server.should_exit or stop.is_set()
        await asyncio.wait({serving}, timeout=0.1)
    serving.result()


def token_for(host: str, file: AnyPath | None) -> str | None:
    """Return the token that clients must send; None where none is asked for.

    Args:
        host: address that is listened at. Others than this machine's own need a token.
        file: holds the token.

    Raises:
        UserError: the token is missing, or too short to be one.
    """
    path = path_or_none(file)
    if path is None:
        if not is_own(host):
            raise UserError(
                f"{setting('host', host)}: others can reach this address; give a token: {setting('token_file', 'FILE')}"
            )
        return None
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{setting('token_file', path)}: cannot be read ({error})") from error
    if len(token) < 16 or not token.isascii() or not token.isprintable():
        raise UserError(f"{setting('token_file', path)}: at least 16 printable characters are wanted in one line")
    return token


def is_own(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
