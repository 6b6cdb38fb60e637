"""The description of the server for tools."""

from __future__ import annotations

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


def described(limits: Limits, token: bool) -> dict[str, Any]:
    """Return the description as OpenAPI 3.1."""
    answers = {**({"401": "no token, or a wrong one"} if token else {}), **_ANSWERS}
    translate = {
        "summary": "Translate an image",
        "description": f"At most {limits.megabytes:g} MB and {limits.megapixels:g} million pixels.",
        "parameters": [
            _parameter("model", {"type": "string"}, "name of a model; may be left out where there is one"),
            _parameter("to", {"type": "string"}, "domain to translate into; the target of the training if left out"),
            _parameter("seed", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "of noise or style"),
            _parameter("size", {"type": "integer", "minimum": SMALLEST_SIZE}, "short side at which the network works"),
            _parameter("style", {"type": "string"}, "numbers of a style with commas between them"),
            _parameter("format", {"type": "string", "enum": list(TYPES)}, "of the answer"),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {
                            "image": {"type": "string", "format": "binary"},
                            "reference": {"type": "string", "format": "binary"},
                        },
                    }
                },
            },
        },
        "responses": {
            "200": {
                "description": "the translation, of the same size",
                "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in TYPES.values()},
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


def _parameter(name: str, schema: dict[str, Any], what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": what}


def _error(what: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {"description": what, "content": {"application/json": {"schema": schema}}}
