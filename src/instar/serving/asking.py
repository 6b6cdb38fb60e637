"""What requests ask for: fields of the query and of forms, and files, all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException, MultiPartParser

from instar.serving.limits import Limits

FIELDS = ("model", "to", "seed", "size", "style", "format")
FILES = ("image", "reference")
DIGITS = 19
"""Of numbers at most."""


class Refused(Exception):  # noqa: N818
    """A request that gets another answer than a picture."""

    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.headers = status, why, headers or {}


@dataclass
class Asked:
    """What a request asks for."""

    fields: dict[str, str]
    files: dict[str, bytes]


async def asked(request: Request, limits: Limits) -> Asked:
    """Read fields and files, from the query and the body.

    Raises:
        Refused: it is too large or too slow, malformed, or has unknown fields.
    """
    fields = dict(request.query_params)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    body = await _body(request, limits)
    files = {"image": body}
    if kind == b"multipart/form-data":
        if not options.get(b"boundary"):
            raise Refused(400, "the multipart body has no boundary")
        more, files = await _form(request, body)
        fields |= more
    for name in fields:
        if name not in FIELDS:
            raise Refused(400, f"{name[:50]!r} is no parameter; there is: {', '.join(FIELDS)}")
    return Asked(fields, files)


async def _body(request: Request, limits: Limits) -> bytes:
    most = int(limits.megabytes * 1e6)
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise Refused(413, f"more than {limits.megabytes:g} MB", {"Connection": "close"})
    try:
        return await asyncio.wait_for(_whole(request, most, limits.megabytes), limits.upload)
    except asyncio.TimeoutError as error:
        why = f"the body did not come within {limits.upload:g} s"
        raise Refused(408, why, {"Connection": "close"}) from error


async def _whole(request: Request, most: int, megabytes: float) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Refused(413, f"more than {megabytes:g} MB", {"Connection": "close"})
        parts.append(part)
    return b"".join(parts)


async def _form(request: Request, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the fields and files of a multipart body, all in memory."""

    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, whole(), max_files=len(FILES), max_fields=len(FIELDS))
    parser.spool_max_size = len(body) + 1  # files that clients send stay in memory
    fields, files = {}, {}
    try:
        form = await parser.parse()
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields[name] = value
            elif name in FILES:
                files[name] = await value.read()
            else:
                raise Refused(400, f"{name[:50]!r} is no file of a request; there is: {', '.join(FILES)}")
    except (MultiPartException, KeyError, ValueError, UnicodeDecodeError) as error:
        raise Refused(400, "the multipart body is malformed") from error
    return fields, files


def number(fields: dict[str, str], name: str, low: int, high: int) -> int | None:
    """Return a whole number of the fields; None if it is not there."""
    text = fields.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > DIGITS or not low <= int(text) <= high:
        raise Refused(400, f"{name}: a whole number from {low} to {high} is wanted")
    return int(text)


def choice(fields: dict[str, str], name: str, known: Any, default: str) -> str:
    """Return one of several words of the fields."""
    value = fields.get(name, default)
    if value not in known:
        raise Refused(400, f"{name}: there is: {', '.join(known)}")
    return value


def style_in(text: str | None) -> NDArray[np.float32] | None:
    """Return the numbers of a style."""
    if text is None:
        return None
    try:
        numbers = np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError as error:
        raise Refused(400, "style: numbers with commas between them are wanted") from error
    if not np.isfinite(numbers).all():
        raise Refused(400, "style: its numbers must be finite")
    return numbers
