"""Pages within the studio's own: those of runs as they are now, and those that comparisons have written."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from instar.api.view import view_page
from instar.core.errors import Speller, UserError
from instar.studio.root import Root

AGAIN = 5
"""Seconds after which the page of a run that is trained is read anew."""
TABLE = "table.html"
_SAMPLE = re.compile(r"step-\d+\.png")
_ALONE = {"Content-Security-Policy": "sandbox allow-scripts"}
"""A page that lies in the folder may be anybody's: its scripts reach nothing of the studio."""


def application(root: Root, speller: Speller) -> FastAPI:
    """Return the application that Gradio's page is mounted on."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def sample(name: str, file: str) -> Response:
        return _sample(root, name, file)

    def several(request: Request) -> Response:
        return _page(root, request.query_params.getlist("run"), root.path, speller)

    def one(name: str) -> Response:
        return _page(root, [name], root.path / name, speller)

    def table(name: str) -> Response:
        return _table(root, name)

    app.add_api_route("/run/{name:path}/samples/{file}", sample)
    app.add_api_route("/run/", several)  # not /runs: pictures are looked up from here
    app.add_api_route("/run/{name:path}/", one)
    app.add_api_route("/table/{name:path}/", table)
    return app


def address_of(names: list[str]) -> str:
    """Return the address of the page of one run, or of several side by side."""
    return f"/run/{quote(names[0])}/" if len(names) == 1 else f"/run/?{urlencode({'run': names}, doseq=True)}"


def address_of_table(name: str) -> str:
    """Return the address of the page of a comparison, by the name of its folder."""
    return f"/table/{quote(name)}/"


def _page(root: Root, names: list[str], beside: Path, speller: Speller) -> Response:
    try:
        if not names:
            raise UserError("choose a run")
        text = view_page([root.run(name) for name in names], beside, speller=speller, again=AGAIN)
    except UserError as error:
        return PlainTextResponse(error.message.spelled(speller), 404)
    return HTMLResponse(text)


def _sample(root: Root, name: str, file: str) -> Response:
    try:
        path = root.inside(str(Path(root.name(root.run(name)), "samples", file)))
    except UserError as error:
        return PlainTextResponse(str(error), 404)
    if not _SAMPLE.fullmatch(path.name) or not path.is_file():
        return PlainTextResponse("there is no such picture", 404)
    return FileResponse(path, media_type="image/png")


def _table(root: Root, name: str) -> Response:
    try:
        path = root.inside(str(Path(name, TABLE)))
    except UserError as error:
        return PlainTextResponse(str(error), 404)
    return HTMLResponse(path.read_text(encoding="utf-8", errors="replace"), headers=_ALONE)
