"""Another OpenAI-compatible server behind this one: requests are passed on, replies passed back."""

import asyncio
import logging
import math

from groundtune.generate.client import EndpointClient, EndpointFault
from groundtune.generate.completion import Completion
from groundtune.generate.endpoint import EndpointSettings
from groundtune.generate.endpoint_body import chat_body, with_plain_images
from groundtune.generate.retry import PassingFault
from groundtune.protocols import Reply
from groundtune.serve.backend import Answered, Asked, Say
from groundtune.serve.errors import ApiError

_PASSED = frozenset({400, 413, 415, 422})
"""Refusals that are about the client's request."""

log = logging.getLogger(__name__)


class UpstreamBackend:
    """A `Backend` over the servers of one model; an image's requests go to the same server.

    Nothing is tried again, for a client is waiting; a server that can't be reached is passed over.
    A client that hangs up closes the connection to the server, too.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._client = EndpointClient(settings)

    async def answer(self, asked: Asked, say: Say | None = None) -> Answered:
        """Return the answers, one per seed.

        Raises:
            ApiError: 502 if the server is gone, breaks off or sends what can't be read; its own
                refusal of a bad request; 429 with its Retry-After if it is busy.
        """
        about = (*asked.prompt.images, asked.prompt.key)[0]
        messages = await asyncio.to_thread(with_plain_images, asked.messages)
        n, seed = len(asked.seeds), asked.seeds[0]
        body = chat_body(self._settings, messages, asked.sampling, seed=seed, n=n)
        body |= {"stop": list(asked.stops)} if asked.stops else {}
        try:
            return _answered(await self._client.complete_now(body, about, say))
        except (PassingFault, EndpointFault) as fault:
            log.warning("the upstream server failed: %s", fault.why)
            raise _api_error(fault) from fault

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _answered(found: Completion) -> Answered:
    each, rest = divmod(found.tokens_out or 0, len(found.choices))  # only their sum is known
    replies = [
        Reply(choice.text, each + (rest if i == 0 else 0), choice.finished, choice.thoughts)
        for i, choice in enumerate(found.choices)
    ]
    return Answered(replies, found.tokens_in or 0)


def _api_error(fault: PassingFault | EndpointFault) -> ApiError:
    """What the client may know of it: what a server says of its own faults is not for strangers."""
    if isinstance(fault, PassingFault) and fault.status == 429:
        return ApiError(
            "upstream_busy",
            "The upstream server is busy. Try again later.",
            retry_after_s=min(9999, math.ceil(fault.wait_s or 1)),
        )
    if fault.status in _PASSED:
        message = f"The upstream server refuses this: {fault.why}"
        return ApiError("upstream_refused", message, status=fault.status)
    said = f"failed (HTTP {fault.status})" if fault.status not in (0, 200) else "sent no answer"
    return ApiError("upstream_failed", f"The upstream server {said}.")
