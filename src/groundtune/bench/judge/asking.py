"""The interface to ask a judge, for endpoints and local models."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOutput:
    """A judge's unprocessed reply."""

    text: str
    model: str
    """The name that the server reports."""
    finish: str
    """Finish reason: "stop", "length"."""
    thoughts: str = ""
    """The judge's reasoning before the reply; not part of `text`."""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request has no reply."""

    why: str


Outcome = JudgeOutput | Failure | UserError
"""Result of a request; a UserError affects all requests and ends the run."""


class DryRun(Exception):
    """The end of a dry run: nothing was sent. Not an error."""

    def __init__(self, plan: str, where: str) -> None:
        super().__init__(plan)
        self.plan = plan
        """What a run would send."""
        self.where = where


class Asker(Protocol):
    """Sends requests to one judge, without a cache."""

    model: str
    """The requested name; part of the keys of cached replies."""
    where: str
    """Where the judge is, for errors."""

    @property
    def cost(self) -> str:
        """The cost of the replies so far, with its currency; empty without a price."""
        ...

    def parameters(self) -> dict[str, float | str]:
        """Return what a reply depends on besides request and model."""
        ...

    def describe(self) -> dict[str, str]:
        """Return the judge's description for the report, without secrets."""
        ...

    def plan(self, requests: Mapping[str, Request]) -> str:
        """Return an upper bound on the work for these requests, as text."""
        ...

    def ask(
        self, requests: Mapping[str, Request], repeat: int, stop: Callable[[], bool]
    ) -> Generator[tuple[str, Outcome]]:
        """Yield each request's key and outcome, in order of completion.

        Once `stop` returns true, no more are sent; those in flight are awaited.
        """
        ...
