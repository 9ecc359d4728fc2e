"""Who asks a judge: what an endpoint's and a local model's asker have in common."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOutput:
    """A judge's reply as it was given."""

    text: str
    model: str
    """As the server names it."""
    finish: str
    """Why it ended: "stop", "length"."""
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request has no reply."""

    why: str


Outcome = JudgeOutput | Failure | UserError
"""What became of a request; a UserError is about all of them and ends the run."""


class Asker(Protocol):
    """Asks one judge, and keeps nothing."""

    model: str
    """As it is asked for: goes into the keys of kept replies."""
    where: str
    """Where it is, for errors."""

    @property
    def spent(self) -> float:
        """What the replies cost so far; 0 without a price."""
        ...

    def parameters(self) -> dict[str, float | str]:
        """What a reply depends on besides the request and the model."""
        ...

    def described(self) -> dict[str, str]:
        """The judge for the report; no secret is in it."""
        ...

    def planned(self, requests: Mapping[str, Request]) -> str:
        """What asking for these will take at the most, in words."""
        ...

    def ask(
        self, requests: Mapping[str, Request], repeat: int, stop: Callable[[], bool]
    ) -> Generator[tuple[str, Outcome]]:
        """Yield each request's outcome by its key, as they come.

        Once `stop` says so no more are sent, but those in flight are waited for.
        """
        ...
