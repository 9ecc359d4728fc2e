"""The retry policy of requests to endpoints: which faults to retry, how long to wait, how often.

tenacity counts the tries and sleeps. Groundtune decides which faults are transient, and how far to
obey a server's Retry-After.
"""

import logging
import re
import time
from email.utils import parsedate_to_datetime

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from groundtune.generate.endpoint import EndpointLimits

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may succeed; all from 500 on may."""

log = logging.getLogger(__name__)


class PassingFault(Exception):
    """A request failed in a way that a retry may fix."""

    def __init__(
        self,
        why: str,
        *,
        url: str = "",
        status: int = 0,
        wait_s: float | None = None,
        billed: bool = False,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.url = url
        """The base URL of the server; empty where none was reached."""
        self.status = status
        """Of the response, 0 without one."""
        self.wait_s = wait_s
        """What the server asks for with Retry-After; None if it doesn't."""
        self.billed = billed
        """Whether the server may have done the work, and charged for it."""


def may_pass(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in PASSING or status >= 500


def retrying(settings: EndpointLimits) -> AsyncRetrying:
    """Retry a call that raises `PassingFault`; raise the last one after `settings.tries`.

    Waits double from `first_wait_s` to `longest_wait_s`, with a jitter of up to `first_wait_s`, so
    that requests that failed together are not repeated together. A longer Retry-After is obeyed, up
    to `longest_wait_s`.
    """
    first_s = settings.first_wait_s
    growing = wait_exponential(first_s, settings.longest_wait_s) + wait_random(0, first_s)

    def wait(state: RetryCallState) -> float:
        requested = _fault(state).wait_s or 0.0
        return min(settings.longest_wait_s, max(growing(state), requested))

    return AsyncRetrying(
        retry=retry_if_exception_type(PassingFault),
        stop=stop_after_attempt(settings.tries),
        wait=wait,
        before_sleep=_note,
        reraise=True,
    )


def retry_after_s(header: str) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date."""
    text = header.strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _fault(state: RetryCallState) -> PassingFault:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, PassingFault)
    return error


def _note(state: RetryCallState) -> None:
    why, wait_s = _fault(state).why, state.upcoming_sleep
    log.info("try %d failed, the next in %.1f s: %s", state.attempt_number, wait_s, why)
