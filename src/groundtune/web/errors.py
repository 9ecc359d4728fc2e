"""Errors as the page shows them: what, where, and what to do, in the person's language."""

from collections.abc import Iterable

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import JSONResponse

from groundtune.errors import UserError
from groundtune.pipeline.annotate.people import PeopleError
from groundtune.web.words import Catalogue


class WebError(Exception):
    """A request failed; the client receives the status and three lines.

    `name` is an entry of the catalogue's section "errors": `what` and `fix`, with {places} that
    `values` fill.
    """

    def __init__(
        self,
        status: int,
        name: str,
        where: str = "",
        *,
        headers: Iterable[tuple[str, str]] = (),
        **values: object,
    ) -> None:
        super().__init__(name)
        self.status = status
        self.name = name
        self.where = where[:200]
        self.headers = dict(headers)
        self.values = values

    def parts(self, words: Catalogue) -> dict[str, str]:
        """What, where and fix."""
        return {
            "what": words(f"errors.{self.name}.what", **self.values),
            "where": self.where,
            "fix": words(f"errors.{self.name}.fix", **self.values),
        }

    def response(self, words: Catalogue) -> JSONResponse:
        """The error as JSON."""
        return JSONResponse(self.parts(words), self.status, self.headers)


class Unavailable(WebError):
    """A project that can't be read or written at the moment, in the words of the error below."""

    def __init__(self, error: UserError) -> None:
        super().__init__(503, "unavailable")
        self.error = error

    def parts(self, words: Catalogue) -> dict[str, str]:
        """What, where and fix."""
        return self.error.parts()


_STATUS = {"wrong_login": 401, "wait": 429, "no_link": 410, "no_person": 404, "last_owner": 409}


def from_people(error: PeopleError, where: str = "") -> WebError:
    """Return the error for something that can't be done to an account."""
    wait = error.values.get("seconds")
    headers = () if wait is None else (("retry-after", str(wait)),)
    status = _STATUS.get(error.name, 422)
    return WebError(status, error.name, where, headers=headers, **error.values)


def from_validation(error: ValidationError | RequestValidationError) -> WebError:
    """Return the error for the first fault of a request."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    return WebError(422, "unreadable", place or "body", why=fault["msg"])


def not_found(name: str, where: str) -> WebError:
    """Return the error for something that isn't there."""
    return WebError(404, name, where)
