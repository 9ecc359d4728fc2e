"""Errors in the OpenAI API's form: a status and {"error": {message, type, param, code}}."""

from pydantic import ValidationError


class ApiError(Exception):
    """A request failed; the client receives this error.

    `param` names the field of the request that is wrong, `code` the error for programs.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, object]:
        """The response's JSON."""
        inside = {"message": self.message, "type": self.type, "param": self.param}
        return {"error": {**inside, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the status."""
        headers: dict[str, str] = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


class HungUp(Exception):
    """The client has closed the connection."""


def bad_body(error: ValidationError) -> ApiError:
    """Return the error for the first fault of a request's body."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = [str(part) for part in fault["loc"]]
    where = ".".join(place)
    if fault["type"] == "json_invalid":
        return ApiError(400, f"The body is not JSON: {fault['msg']}", code="invalid_json")
    if fault["type"] == "extra_forbidden":
        return ApiError(400, f"Unknown field: {where}.", param=where, code="unknown_parameter")
    said = f"{where}: {fault['msg']}" if where else fault["msg"]
    return ApiError(400, said, param=where or None, code="invalid_value")


def failed() -> ApiError:
    """Return the error for an internal failure; the log has the reason."""
    return ApiError(
        500, "The server failed; its log says why.", type="server_error", code="internal_error"
    )


def too_slow(seconds: float) -> ApiError:
    """Return the error for an exceeded time limit."""
    return ApiError(
        504,
        f"The answer was not ready in {seconds:g} seconds.",
        type="server_error",
        code="timeout",
    )
