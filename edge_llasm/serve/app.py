"""The routes, put together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from edge_llasm import __version__
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.serve.api_errors import ApiError, JsonResponse, translated
from edge_llasm.serve.backend import Backend, backend_of
from edge_llasm.serve.completions import chat_completions
from edge_llasm.serve.description import describe
from edge_llasm.serve.door import Door
from edge_llasm.serve.hangup import ClientGone
from edge_llasm.serve.metrics import Counting
from edge_llasm.serve.realtime import realtime
from edge_llasm.serve.security import Guard
from edge_llasm.serve.static import page_routes
from edge_llasm.serve.transcriptions import transcriptions

__all__ = ["create_app"]

logger = logging.getLogger(__name__)

GONE = 499
"""The status that nobody gets to see"""


def create_app(
    backend: Backend,
    *,
    token: str | None = None,
    hosts: Collection[str] = (),
    door: Door | None = None,
) -> Starlette:
    """An ASGI application; its lifespan loads the model and gives it back.

    `door`: how browsers get in, where a token is demanded.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        backend.decoder.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(backend.decoder.close)

    description = describe(backend, __version__, token=token is not None)

    async def described(request: Request) -> Response:
        return JsonResponse(description)

    routes = [
        Route("/v1/chat/completions", chat_completions, methods=["POST"]),
        Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{name}", model),
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/openapi.json", described),
        *page_routes(),
        *([door.route] if door else []),
    ]
    app = Starlette(
        routes=[*routes, WebSocketRoute("/v1/realtime", realtime)],
        middleware=[
            Middleware(Counting, backend.metrics, frozenset(route.path for route in routes)),
            Middleware(Guard, backend.limits, token, hosts, door),
        ],
        exception_handlers={
            ApiError: _api_error,
            EdgeLlasmError: _our_error,
            HTTPException: _http_error,
            ClientGone: _client_gone,
            500: _bug,
        },
        lifespan=lifespan,
    )
    app.state.backend = backend
    return app


async def models(request: Request) -> Response:
    """The one model there is."""
    return JsonResponse({"object": "list", "data": [_model(backend_of(request))]})


async def model(request: Request) -> Response:
    backend = backend_of(request)
    if request.path_params["name"] not in backend.names:
        raise ApiError(404, f"there is no such model here, only {backend.names[0]}", code="model_not_found")
    return JsonResponse(_model(backend))


async def health(request: Request) -> Response:
    """200 when questions are answered, 503 before and after; whether the model is in memory, or was unloaded."""
    decoder = backend_of(request).decoder
    ready = decoder.state == "ready"
    said = {"status": "ok" if ready else decoder.state, "loaded": ready and not decoder.asleep}
    return JsonResponse(said, 200 if ready else 503)


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    backend = backend_of(request)
    backend.metrics.waiting.set(backend.decoder.queued)
    backend.metrics.recordings_found.set(backend.recordings.found)
    backend.metrics.loaded.set(backend.decoder.state == "ready" and not backend.decoder.asleep)
    if (assistant := backend.decoder.assistant) is not None:
        backend.metrics.chats_kept.set(assistant.llm.shelf.used)
    return Response(backend.metrics.page(), media_type=backend.metrics.content_type)


def _model(backend: Backend) -> dict[str, object]:
    return {
        "id": backend.bundle.name,
        "object": "model",
        "created": backend.started,
        "owned_by": "edge-llasm",
    }


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response


async def _our_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EdgeLlasmError)
    param = "file" if request.url.path.startswith("/v1/audio/") else "messages"
    return translated(error, param).response


async def _http_error(request: Request, error: Exception) -> Response:
    """Of the framework: an unknown path, a wrong method, a broken form."""
    assert isinstance(error, HTTPException)
    return ApiError(error.status_code, error.detail, headers=error.headers).response


async def _client_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=GONE)


async def _bug(request: Request, error: Exception) -> Response:
    logger.error("a request failed", exc_info=error)
    return ApiError(500, "the server failed on this request", kind="server_error").response
