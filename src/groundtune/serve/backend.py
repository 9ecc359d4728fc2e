"""The interface between the server and its models or upstream servers."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from groundtune.protocols import Reply
from groundtune.records import Claim, Prompt, Sampling

Say = Callable[[int, str], None]
"""Receives the next characters of answer i, in order. Called on the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """A request in the form that a model answers."""

    prompt: Prompt
    sampling: Sampling
    seeds: tuple[int, ...]
    """One per answer."""
    stops: tuple[str, ...] = ()
    """An answer ends before the first of these texts."""
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The messages as the client sent them, for an upstream server."""


class AnswerResult(NamedTuple):
    """The result of a request: one reply per seed."""

    replies: list[Reply]
    prompt_tokens: int
    """0 if unknown."""


class Backend(Protocol):
    """A model in this process, or an upstream server."""

    async def answer(self, request: AnswerRequest, say: Say | None = None) -> AnswerResult:
        """Return the answers; stream their text to `say`, if given. Can be cancelled.

        Raises:
            ApiError: the error for the client.
        """
        ...

    async def close(self) -> None:
        """Release all resources."""
        ...


Watch = Callable[[Callable[[], Sequence[str]]], Collection[int]]
"""Called after each token with a function for the answers' texts; returns those to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTurn:
    """A request for a model in this process, with callbacks for its result."""

    request: AnswerRequest
    watch: Watch
    end: Callable[[AnswerResult], None]
    """Called once, as soon as all answers are complete."""
    fail: Callable[[Exception], None]
    """Called instead if this request alone can't be answered."""


class Speaker(Protocol):
    """A model in this process; it is called from one thread at a time."""

    def answer(self, turns: Sequence[ModelTurn]) -> None:
        """Answer a batch of requests whose sampling differs only in `max_new_tokens`."""
        ...


class ClaimCheck(Protocol):
    """Divides answers into claims and checks each claim against the images."""

    def __call__(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        """Return each answer's claims, with characters, p(yes), p(no) and status."""
        ...
