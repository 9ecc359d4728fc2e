"""Errors as the page shows them: what, where, and what to do."""

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import JSONResponse

from groundtune.errors import UserError


class WebError(Exception):
    """A request failed; the client receives the status and three lines."""

    def __init__(self, status: int, what: str, where: str, fix: str) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.where = where
        self.fix = fix

    def response(self) -> JSONResponse:
        """The error as JSON."""
        return JSONResponse({"what": self.what, "where": self.where, "fix": self.fix}, self.status)


def from_user_error(error: UserError) -> WebError:
    """Return the error of a project that can't be read or written at the moment."""
    return WebError(503, error.what, error.where, error.fix)


def from_validation(error: ValidationError | RequestValidationError) -> WebError:
    """Return the error for the first fault of a request."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    return WebError(422, f"{fault['msg']}.", place or "body", "Reload the page and try again.")


def not_found(what: str, where: str) -> WebError:
    """Return the error for something that isn't there."""
    return WebError(404, what, where, "Go back to the list of items.")


def our_fault() -> WebError:
    """Return the error for an internal failure."""
    return WebError(
        500,
        "The server failed; its log says why.",
        "server",
        "Try again: what you did is kept on this page until it is saved.",
    )
