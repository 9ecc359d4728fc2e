"""Cost estimates before a judge is asked, and the budget that stops it.

Tokens are estimated without a tokenizer: a quarter of the text's UTF-8 bytes, rounded up (English
has about four bytes per token; other scripts have fewer tokens than this estimate), plus 4 per
message. The maximum cost of a reply follows from `max_tokens`. The budget (`budget.py`) assumes the
worst case.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from pydantic import Field, ValidationError

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError
from groundtune.records import Record
from groundtune.yaml_text import read_yaml

BYTES_A_TOKEN = 4
MESSAGE_TOKENS = 4


UNNAMED = "(the price table names no currency)"


class Price(Record):
    """Prices per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    currency: str = ""
    """Empty if the price table names no currency."""

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return the cost of these tokens."""
        return (self.input * tokens_in + self.output * tokens_out) / 1e6

    def in_words(self, amount: float, digits: str = ".4f") -> str:
        """Return an amount with its currency."""
        return f"{amount:{digits}} {self.currency or UNNAMED}"


class CostEstimate(Record):
    """Upper bound on tokens and cost of requests."""

    requests: int
    tokens_in: int
    tokens_out_most: int
    cost_most: float | None = None
    """None without a price."""
    price: Price | None = None

    def in_words(self) -> str:
        """Return the estimate as part of a sentence."""
        price = ""
        if self.cost_most is not None and self.price is not None:
            price = f", at most {self.price.in_words(self.cost_most)}"
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


def count_bytes(request: Request) -> int:
    """Return the bytes of a request's texts, an upper bound on its tokens."""
    return sum(len(text.encode()) for text in _texts(request))


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
        price=price,
    )


def read_price(path: Path, model: str) -> Price:
    """Return a model's price from a YAML or JSON table.

    The table is {currency: USD, model: {input: 2.5, output: 10}}.

    Raises:
        UserError: the table can't be read, or lacks the model.
    """
    content = read_yaml(path).value
    table = cast("dict[object, object]", content) if isinstance(content, dict) else {}
    if model not in table:
        raise UserError(
            f"The price table has no {model!r}.",
            str(path),
            f"Add `{model}: {{input: PRICE, output: PRICE}}`, in price per million tokens.",
        )
    prices, currency = table[model], table.get("currency", "")
    if not isinstance(currency, str):
        raise UserError("The currency is not a name.", str(path), "Write `currency: USD`.")
    try:
        return Price.model_validate(prices).model_copy(update={"currency": currency})
    except ValidationError as error:
        raise UserError(
            f"The price of {model!r} is not two numbers.",
            str(path),
            f"Write `{model}: {{input: PRICE, output: PRICE}}`, in price per million tokens.",
        ) from error
