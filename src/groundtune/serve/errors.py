"""Errors in the OpenAI API's form: a status and {"error": {message, type, param, code}}."""

from pydantic import ValidationError

from groundtune.serve.schema import UNSUPPORTED, place_of

STATUS = {
    "invalid_json": 400,
    "missing_required_parameter": 400,
    "unknown_parameter": 400,
    "unsupported_parameter": 400,
    "invalid_value": 400,
    "limit_exceeded": 400,
    "invalid_image_url": 400,
    "invalid_base64": 400,
    "invalid_image": 400,
    "image_too_large": 400,
    "too_many_pixels": 400,
    "not_available": 400,
    "model_refused": 400,
    "upstream_refused": 400,
    "invalid_host": 400,
    "invalid_http": 400,
    "invalid_api_key": 401,
    "wrong_host": 403,
    "not_found": 404,
    "model_not_found": 404,
    "method_not_allowed": 405,
    "header_timeout": 408,
    "body_timeout": 408,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "queue_full": 429,
    "too_many_bytes": 429,
    "upstream_busy": 429,
    "internal_error": 500,
    "model_not_finite": 500,
    "upstream_failed": 502,
    "shutting_down": 503,
    "timeout": 504,
}
"""Each code's status. Each condition has exactly one code; docs/serve-api.md explains them."""

_LONGEST_PLACE = 200
"""Maximum characters of a field's name in an error."""


class ApiError(Exception):
    """A request failed; the client receives this error.

    `code` is one of `STATUS`, `param` names the wrong field of the request. `status` is set only if
    an upstream server chose it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        status: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.status = status or STATUS[code]
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, object]:
        """The response's JSON."""
        types = {401: "authentication_error", 429: "rate_limit_error"}
        usual = "server_error" if self.status >= 500 else "invalid_request_error"
        inside = {"message": self.message, "type": types.get(self.status, usual)}
        return {"error": {**inside, "param": self.param, "code": self.code}}

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
    loc = fault["loc"]
    where = ".".join(place_of(loc))
    if fault["type"] == "extra_forbidden":
        where = ".".join([*place_of(loc[:-1]), str(loc[-1])])[:_LONGEST_PLACE]
    match fault["type"]:
        case "extra_forbidden" if loc[-1] in UNSUPPORTED:
            message = f"{where}: this server does not support such a value. Leave the field out."
            return ApiError("unsupported_parameter", message, param=where)
        case "extra_forbidden":
            return ApiError("unknown_parameter", f"Unknown field: {where}.", param=where)
        case "model_type":
            message = f"{where or 'The body'}: Input should be an object."
            return ApiError("invalid_value", message, param=where or None)
        case "missing":
            return ApiError("missing_required_parameter", f"{where} is missing.", param=where)
        case kind:
            code = "limit_exceeded" if kind == "too_long" else "invalid_value"
            message = f"{where}: {fault['msg']}" if where else fault["msg"]
            return ApiError(code, message, param=where or None)


def internal_error(request_id: str) -> ApiError:
    """Return the error for an internal failure; the log has the reason."""
    message = f"The server failed; its log says why (request {request_id})."
    return ApiError("internal_error", message)


def too_slow(seconds: float) -> ApiError:
    """Return the error for an exceeded time limit."""
    return ApiError("timeout", f"The answer was not ready in {seconds:g} seconds.")
