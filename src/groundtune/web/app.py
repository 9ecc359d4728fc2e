"""The routes over one project; `build_app` is an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from groundtune import __version__
from groundtune.errors import UserError
from groundtune.pipeline.annotate import scaled
from groundtune.pipeline.annotate.people import PeopleError
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.rates import LiveFigures
from groundtune.records import Record
from groundtune.store.annotations import items, leases
from groundtune.store.annotations.records import Event, Task
from groundtune.web import accounts, pages, views
from groundtune.web.access import Access, Door, Reviewer, Someone, access_of
from groundtune.web.conflicts import add_conflicts
from groundtune.web.errors import Unavailable, WebError, from_people, from_validation, not_found
from groundtune.web.guard import AppGuard
from groundtune.web.jobs import OneJobRoute
from groundtune.web.quality import add_quality
from groundtune.web.tile_routes import FOREVER, SHA256, add_tiles
from groundtune.web.words import language_of, words_of

log = logging.getLogger(__name__)

_STATIC = str(files("groundtune.web").joinpath("static"))

_HANDLED = (
    WebError,
    PeopleError,
    UserError,
    ValidationError,
    RequestValidationError,
    HTTPException,
    Exception,
)


class EventBatch(Record):
    """Events that a client sends together."""

    person: str = Field(default="", max_length=64)
    """Whose they are, if the client knows: somebody else may have logged in meanwhile."""
    events: tuple[Event, ...] = Field(max_length=500)


def build_app(project: Project, door: Door) -> AppGuard:
    """The application over a project."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        yield
        project.close()

    # The interactive documentation loads scripts from elsewhere.
    app = FastAPI(
        title="Groundtune annotate",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.router.route_class = OneJobRoute
    app.state.access = Access(project, door)
    app.state.pages = pages.Pages(project, door)
    _add_work(app, project)
    _add_lists(app, project)
    _add_images(app, project)
    add_tiles(app, project)
    pages.add_pages(app, project)
    add_conflicts(app, project)
    add_quality(app, project)
    accounts.add_accounts(app, project, door)
    app.get("/strings.js", include_in_schema=False)(strings)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    _add_errors(app)
    return AppGuard(app, door)


def strings(request: Request) -> Response:
    """The catalogue of the person's language, for scripts."""
    words = words_of(language_of(request.headers.raw))
    headers = {"cache-control": "private, no-cache", "vary": "Accept-Language, Cookie"}
    headers["etag"] = f'"{words.version}"'
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(words.script, media_type="text/javascript", headers=headers)


def _add_work(app: FastAPI, project: Project) -> None:
    def next_work(
        who: Someone,
        task: Task,
        besides: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
    ) -> dict[str, Any]:
        work = project.next_work(who.id, task, besides=tuple(besides))
        return {"work": None if work is None else views.work_view(project, work)}

    def work(who: Someone, key: str) -> dict[str, Any]:
        person_item = project.work(who.id, key)
        if person_item is None:
            raise not_found("no_item", f"item {key}")
        with project.database.reading() as connection:
            if not who.reviews and not leases.is_open_to(connection, who.id, key):
                raise WebError(403, "taken", f"item {key}")
        return {"work": views.work_view(project, person_item)}

    def record(who: Someone, batch: EventBatch) -> dict[str, Any]:
        if batch.person not in ("", who.id):
            raise WebError(409, "other_person", f"person {batch.person}", logged_in=who.name)
        return project.record(who.id, batch.events).model_dump()

    app.get("/api/next", summary="Lease the next item")(next_work)
    app.get("/api/items/{key}", summary="An item with the person's events")(work)
    app.post("/api/events", summary="Store events, each id once")(record)


def _add_lists(app: FastAPI, project: Project) -> None:
    def overview(who: Someone, request: Request) -> dict[str, Any]:
        with project.database.reading() as connection:
            counts = items.counts_of(connection, who.id)
        words = words_of(language_of(request.headers.raw))
        return views.project_view(project, who.id, counts, words)

    def lines(
        who: Someone,
        words: Annotated[str, Query(max_length=200)] = "",
        state: items.State | None = None,
        task: Task | None = None,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> dict[str, Any]:
        with project.database.reading() as connection:
            page, total = items.list_items(
                connection,
                who.id,
                words=words,
                state=state or "",
                task=task or "",
                only_open=not who.reviews,
                offset=offset,
            )
        return {"items": [line.model_dump() for line in page], "total": total}

    live, one_at_a_time = LiveFigures(project), asyncio.Lock()

    async def figures(_: Reviewer) -> dict[str, Any]:
        async with one_at_a_time:  # others wait without a thread, which saving needs
            now = await run_in_threadpool(live.now)
        return {
            "models": [each.model_dump() for each in now.models],
            "suggestions": now.suggestions.model_dump() if now.suggestions.any else None,
        }

    app.get("/api/figures", summary="Rates of evaluated models, and counts of suggestions")(figures)
    app.get("/api/project", summary="The project's settings and counts")(overview)
    app.get("/api/items", summary="Items, searched and filtered")(lines)


def _add_images(app: FastAPI, project: Project) -> None:
    def image(_: Someone, sha256: Annotated[str, Path(pattern=SHA256)], width: int = 0) -> Response:
        if width and width not in scaled.WIDTHS:
            widths = ", ".join(map(str, scaled.WIDTHS))
            raise WebError(404, "no_width", f"width {width}", widths=widths)
        if not project.images.path(sha256).is_file():
            raise not_found("no_image", f"image {sha256}")
        copies = project.scaled
        copy = copies.of_width(sha256, width) if width else copies.whole(sha256)
        data, media_type = copy
        return Response(data, media_type=media_type, headers=FOREVER)

    app.get("/images/{sha256}", summary="An image, whole or scaled")(image)


def _add_errors(app: FastAPI) -> None:
    def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            error = _refusal(request) or error
        web_error = _web_error(request, error)
        if "text/html" not in request.headers.get("accept", ""):
            return web_error.response(words_of(language_of(request.headers.raw)))
        if web_error.status == 401:
            return RedirectResponse(pages.login_address(request), 303)
        return pages.pages_of(request).trouble(request, web_error)

    for kind in _HANDLED:
        app.add_exception_handler(kind, answer)


def _refusal(request: Request) -> Exception | None:
    """Why the person may not make a request at all, which comes before what is wrong with it."""
    route = request.scope.get("route")
    try:
        if isinstance(route, OneJobRoute):
            route.admit(request)
    except (WebError, UserError) as error:
        return error
    return None


def _web_error(request: Request, error: Exception) -> WebError:
    if isinstance(error, WebError):
        return error
    if isinstance(error, PeopleError):
        return from_people(error, request.url.path)
    if isinstance(error, UserError):
        if not access_of(request).door.asks:
            return Unavailable(error)
        log.error("%s", error)  # it names folders and servers, which is nothing for strangers
        return WebError(503, "unavailable", request.url.path)
    if isinstance(error, ValidationError | RequestValidationError):
        return from_validation(error)
    if isinstance(error, HTTPException):
        where = f"{request.method} {request.url.path}"
        code = {404: "no_page", 405: "no_method"}.get(error.status_code, "refused")
        return WebError(error.status_code, code, where, why=error.detail)
    log.error("request failed", exc_info=error)
    return WebError(500, "our_fault", "server")
