"""Who may ask the studio, and for what: around all routes, those of Gradio too."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response

COOKIE = "instar-studio"
LARGEST = 1 << 22
"""Bytes of a request that is no upload."""
PUBLIC = frozenset({"/favicon.ico", "/manifest.json"})
"""What browsers ask for without their cookies. It says nothing of the folder."""
PROTECTING = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of each answer, which it may set otherwise."""


class Gate:
    """Asks for the token; refuses pages of other sites, and requests that name files elsewhere."""

    def __init__(self, app: Any, token: str | None, hosts: frozenset[str]) -> None:
        """Stand before an ASGI application.

        Args:
            app: the application.
            token: that a browser must show once, as ?token=...; None if none is asked for.
            hosts: names under which this server may be asked; all if empty.
        """
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if refused is None and headers.get("content-type", "").startswith("application/json"):
            body = await _body(receive)
            refused = PlainTextResponse("too large", 413) if body is None else _elsewhere(body)
            receive = _again(body or b"", receive)
        await (refused or self.app)(scope, receive, _protected(send))

    def _refusal(self, scope: Any, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts and _name(f"//{host}") not in self.hosts:
            return PlainTextResponse("another host's name: open the address that the studio has printed", 421)
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("a page of another site may not ask", 403)
        path = scope["path"].lower()
        if "/file=http" in path or "/proxy=" in path or "/stream/http" in path:
            return PlainTextResponse("only files of this studio", 403)
        return self._without_token(scope, headers) if self.token and path not in PUBLIC else None

    def _without_token(self, scope: Any, headers: Headers) -> Response | None:
        """Return the answer to who does not show the token; to who shows it in the address, a cookie."""
        assert self.token is not None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and _equal(given, self.token):
            answer = RedirectResponse(scope["path"] or "/", 303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if _equal(_cookie(headers), self.token) or _equal(bearer, self.token):
            return None
        return PlainTextResponse("open the studio once with its token: add ?token=TOKEN to the address", 401)


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _equal(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def _elsewhere(body: bytes) -> Response | None:
    """Refuse a body in which a file is an address: Gradio would fetch it."""
    try:
        held = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return PlainTextResponse("no JSON", 400)
    waiting = [held]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if "://" in str(one.get("path", "")):
                return PlainTextResponse("only files that were uploaded", 403)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return None


async def _body(receive: Any) -> bytes | None:
    """Return the body of a request; None if it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Any) -> Any:
    """Return a `receive` that gives a body which was read before."""
    given = False

    async def receiving() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _protected(send: Any) -> Any:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            added = [(name.lower().encode(), value.encode()) for name, value in PROTECTING.items()]
            message["headers"] = [*message["headers"], *(one for one in added if one[0] not in there)]
        await send(message)

    return sending
