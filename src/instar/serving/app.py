"""The application: routes, status codes, tokens, counts."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from instar.core.errors import UserError
from instar.core.raster import Picture
from instar.inference.batches import SMALLEST_SIZE
from instar.serving.asking import Asked, Refused, asked, choice, number, style_in
from instar.serving.limits import Limits
from instar.serving.models import Models
from instar.serving.openapi import LARGEST_SEED, described
from instar.serving.pictures import TYPES, NoImage, TooLarge, decoded, encoded
from instar.serving.work import Broken, Full, Job, Worker

log = logging.getLogger("instar.serving")
ROUTES = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/models", "/v1/translate")


class Server:
    """The routes of a server and what they share."""

    def __init__(self, models: Models, limits: Limits, token: str | None = None) -> None:
        """Prepare a server; `application` gives what an ASGI server runs."""
        self.models, self.limits, self.token = models, limits, token
        self.worker = Worker(models, limits, self._observed)
        self.registry = CollectorRegistry()
        self.requests = Counter("instar_requests", "Answers", ["path", "status"], registry=self.registry)
        self.latency = Histogram("instar_translate_seconds", "Of answered translations", registry=self.registry)
        self.images = Counter("instar_images", "Translated images", ["model"], registry=self.registry)
        self.batches = Histogram(
            "instar_batch_images", "Images that went together", registry=self.registry, buckets=(1, 2, 4, 8, 16, 32)
        )
        self.computing = Counter("instar_compute_seconds", "In networks", ["model"], registry=self.registry)
        Gauge("instar_waiting", "Requests that wait", registry=self.registry).set_function(lambda: len(self.worker))
        Gauge("instar_models_loaded", "Models in memory", registry=self.registry).set_function(
            lambda: len(self.models.held)
        )
        self.ready = False

    def application(self) -> FastAPI:
        """Return the ASGI application."""
        app = FastAPI(title="Instar", lifespan=self._life, docs_url=None, redoc_url=None, openapi_url=None)
        app.add_middleware(_Gate, server=self)
        app.add_exception_handler(Refused, _refusal)
        app.add_exception_handler(HTTPException, _unrouted)
        app.add_api_route("/healthz", self._healthz, methods=["GET"])
        app.add_api_route("/readyz", self._readyz, methods=["GET"])
        app.add_api_route("/metrics", self._metrics, methods=["GET"])
        app.add_api_route("/openapi.json", self._openapi, methods=["GET"])
        app.add_api_route("/v1/models", self._models, methods=["GET"])
        app.add_api_route("/v1/translate", self._translate, methods=["POST"])
        return app

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        self.worker.start()
        self.ready = True
        yield
        self.ready = False
        await asyncio.to_thread(self.worker.stop)

    def _observed(self, model: str, images: int, seconds: float) -> None:
        self.images.labels(model).inc(images)
        self.batches.observe(images)
        self.computing.labels(model).inc(seconds)

    def check_token(self, headers: Headers, path: str) -> None:
        """Refuse a request without the token, but for the routes by which a server is watched."""
        if self.token is None or path in ("/healthz", "/readyz"):
            return
        given = headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, b"Bearer " + self.token.encode()):
            raise Refused(401, "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})

    async def _healthz(self) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self) -> Response:
        return JSONResponse({"status": "ready"} if self.ready else {"status": "not ready"}, 200 if self.ready else 503)

    async def _metrics(self) -> Response:
        return PlainTextResponse(generate_latest(self.registry), media_type="text/plain; version=0.0.4")

    async def _openapi(self) -> Response:
        models = await asyncio.to_thread(self.models.facts)
        return JSONResponse(described(self.limits, self.token is not None, models))

    async def _models(self) -> Response:
        return JSONResponse({"models": await asyncio.to_thread(self.models.facts)})

    async def _translate(self, request: Request) -> Response:
        began = time.monotonic()
        if len(self.worker) >= self.limits.waiting:
            raise self._busy()  # before a body is read that would be thrown away
        given = await asked(request, self.limits)
        try:
            image, reference = await asyncio.to_thread(self._pictures, given)
        except NoImage as error:
            raise Refused(415, str(error)) from error
        except TooLarge as error:
            raise Refused(413, str(error)) from error
        kind = choice(given.fields, "format", TYPES, "png")
        result = await self._computed(request, self._job(given.fields, image, reference), began)
        content = await asyncio.to_thread(encoded, result, kind)  # type: ignore[arg-type]
        self.latency.observe(time.monotonic() - began)
        return Response(content, media_type=TYPES[kind])

    def _pictures(self, given: Asked) -> tuple[Picture, Picture | None]:
        most = self.limits.megapixels * 1e6
        reference = given.files.get("reference")
        return decoded(given.files.get("image", b""), most), decoded(reference, most) if reference else None

    def _job(self, fields: dict[str, str], image: Picture, reference: Picture | None) -> Job:
        names = list(self.models.paths)
        if "model" not in fields and len(names) > 1:
            raise Refused(400, f"model: say which; there is: {', '.join(names)}")
        model = fields.get("model", names[0])
        if model not in self.models.paths:
            raise Refused(404, f"there is no such model; there is: {', '.join(names)}")
        style = style_in(fields.get("style"))
        if style is not None and reference is not None:
            raise Refused(400, "give a style or a reference, not both")
        return Job(
            model,
            image,
            fields.get("to"),
            number(fields, "size", SMALLEST_SIZE, self.limits.largest_side),
            number(fields, "seed", 0, LARGEST_SEED) or 0,
            style,
            reference,
            lambda _: None,
        )

    async def _computed(self, request: Request, job: Job, began: float) -> Picture:
        """Put a job into the line and wait for it: until it is done, takes too long, or the client is gone."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Picture | Exception] = loop.create_future()

        def tell(result: Picture | Exception) -> None:
            if not future.done():
                future.set_result(result)

        job.done = lambda result: _call(loop, tell, result)
        try:
            self.worker.put(job)
        except Full as error:
            raise self._busy() from error
        try:
            while not future.done():
                left = began + self.limits.timeout - time.monotonic()
                if left <= 0:
                    raise Refused(504, f"not done within {self.limits.timeout:g} s")
                await asyncio.wait({future}, timeout=min(left, 0.25))
                if not future.done() and await request.is_disconnected():
                    raise Refused(499, "the client is gone")
        finally:
            job.given_up = not future.done()
        return _checked(future.result())

    def _busy(self) -> Refused:
        return Refused(503, "too many requests wait; come again later", {"Retry-After": "1"})


class _Gate:
    """Around all routes: asks for the token, turns errors into answers without internals, and counts."""

    def __init__(self, app: Any, server: Server) -> None:
        self.app, self.server = app, server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, statuses = scope["path"], []

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            self.server.check_token(Headers(scope=scope), path)
            await self.app(scope, receive, sending)
        except Refused as error:
            await _answer(error.status, error.why, error.headers)(scope, receive, sending)
        except Exception:
            log.exception("request failed")
            if not statuses:
                await _answer(500, "the server failed; its log says why")(scope, receive, sending)
        known = path if path in ROUTES else "other"
        self.server.requests.labels(known, str(statuses[0] if statuses else 499)).inc()


def _answer(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": why}, status, headers=dict(headers or {}))


async def _refusal(_: Request, error: Any) -> Response:
    return _answer(error.status, error.why, error.headers)


async def _unrouted(_: Request, error: Any) -> Response:
    return _answer(error.status_code, error.detail, error.headers)


def _checked(result: Picture | Exception) -> Picture:
    if not isinstance(result, Exception):
        return result
    if isinstance(result, (UserError, ValueError)):
        raise Refused(422, str(result)) from result
    if isinstance(result, Broken):
        log.error("%s", result)
        raise Refused(500, "this model cannot be loaded; the server's log says why") from result
    raise result


def _call(loop: asyncio.AbstractEventLoop, tell: Callable[[Any], None], result: Any) -> None:
    try:
        loop.call_soon_threadsafe(tell, result)
    except RuntimeError:  # the server was torn down around it
        log.warning("an answer came too late")
