"""The owner's pages: people, invitations, removing a person's data, and the audit trail."""

from collections import Counter
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import Field
from starlette.responses import HTMLResponse

from groundtune.pipeline.annotate import people, removal
from groundtune.pipeline.annotate.project import Project
from groundtune.records import Record
from groundtune.store.annotations import accounts, audit, failures, items, leases, links, sessions
from groundtune.store.annotations.items import Role
from groundtune.web.access import Owner
from groundtune.web.pages import pages_of

LARGEST_ID = 10**15


class Invitation(Record):
    """Whom a link invites."""

    role: Role = "annotator"
    uses: int = Field(default=1, ge=1, le=200)
    """How many people may use it."""
    days: float = Field(default=7, gt=0, le=90)


class NewRole(Record):
    """What a person may do from now on."""

    role: Role


class RemovalWish(Record):
    """How a person's data are to be removed."""

    keep_work: bool
    """Their work stays, under a pseudonym."""


def add_people(app: FastAPI, project: Project) -> None:
    """Add the routes."""
    _add_lists(app, project)
    _add_changes(app, project)
    _add_removal(app, project)


def _add_lists(app: FastAPI, project: Project) -> None:
    def page(who: Owner, request: Request) -> HTMLResponse:
        return pages_of(request).page(request, who, "people.html")

    def trail_page(who: Owner, request: Request) -> HTMLResponse:
        return pages_of(request).page(request, who, "audit.html")

    def everybody(who: Owner) -> dict[str, Any]:
        return people_view(project, who.id)

    def trail(
        _: Owner,
        before: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> dict[str, Any]:
        with project.database.reading() as connection:
            entries = audit.entries(connection, before=before, limit=limit)
            names = items.names_of(connection)
        views = [
            {
                **each.model_dump(exclude={"by", "subject"}),
                "by": names.get(each.by or "", ""),
                "subject": names.get(each.subject or "", ""),
            }
            for each in entries
        ]
        return {"entries": views, "more": len(entries) == limit}

    app.get("/people", include_in_schema=False)(page)
    app.get("/audit", include_in_schema=False)(trail_page)
    app.get("/api/people", summary="People, open links and failed logins")(everybody)
    app.get("/api/audit", summary="The audit trail, the newest first")(trail)


def people_view(project: Project, viewer: str) -> dict[str, Any]:
    """Everybody with what an owner needs to know; the viewer is marked."""
    with project.database.reading() as connection:
        everybody = accounts.accounts(connection)
        finished_counts = leases.done_by_person(connection)
        open_sessions = sessions.sessions_of(connection)
        pending = links.open_links(connection)
        failed = failures.count_failures(connection)
    number = Counter(each.person for each in open_sessions)
    last_seen = {
        each.person: each.seen for each in reversed(open_sessions)
    }  # the last used comes first
    names = {each.id: each.name for each in everybody}
    views = [
        {
            **each.model_dump(),
            "done": finished_counts.get(each.id, 0),
            "sessions": number[each.id],
            "seen": last_seen.get(each.id),
            "you": each.id == viewer,
        }
        for each in everybody
    ]
    open_links = [
        {**each.model_dump(exclude={"person"}), "name": names.get(each.person or "", "")}
        for each in pending
    ]
    return {"people": views, "links": open_links, "failures": failed._asdict()}


def _add_changes(app: FastAPI, project: Project) -> None:
    database = project.database

    def invite(who: Owner, body: Invitation) -> dict[str, str]:
        token = people.invite(database, who.id, body.role, uses=body.uses, days=body.days)
        return {"token": token}

    def withdraw(who: Owner, link: str) -> dict[str, Any]:
        people.withdraw(database, who.id, link)
        return {}

    def password_link(who: Owner, person: str) -> dict[str, str]:
        return {"token": people.password_link(database, who.id, person)}

    def role(who: Owner, person: str, body: NewRole) -> dict[str, Any]:
        people.change_role(database, who.id, person, body.role)
        return {}

    def close(who: Owner, person: str) -> dict[str, Any]:
        people.close_account(database, who.id, person)
        return {}

    def reopen(who: Owner, person: str) -> dict[str, Any]:
        people.reopen_account(database, who.id, person)
        return {}

    app.post("/api/invitations", summary="Make a link that invites")(invite)
    app.post("/api/links/{link}/withdraw", summary="Make a link useless")(withdraw)
    app.post("/api/people/{person}/link", summary="Make a link for a password")(password_link)
    app.post("/api/people/{person}/role", summary="Change a person's role")(role)
    app.post("/api/people/{person}/close", summary="End a person's access")(close)
    app.post("/api/people/{person}/reopen", summary="Give a person access again")(reopen)


def _add_removal(app: FastAPI, project: Project) -> None:
    def data(_: Owner, person: str) -> dict[str, Any]:
        return removal.preview(project.database, person).model_dump()

    def remove(who: Owner, person: str, body: RemovalWish) -> dict[str, Any]:
        result = removal.remove(project.database, who.id, person, keep_work=body.keep_work)
        return result.model_dump()

    app.get("/api/people/{person}/data", summary="What the project has of a person")(data)
    app.post("/api/people/{person}/remove", summary="Delete or pseudonymise")(remove)
