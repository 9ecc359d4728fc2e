"""What a judge will cost, before it is asked, and the cap that stops it.

Tokens are counted by rule where the tokenizer isn't known: a quarter of the text's UTF-8 bytes,
rounded up (English has about four bytes a token; other scripts have fewer tokens than this says),
4 a message for its frame, and 765 a picture (OpenAI's count for a picture of 1024 x 1024 in high
detail). What a reply costs at the most follows from the longest reply asked for. When the server
tells how many tokens it counted, that is what the cap is held against.
"""

from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from groundtune.bench.judge.judge import Request
from groundtune.errors import UserError
from groundtune.records import Record

BYTES_A_TOKEN = 4
MESSAGE_TOKENS = 4
PICTURE_TOKENS = 765


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
    """Without those whose replies are kept already."""
    kept: int
    tokens_in: int
    tokens_out_most: int
    cost_most: float | None = None
    """None without a price."""


def count_tokens(request: Request) -> int:
    """Tokens of a request by the rule above."""
    texts = [text for text in (request.system, request.text) if text]
    length = sum(-(-len(text.encode()) // BYTES_A_TOKEN) + MESSAGE_TOKENS for text in texts)
    return length + PICTURE_TOKENS * len(request.pictures)


def estimate_cost(
    requests: Iterable[Request], *, max_tokens: int, price: Price | None, kept: int = 0
) -> CostEstimate:
    """What these requests take if every reply is as long as it may be."""
    counts = [count_tokens(request) for request in requests]
    tokens_in, tokens_out = sum(counts), max_tokens * len(counts)
    return CostEstimate(
        requests=len(counts),
        kept=kept,
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
    """What may still be spent. What is in flight is held back at its highest price."""

    def __init__(self, cap: float, price: Price) -> None:
        self.cap = cap
        self.price = price
        self.spent = 0.0
        self.held = 0.0

    def hold(self, most: float) -> bool:
        """Holds this much back for a request; False where the cap doesn't allow it now."""
        if self.spent + self.held + most > self.cap:
            return False
        self.held += most
        return True

    def settle(self, most: float, spent: float) -> None:
        """A request that was held back has ended, and cost this much."""
        self.held -= most
        self.spent += spent
