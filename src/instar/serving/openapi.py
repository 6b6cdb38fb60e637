"""The description of the server for tools."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from instar.inference.batches import SMALLEST_SIZE
from instar.serving.limits import Limits
from instar.serving.pictures import TYPES

_ANSWERS = {
    "400": "a parameter is wrong or unknown",
    "404": "there is no such model",
    "408": "the body came too slowly",
    "413": "too many bytes or pixels",
    "415": "no image that is read",
    "422": "the model cannot do that: another domain, no styles",
    "500": "the server failed",
    "503": "too many requests wait; see Retry-After",
    "504": "not done in time",
}

_FILE = {"type": "string", "format": "binary"}
_NUMBER = "-?[0-9](\\.[0-9]{1,6})?"
LARGEST_SEED = 2**63 - 1


def described(limits: Limits, token: bool, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the description as OpenAPI 3.1.

    Args:
        limits: of the server.
        token: whether clients need one.
        models: what is known of each, as `Models.facts` returns it. What models can is told once all were loaded.
    """
    answers = {**({"401": "no token, or a wrong one"} if token else {}), **_ANSWERS}
    fields = _fields(limits, models)
    files = ["image", *(["reference"] if "style" in fields else [])]
    translate = {
        "summary": "Translate an image",
        "description": f"At most {limits.megabytes:g} MB and {limits.megapixels:g} million pixels.",
        "parameters": [
            {"name": name, "in": "query", "schema": schema, "description": what}
            for name, (schema, what) in fields.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": _FILE},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {
                            **dict.fromkeys(files, _FILE),
                            **{name: schema for name, (schema, _) in fields.items()},
                        },
                        "additionalProperties": False,
                    }
                },
            },
        },
        "responses": {
            "200": {
                "description": "the translation, of the same size",
                "content": {kind: {"schema": _FILE} for kind in TYPES.values()},
            },
            **{status: _error(what) for status, what in answers.items()},
        },
    }
    paths: dict[str, Any] = {"/v1/translate": {"post": translate}}
    for path, what in (
        ("/v1/models", "the models, and what each translates"),
        ("/healthz", "the process lives"),
        ("/readyz", "requests are taken"),
        ("/metrics", "counts for Prometheus"),
    ):
        paths[path] = {"get": {"summary": what, "responses": {"200": {"description": what}}}}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Instar", "version": version("instar")},
        "paths": paths,
    }
    if token:
        found["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        found["security"] = [{"token": []}]
    return found


def _fields(limits: Limits, models: Sequence[dict[str, Any]]) -> dict[str, tuple[dict[str, Any], str]]:
    """Return the schema of each parameter, and what it is."""
    known = all("targets" in one for one in models)
    targets = list(dict.fromkeys(target for one in models for target in one.get("targets", ())))
    sizes = sorted({one["style_size"] for one in models if one.get("style_size")})
    one_of = "|".join(f"{_NUMBER}(,{_NUMBER}){{{size - 1}}}" for size in sizes)
    names: dict[str, Any] = {"type": "string", "enum": [one["name"] for one in models]}
    found: dict[str, tuple[dict[str, Any], str]] = {
        "model": (names, "may be left out where there is one"),
        "to": (
            {"type": "string", **({"enum": targets} if known else {})},
            "domain to translate into, one of the model's targets; that of the training if left out",
        ),
        "seed": ({"type": "integer", "minimum": 0, "maximum": LARGEST_SEED}, "of noise or style"),
        "size": (
            {"type": "integer", "minimum": SMALLEST_SIZE, "maximum": limits.largest_side},
            "short side at which the network works",
        ),
        "format": ({"type": "string", "enum": list(TYPES)}, "of the answer"),
    }
    if sizes or not known:
        pattern = {"pattern": f"^({one_of})$"} if known else {}
        found["style"] = ({"type": "string", **pattern}, "numbers of a style with commas between them")
    return found


def _error(what: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {"description": what, "content": {"application/json": {"schema": schema}}}
