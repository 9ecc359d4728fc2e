"""Cost estimates before a judge is asked, and the budget that stops it.

Tokens are estimated without a tokenizer: a quarter of the text's UTF-8 bytes, rounded up (English
has about four bytes per token; other scripts have fewer tokens than this estimate), plus 4 per
message. The maximum cost of a reply follows from `max_tokens`. The budget assumes the worst case of
one token per byte, so it is never exceeded.
"""

import math
import threading
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError
from groundtune.generate.completion import Completion
from groundtune.records import Record
from groundtune.yaml_text import read_yaml

BYTES_A_TOKEN = 4
MESSAGE_TOKENS = 4
TEMPLATE_TOKENS = 100
"""Upper bound of what a chat template adds: a default system text, dates, special tokens."""


class Price(Record):
    """Prices per million tokens, in the currency of the price table."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return the cost of these tokens."""
        return (self.input * tokens_in + self.output * tokens_out) / 1e6


class CostEstimate(Record):
    """Upper bound on tokens and cost of requests."""

    requests: int
    tokens_in: int
    tokens_out_most: int
    cost_most: float | None = None
    """None without a price."""

    def in_words(self) -> str:
        """Return the estimate as part of a sentence."""
        price = "" if self.cost_most is None else f", at most {self.cost_most:.4f}"
        return (
            f"{self.requests} requests, about {self.tokens_in:,} tokens and at most "
            f"{self.tokens_out_most:,} of replies{price}"
        )


def count_text(text: str) -> int:
    """Return the estimated tokens of a text."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def count_tokens(request: Request) -> int:
    """Return the estimated tokens of a request."""
    return sum(count_text(text) + MESSAGE_TOKENS for text in _texts(request))


def most_tokens(request: Request) -> int:
    """Return an upper bound on a request's tokens for any tokenizer: one per byte."""
    return sum(len(text.encode()) for text in _texts(request)) + TEMPLATE_TOKENS


def _texts(request: Request) -> list[str]:
    return [text for text in (request.system, request.text) if text]


def estimate_cost(
    requests: Iterable[Request], *, max_tokens: int, price: Price | None
) -> CostEstimate:
    """Return tokens and cost if every reply has `max_tokens` tokens."""
    counts = [count_tokens(request) for request in requests]
    tokens_in, tokens_out = sum(counts), max_tokens * len(counts)
    return CostEstimate(
        requests=len(counts),
        tokens_in=tokens_in,
        tokens_out_most=tokens_out,
        cost_most=None if price is None else price.of(tokens_in, tokens_out),
    )


def read_price(path: Path, model: str) -> Price:
    """Return a model's price from a YAML or JSON table: {model: {input: 2.5, output: 10}}.

    Raises:
        UserError: the table can't be read, or lacks the model.
    """
    table = read_yaml(path).value
    if not isinstance(table, dict) or model not in table:
        raise UserError(
            f"The price table has no {model!r}.",
            str(path),
            f"Add `{model}: {{input: PRICE, output: PRICE}}`, in price per million tokens.",
        )
    try:
        return Price.model_validate(table[model])
    except ValidationError as error:
        raise UserError(
            f"The price of {model!r} is not two numbers.",
            str(path),
            f"Write `{model}: {{input: PRICE, output: PRICE}}`, in price per million tokens.",
        ) from error


class Budget:
    """Money spent and reserved, and the cap that their sum never exceeds.

    A request in flight is reserved at its worst case. A failed try that may have been charged for,
    and a reply without token counts, cost their worst case. Thread-safe.
    """

    def __init__(self, price: Price, max_tokens: int, cap: float = math.inf) -> None:
        self.price = price
        self.max_tokens = max_tokens
        """Maximum tokens per reply."""
        self.cap = cap
        self.spent = 0.0
        self.reserved = 0.0
        self._lock = threading.Lock()

    def reserve(self, request: Request) -> bool:
        """Reserve a request's worst case; return False if the cap doesn't allow it now."""
        maximum = self._maximum(request)
        with self._lock:
            if self.spent + self.reserved + maximum > self.cap:
                return False
            self.reserved += maximum
            return True

    def settle(self, request: Request, completion: Completion | None) -> None:
        """Replace the reservation of a finished request by its cost; no reply costs nothing."""
        with self._lock:
            self.reserved -= self._maximum(request)
            self.spent += 0.0 if completion is None else self._cost(request, completion)

    def charge_failed_try(self, request: Request) -> bool:
        """Charge a failed try of a request at its worst case; return whether a retry fits."""
        with self._lock:
            self.spent += self._maximum(request)
            return self.spent + self.reserved <= self.cap

    def _maximum(self, request: Request) -> float:
        return self.price.of(most_tokens(request), self.max_tokens)

    def _cost(self, request: Request, completion: Completion) -> float:
        if completion.tokens_in is None or completion.tokens_out is None:
            return self._maximum(request)
        return self.price.of(completion.tokens_in, completion.tokens_out)
