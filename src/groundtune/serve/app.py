"""The routes, over one service; `build_app` is an ASGI application."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from groundtune import __version__
from groundtune.serve.errors import ApiError, internal_error
from groundtune.serve.guard import REQUEST_ID, Guard
from groundtune.serve.response import ChatResponse, RewardResponse, ThumbResponse
from groundtune.serve.schema import ChatRequest, RewardRequest, ThumbRequest
from groundtune.serve.service import Service

log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/chat.js": ("chat.js", "text/javascript; charset=utf-8"),
    "/chat.css": ("chat.css", "text/css; charset=utf-8"),
}
_REF = "#/components/schemas/{model}"


def build_app(service: Service, *, token: str = "") -> Guard:
    """Build the application. With a `token`, every request to /v1 and /metrics must carry it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="Groundtune",
        version=__version__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_api(app, service)
    _add_page(app)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _our_fault)
    app.openapi = lambda: _schema(app)  # pyright: ignore[reportAttributeAccessIssue]
    return Guard(app, token=token, metrics=service.metrics)


def _add_api(app: FastAPI, service: Service) -> None:
    async def chat() -> Response:
        return ChatResponse(service)

    async def reward() -> Response:
        return RewardResponse(service)

    async def thumb() -> Response:
        return ThumbResponse(service)

    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_model(service)]}

    async def model(name: str) -> dict[str, Any]:
        if name != service.model:
            message = f"There is no model {name[:200]!r} here, only {service.model!r}."
            raise ApiError("model_not_found", message, param="model")
        return _model(service)

    async def health() -> dict[str, Any]:
        gate = service.gate
        return {"status": "ok", "running": gate.running, "waiting": gate.waiting}

    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")

    app.post(
        "/v1/chat/completions",
        summary="Answer a conversation",
        openapi_extra=_body(ChatRequest),
    )(chat)
    app.post("/v1/reward", summary="Reward answers", openapi_extra=_body(RewardRequest))(reward)
    app.post("/v1/thumbs", summary="Judge an answer", openapi_extra=_body(ThumbRequest))(thumb)
    app.get("/v1/models", summary="The model")(models)
    app.get("/v1/models/{name:path}", summary="The model by its name")(model)
    app.get("/health", summary="Whether the server is up")(health)
    app.get("/metrics", summary="Counters for Prometheus")(metrics)


def _body(schema: type[BaseModel]) -> dict[str, Any]:
    """Return a route's description of its body, which FastAPI doesn't parse."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=schema.__name__)}}}
    return {"requestBody": {"content": content, "required": True}}


def _add_page(app: FastAPI) -> None:
    for path, (name, kind) in _PAGE.items():
        data = (_STATIC / name).read_bytes()

        app.add_route(path, _file(data, kind), include_in_schema=False)


def _file(data: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return Response(data, headers={"Cache-Control": "no-cache"}, media_type=kind)

    return endpoint


def _model(service: Service) -> dict[str, Any]:
    """The model's entry in the API's list, with its features."""
    return {
        "id": service.model,
        "object": "model",
        "created": service.started,
        "owned_by": "groundtune",
        "self_feedback": service.rewarders is not None,
        "reward": service.rewarder is not None,
        "check": service.check is not None,
        "thumbs": service.thumbs is not None,
    }


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status, headers=error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what the routes refuse: another path, or another method."""
    assert isinstance(error, HTTPException)
    path: str = request.scope["path"]
    code = {404: "not_found", 405: "method_not_allowed"}[error.status_code]
    api_error = ApiError(code, f"{error.detail}: {request.method} {path[:200]}")
    return JSONResponse(api_error.body, api_error.status, headers=dict(error.headers or {}))


async def _our_fault(request: Request, error: Exception) -> Response:
    request_id: str = request.scope[REQUEST_ID]
    log.error("request %s failed", request_id, exc_info=error)
    return JSONResponse(internal_error(request_id).body, 500)


def _schema(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the schemas of the bodies, which FastAPI doesn't parse."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for each in (ChatRequest, RewardRequest, ThumbRequest):
        schema = each.model_json_schema(ref_template=_REF)
        parts: dict[str, Any] = schema.pop("$defs", {})
        schemas |= parts | {each.__name__: schema}
    return document
