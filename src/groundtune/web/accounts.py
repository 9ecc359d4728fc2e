"""Logging in and out, links for invitations and passwords, and a person's own account.

A link's token is behind the address's #, which browsers keep to themselves: no log has it.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from groundtune.pipeline.annotate import people
from groundtune.pipeline.annotate.passwords import LONGEST
from groundtune.pipeline.annotate.project import Project
from groundtune.records import Record
from groundtune.store.annotations import sessions
from groundtune.web.access import Door, Someone, access_of
from groundtune.web.errors import WebError
from groundtune.web.pages import pages_of
from groundtune.web.people import add_people
from groundtune.web.words import COOKIE

Name = Annotated[str, Field(max_length=200)]
Password = Annotated[str, Field(max_length=LONGEST)]
Token = Annotated[str, Field(max_length=100)]


class Login(Record):
    """A name and a password."""

    name: Name
    password: Password


class OfLink(Record):
    """A link."""

    token: Token


class ByLink(OfLink):
    """What somebody with a link sets; the name for invitations only."""

    name: Name = ""
    password: Password


class NewPassword(Record):
    """A new password, by who knows the old one."""

    old: Password
    new: Password


class SessionEnd(Record):
    """A session to end; "" for all but this one."""

    session: str = Field(default="", max_length=64)


class Language(Record):
    """A language of the interface."""

    language: Literal["en", "de"]


_HASHES_AT_ONCE = 2
"""Each takes 19 MiB and a core; others wait without a thread, which saving needs."""


def add_accounts(app: FastAPI, project: Project, door: Door) -> None:
    """Add the routes; without login, there is only the choice of a language."""
    _add_language(app)
    if door.asks:
        hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        _add_login(app, project, hashing)
        _add_links(app, project, hashing)
        _add_own(app, project, hashing)
        add_people(app, project)


def _add_language(app: FastAPI) -> None:
    def language(request: Request, chosen: Language) -> Response:
        return _answer(request, {}, remember=chosen.language)

    app.post("/api/language", summary="Choose the interface's language")(language)


def _add_login(app: FastAPI, project: Project, hashing: asyncio.Semaphore) -> None:
    def page(request: Request) -> Response:
        if access_of(request).find(request) is not None:
            return RedirectResponse("/", 303)
        return pages_of(request).page(request, None, "login.html")

    async def login(request: Request, body: Login) -> Response:
        async with hashing:
            token = await run_in_threadpool(
                people.log_in,
                project.database,
                body.name,
                body.password,
                address=access_of(request).door.address_of(request),
                agent=agent_of(request),
            )
        return _answer(request, {}, token=token)

    def logout(who: Someone, request: Request) -> Response:
        people.log_out(project.database, who.id, who.session)
        return _answer(request, {}, token="")

    app.get("/login", include_in_schema=False)(page)
    app.post("/api/login", summary="Begin a session")(login)
    app.post("/api/logout", summary="End the session")(logout)


def _add_links(app: FastAPI, project: Project, hashing: asyncio.Semaphore) -> None:
    def page(request: Request) -> HTMLResponse:
        return pages_of(request).page(request, None, "join.html")

    def link(body: OfLink) -> dict[str, Any]:
        view = people.look_at_link(project.database, body.token)
        return {**view.model_dump(), "project": project.name}

    async def join(request: Request, body: ByLink) -> Response:
        async with hashing:
            token = await run_in_threadpool(
                people.use_link,
                project.database,
                body.token,
                body.name,
                body.password,
                agent=agent_of(request),
            )
        return _answer(request, {}, token=token)

    app.get("/join", include_in_schema=False)(page)
    app.post("/api/link", summary="What a link is for")(link)
    app.post("/api/join", summary="Join by an invitation, or set a password by a link")(join)


def _add_own(app: FastAPI, project: Project, hashing: asyncio.Semaphore) -> None:
    def page(who: Someone, request: Request) -> HTMLResponse:
        return pages_of(request).page(request, who, "account.html")

    def account(who: Someone) -> dict[str, Any]:
        with project.database.reading() as connection:
            rows = sessions.sessions_of(connection, who.id)
        session_views = [
            {**each.model_dump(exclude={"person"}), "here": each.id == who.session} for each in rows
        ]
        return {"name": who.name, "role": who.role, "sessions": session_views}

    async def password(who: Someone, request: Request, body: NewPassword) -> dict[str, Any]:
        async with hashing:
            await run_in_threadpool(
                people.change_password,
                project.database,
                who.id,
                body.old,
                body.new,
                session=who.session,
                address=access_of(request).door.address_of(request),
            )
        return {}

    def end(who: Someone, body: SessionEnd) -> dict[str, int]:
        if not body.session:
            number = people.end_sessions(project.database, who.id, who.id, besides=who.session)
            return {"ended": number}
        if not people.end_session(project.database, who.id, body.session):
            raise WebError(404, "no_session", "session")
        return {"ended": 1}

    app.get("/account", include_in_schema=False)(page)
    app.get("/api/account", summary="The person's account and sessions")(account)
    app.post("/api/account/password", summary="Change the password")(password)
    app.post("/api/account/sessions/end", summary="End one of the person's sessions")(end)


def agent_of(request: Request) -> str:
    """What the browser calls itself, without signs that can't be printed."""
    agent = request.headers.get("user-agent", "")[:200]
    return "".join(sign if sign.isprintable() else "?" for sign in agent)


def _answer(
    request: Request,
    content: Mapping[str, Any],
    *,
    token: str | None = None,
    remember: str = "",
) -> Response:
    """JSON, with cookies: a session's token, "" to take it away, or the choice of a language."""
    access = access_of(request)
    response = JSONResponse(dict(content), headers={"cache-control": "no-store"})
    if token:
        access.let_in(response, token)
    elif token is not None:
        access.let_out(response)
    if remember:
        access.remember(response, COOKIE, remember)
    return response
