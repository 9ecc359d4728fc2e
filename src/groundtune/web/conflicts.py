"""The reviewer's queue: items on which people differ, their results next to each other."""

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from groundtune.pipeline.annotate.project import PersonItem, Project
from groundtune.pipeline.annotate.settling import (
    Conflict,
    ConflictTaken,
    conflict_of,
    next_conflict,
    open_conflict,
    take_side,
)
from groundtune.records import Record
from groundtune.store.annotations.conflicts import number_open
from groundtune.web import views
from groundtune.web.access import Reviewer
from groundtune.web.errors import WebError, not_found
from groundtune.web.pages import Screen, pages_of
from groundtune.web.words import language_of, words_of

_TAKEN = {"another": (423, "conflict_held"), "settled": (410, "conflict_settled")}
_SCREEN = Screen("conflicts", ("conflicts",), following="conflicts.following")


class ConflictChoice(Record):
    """Which side a reviewer takes."""

    side: str = Field(max_length=64)
    settled: bool = False
    """Whether the page showed it as settled: only then another reviewer's decision is replaced."""


def add_conflicts(app: FastAPI, project: Project) -> None:
    """Add the page and its API."""

    def page(who: Reviewer, request: Request) -> HTMLResponse:
        pages = pages_of(request)
        return pages.page(request, who, "conflicts.html", task="conflicts", screen=_SCREEN)

    def following(
        who: Reviewer,
        request: Request,
        besides: Annotated[list[str], Query(max_length=50)] = [],  # noqa: B006
    ) -> dict[str, Any]:
        conflict = next_conflict(project, who.id, tuple(besides))
        view = None if conflict is None else _view(project, conflict, request)
        return {"conflict": view, "open": _open(project)}

    def one(who: Reviewer, request: Request, key: str) -> dict[str, Any]:
        view = _view(project, _found(open_conflict(project, who.id, key), key), request)
        return {"conflict": view, "open": _open(project)}

    def take(who: Reviewer, key: str, choice: ConflictChoice) -> dict[str, Any]:
        conflict = _found(conflict_of(project, who.id, key), key)
        try:
            take_side(project, who.id, conflict, choice.side, overrule=choice.settled)
        except ConflictTaken as error:
            status, name = _TAKEN[error.holder]
            raise WebError(status, name, f"item {key}") from error
        except KeyError as error:
            raise WebError(410, "no_side", f"item {key}") from error
        return {"open": _open(project)}

    app.get("/conflicts", include_in_schema=False)(page)
    app.get("/api/conflicts/next", summary="Lease the next conflict")(following)
    app.get("/api/conflicts/{key}", summary="A conflict with people's results")(one)
    app.post("/api/conflicts/{key}", summary="Settle a conflict by taking a side")(take)


def _found(conflict: Conflict | None, key: str) -> Conflict:
    if conflict is None:
        raise not_found("no_item", f"item {key}")
    return conflict


def _open(project: Project) -> int:
    with project.database.reading() as connection:
        return number_open(connection)


def _view(project: Project, conflict: Conflict, request: Request) -> dict[str, Any]:
    """What the page gets: whose a result is, isn't sent."""
    words = words_of(language_of(request.headers.raw))
    own_state = None if conflict.own is None else conflict.own.model_dump(mode="json")
    return {
        "item": views.work_view(project, PersonItem(item=conflict.item, events=())),
        "kinds": [views.kind_view(kind, words) for kind in project.settings.kinds],
        "settled": conflict.settled,
        "held": conflict.holder == "another",
        "own": own_state,
        "sides": [
            {"key": side.key, **side.state.model_dump(mode="json", exclude={"decided"})}
            for side in conflict.sides
        ],
    }
