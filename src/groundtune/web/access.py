"""Who makes a request, and what they may do.

A route says what it needs by the type of a parameter:

    def quality(who: Owner) -> dict[str, Any]: ...

`Someone` is anybody who may use the project, `Reviewer` a reviewer or owner, `Owner` an owner. On
this machine without login, everybody who reaches the app is the one person that the door names.
"""

from contextlib import suppress
from typing import Annotated, Literal, NamedTuple

from fastapi import Depends, Request
from starlette.responses import Response

from groundtune.errors import UserError
from groundtune.pipeline.annotate.project import Project
from groundtune.records import Record
from groundtune.store.annotations import accounts, sessions
from groundtune.store.annotations.items import Role
from groundtune.web.errors import WebError

_COOKIE_S = int(sessions.LONGEST_S)
_CHOICE_S = 400 * 86_400


class Door(Record):
    """How people reach the app."""

    person: str = ""
    """Everyone who reaches the app is this person, without login; "" asks everyone to log in."""
    url: str = ""
    """The address that people use, such as "https://annotate.example.org", behind a proxy."""
    frames: tuple[str, ...] = ()
    """Addresses of sites that may show the app in a frame, such as "https://huggingface.co"."""
    proxies: int = 0
    """How many proxies requests come through, each of which adds to X-Forwarded-For."""

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS only."""
        return bool(self.frames) or self.url.startswith("https:")

    def address_of(self, request: Request) -> str:
        """The client's address. A proxy adds it at the end; what comes before is the client's."""
        hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
        if self.proxies and len(hops) >= self.proxies and hops[-self.proxies].strip():
            return hops[-self.proxies].strip()
        return request.client.host if request.client else ""

    @property
    def asks(self) -> bool:
        """Whether people log in."""
        return not self.person

    @property
    def same_site(self) -> Literal["Lax", "None"]:
        """Of cookies: in a frame of another site the browser sends none that are "Lax"."""
        return "None" if self.frames else "Lax"


class Who(NamedTuple):
    """The person who makes a request."""

    id: str
    name: str
    role: Role
    session: str = ""
    """The session's id; "" without login."""

    @property
    def reviews(self) -> bool:
        """Whether they may see others' work."""
        return self.role in ("reviewer", "owner")


class Access:
    """Finds who makes a request, by the door and the session's cookie."""

    def __init__(self, project: Project, door: Door) -> None:
        self.project = project
        self.door = door
        # Browsers take a cookie of this prefix from the host itself only, not from its neighbours.
        self.cookie = f"{'__Host-' if door.secure else ''}groundtune-{project.id}"
        """The cookie's name: two projects on one machine share neither port nor session."""

    def find(self, request: Request) -> Who | None:
        """The person; None for a stranger."""
        if self.door.person:
            return self._local(self.door.person)
        token = request.cookies.get(self.cookie, "")
        if not token:
            return None
        with self.project.database.one_query() as connection:
            session = sessions.find_session(connection, token)
        if session is None:
            return None
        if session.is_due:
            with suppress(UserError), self.project.database.writing() as connection:
                sessions.renew_session(connection, session.session)  # a locked one, next time
        return Who(session.person, session.name, session.role, session.session)

    def _local(self, person: str) -> Who | None:
        with self.project.database.one_query() as connection:
            account = accounts.account_of(connection, person)
        return None if account is None else Who(account.id, account.name, account.role)

    def let_in(self, response: Response, token: str) -> None:
        """Give the browser a session's token."""
        self._set(response, self.cookie, token, _COOKIE_S)

    def let_out(self, response: Response) -> None:
        """Take the token from the browser."""
        self._set(response, self.cookie, "", 0)

    def remember(self, response: Response, name: str, choice: str) -> None:
        """Keep a choice in the browser, such as the language."""
        self._set(response, name, choice, _CHOICE_S)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        parts = [f"{name}={value}", "Path=/", f"Max-Age={seconds}", "HttpOnly"]
        parts.append(f"SameSite={self.door.same_site}")
        if self.door.secure:
            parts.append("Secure")
        if self.door.frames:
            parts.append("Partitioned")  # a jar of its own per site that shows the frame
        response.headers.append("set-cookie", "; ".join(parts))


def access_of(request: Request) -> Access:
    """The access of the app that a request goes to."""
    return request.app.state.access


def someone(request: Request) -> Who:
    """The person; raises WebError 401 for a stranger."""
    person = access_of(request).find(request)
    if person is None:
        raise WebError(401, "login", request.url.path)
    return person


def reviewer(request: Request) -> Who:
    """A reviewer or owner; raises WebError 403 for others."""
    person = someone(request)
    if not person.reviews:
        raise WebError(403, "role", request.url.path)
    return person


def owner(request: Request) -> Who:
    """An owner; raises WebError 403 for others."""
    person = someone(request)
    if person.role != "owner":
        raise WebError(403, "role", request.url.path)
    return person


Someone = Annotated[Who, Depends(someone)]
Reviewer = Annotated[Who, Depends(reviewer)]
Owner = Annotated[Who, Depends(owner)]
