"""What answers behind the server, and what it is asked: the seam to models and upstream servers."""

from collections.abc import Callable, Collection, Sequence
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


Watch = Callable[[Callable[[], Sequence[str]]], Collection[int]]
"""Told after each token how to get the answers' texts so far; says which of them end there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A request that a model in this process answers now, and where that goes."""

    asked: Asked
    watch: Watch
    end: Callable[[Answered], None]
    """Called once, as soon as all its answers are there."""
    fail: Callable[[Exception], None]
    """Called instead where this request, and no other, can't be answered."""


class Speaker(Protocol):
    """A model in this process; it is called from one thread at a time."""

    def answer(self, turns: Sequence[Turn]) -> None:
        """Answers requests whose sampling differs in `max_new_tokens` alone, all together."""
        ...


class ClaimCheck(Protocol):
    """Divides answers into claims and checks each of them on the images."""

    def __call__(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        """Each answer's claims, with its characters, p(yes), p(no) and status."""
        ...
