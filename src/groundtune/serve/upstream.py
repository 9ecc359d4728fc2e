"""Another OpenAI-compatible server behind this one: passes requests on and replies back."""

import asyncio
import logging
import math

from groundtune.generate.client import EndpointClient, EndpointFault
from groundtune.generate.completion import Completion
from groundtune.generate.endpoint import EndpointSettings
from groundtune.generate.endpoint_body import chat_body, with_plain_images
from groundtune.generate.retry import PassingFault
from groundtune.protocols import Reply
from groundtune.serve.backend import AnswerRequest, AnswerResult, Say
from groundtune.serve.errors import ApiError

_PASSED = frozenset({400, 413, 415, 422})
"""Refusals that are about the client's request."""

log = logging.getLogger(__name__)


class UpstreamBackend:
    """A `Backend` over the servers of one model; an image's requests go to the same server.

    There are no retries, because a client is waiting; an unreachable server is skipped. If a client
    disconnects, the connection to the server is closed, too.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._client = EndpointClient(settings)

    async def answer(self, request: AnswerRequest, say: Say | None = None) -> AnswerResult:
        """Return the answers, one per seed.

        Raises:
            ApiError: 502 if the server is unreachable, disconnects or sends an unreadable reply;
                its own refusal of a bad request; 429 with its Retry-After if it is busy.
        """
        about = (*request.prompt.images, request.prompt.key)[0]
        messages = await asyncio.to_thread(with_plain_images, request.messages)
        n, seed = len(request.seeds), request.seeds[0]
        body = chat_body(self._settings, messages, request.sampling, seed=seed, n=n)
        body |= {"stop": list(request.stops)} if request.stops else {}
        try:
            return _result_of(await self._client.complete_now(body, about, say))
        except (PassingFault, EndpointFault) as fault:
            log.warning("the upstream server failed: %s", fault.why)
            raise _api_error(fault) from fault

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _result_of(completion: Completion) -> AnswerResult:
    tokens_per_answer, rest = divmod(
        completion.tokens_out or 0, len(completion.choices)
    )  # only their sum is known
    replies = [
        Reply(
            choice.text,
            tokens_per_answer + (rest if i == 0 else 0),
            choice.finished,
            choice.thoughts,
        )
        for i, choice in enumerate(completion.choices)
    ]
    return AnswerResult(replies, completion.tokens_in or 0)


def _api_error(fault: PassingFault | EndpointFault) -> ApiError:
    """The error for the client, without details of the upstream server's internal errors."""
    if isinstance(fault, PassingFault) and fault.status == 429:
        return ApiError(
            "upstream_busy",
            "The upstream server is busy. Try again later.",
            retry_after_s=min(9999, math.ceil(fault.wait_s or 1)),
        )
    if fault.status in _PASSED:
        message = f"The upstream server refuses this: {fault.why}"
        return ApiError("upstream_refused", message, status=fault.status)
    problem = f"failed (HTTP {fault.status})" if fault.status not in (0, 200) else "sent no answer"
    return ApiError("upstream_failed", f"The upstream server {problem}.")
