"""What a judge will cost, before it is asked, and the budget that stops it.

Tokens are counted by rule where the tokenizer isn't known: a quarter of the text's UTF-8 bytes,
rounded up (English has about four bytes per token; other scripts have fewer tokens than this says),
and 4 per message for its frame. What a reply costs at the most follows from the longest reply asked
for. The budget reckons with the worst case instead, a token per byte, so that it is never passed.
"""

import math
import threading
from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError
from groundtune.generate.completion import Completion
from groundtune.records import Record

BYTES_A_TOKEN = 4
MESSAGE_TOKENS = 4
TEMPLATE_TOKENS = 100
"""The most that a chat template adds of its own: a default system text, dates, marks."""


class Price(Record):
    """Money a million tokens, in the currency of the price table."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """What so many tokens cost."""
        return (self.input * tokens_in + self.output * tokens_out) / 1e6


class CostEstimate(Record):
    """What asking will take at the most."""

    requests: int
    tokens_in: int
    tokens_out_most: int
    cost_most: float | None = None
    """None without a price."""

    def in_words(self) -> str:
        """Return it as part of a sentence."""
        price = "" if self.cost_most is None else f", at most {self.cost_most:.4f}"
        return (
            f"{self.requests} requests, about {self.tokens_in:,} tokens and at most "
            f"{self.tokens_out_most:,} of replies{price}"
        )


def count_text(text: str) -> int:
    """Tokens of a text by the rule above."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def count_tokens(request: Request) -> int:
    """Tokens of a request by the rule above."""
    return sum(count_text(text) + MESSAGE_TOKENS for text in _texts(request))


def most_tokens(request: Request) -> int:
    """The most tokens of a request, whatever the tokenizer: one per byte."""
    return sum(len(text.encode()) for text in _texts(request)) + TEMPLATE_TOKENS


def _texts(request: Request) -> list[str]:
    return [text for text in (request.system, request.text) if text]


def estimate_cost(
    requests: Iterable[Request], *, max_tokens: int, price: Price | None
) -> CostEstimate:
    """What these requests take if every reply is as long as it may be."""
    counts = [count_tokens(request) for request in requests]
    tokens_in, tokens_out = sum(counts), max_tokens * len(counts)
    return CostEstimate(
        requests=len(counts),
        tokens_in=tokens_in,
        tokens_out_most=tokens_out,
        cost_most=None if price is None else price.of(tokens_in, tokens_out),
    )


def read_price(path: Path, model: str) -> Price:
    """A model's price from a YAML or JSON table: {model: {input: 2.5, output: 10}}.

    Raises:
        UserError: the table can't be read, or lacks the model.
    """
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            "The price table can't be read.", str(path), "Give a YAML or JSON file."
        ) from error
    if not isinstance(table, dict) or model not in table:
        raise UserError(
            f"The price table has no {model!r}.",
            str(path),
            f"Add `{model}: {{input: PRICE, output: PRICE}}`, for a million tokens each.",
        )
    try:
        return Price.model_validate(table[model])
    except ValidationError as error:
        raise UserError(
            f"The price of {model!r} is not two numbers.",
            str(path),
            f"Write `{model}: {{input: PRICE, output: PRICE}}`, for a million tokens each.",
        ) from error


class Budget:
    """What was spent, what requests in flight may cost, and the cap that both never pass.

    A request in flight is held at its worst case. So is what a failed try may have cost, and a
    reply of which the server doesn't count the tokens. It can be used from several threads.
    """

    def __init__(self, price: Price, max_tokens: int, cap: float = math.inf) -> None:
        self.price = price
        self.max_tokens = max_tokens
        """Of a reply."""
        self.cap = cap
        self.spent = 0.0
        self.held = 0.0
        self._lock = threading.Lock()

    def hold(self, request: Request) -> bool:
        """Hold a request's worst case back; False where the cap doesn't allow it now."""
        most = self._most(request)
        with self._lock:
            if self.spent + self.held + most > self.cap:
                return False
            self.held += most
            return True

    def settle(self, request: Request, found: Completion | None) -> None:
        """A held request has ended, with a reply or without."""
        with self._lock:
            self.held -= self._most(request)
            self.spent += 0.0 if found is None else self._cost(request, found)

    def lose(self, request: Request) -> bool:
        """A try of a held request failed and may have cost its most; whether another may."""
        with self._lock:
            self.spent += self._most(request)
            return self.spent + self.held <= self.cap

    def _most(self, request: Request) -> float:
        return self.price.of(most_tokens(request), self.max_tokens)

    def _cost(self, request: Request, found: Completion) -> float:
        if found.tokens_in is None or found.tokens_out is None:
            return self._most(request)
        return self.price.of(found.tokens_in, found.tokens_out)
