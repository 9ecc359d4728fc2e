"""What answers behind the server, and what it is asked: the seam to models and upstream servers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from groundtune.protocols import Reply
from groundtune.records import Claim, Prompt, Sampling

Say = Callable[[int, str], None]
"""Takes the next characters of answer i, in order. Called on the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as a model takes it."""

    prompt: Prompt
    sampling: Sampling
    seeds: tuple[int, ...]
    """One for each answer."""
    stops: tuple[str, ...] = ()
    """An answer ends before the first of these."""
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The messages as the client sent them, for an upstream server."""


class Answered(NamedTuple):
    """What came back: one reply a seed."""

    replies: list[Reply]
    prompt_tokens: int
    """0 if it isn't known."""


class Backend(Protocol):
    """A model in this process, or an upstream server."""

    async def answer(self, asked: Asked, say: Say | None = None) -> Answered:
        """The answers; their text goes to `say` as it comes, if there is one. Can be cancelled.

        Raises:
            ApiError: what the client is to be told.
        """
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...


Watch = Callable[[Callable[[], Sequence[str]]], bool]
"""Told after each token how to get the answers' texts so far; where it says False, work ends."""


class Speaker(Protocol):
    """A model in this process; it is called from one thread at a time."""

    def answer(
        self, prompt: Prompt, sampling: Sampling, seeds: Sequence[int], watch: Watch
    ) -> Answered:
        """One reply a seed."""
        ...


class ClaimCheck(Protocol):
    """Divides an answer into claims and checks each of them on the pictures."""

    def __call__(self, prompt: Prompt, answer: str) -> list[Claim]:
        """The claims, with the answer's characters, p(yes), p(no) and status."""
        ...
