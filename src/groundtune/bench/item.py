"""What a benchmark asks, and the answers that it scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from groundtune.records import Prompt, Record

Mode = Literal["official", "strict"]
MODES: tuple[Mode, ...] = ("official", "strict")

DECODINGS: dict[str, float] = {"greedy": 0.0, "t1": 1.0}
"""Temperature of each decoding."""


class ItemSelection(Record):
    """Which items."""

    split: str = "development"
    n: int = Field(default=500, ge=1)
    """Images."""
    seed: int = 0
    """Of the wordings and of whatever else is drawn."""


class Item(Record):
    """One question to a model; a prompt that items of several parts share is asked once."""

    key: str
    """Unique within its benchmark."""
    benchmark: str
    """The benchmark's name, with "/" and the part if it has several."""
    image: str
    """What the bootstrap resamples."""
    prompt: Prompt
    kind: str = ""
    target: str = ""
    strata: dict[str, str] = Field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """One answer to an item, from a file or a model."""

    text: str
    item: str = ""
    """The id of the item that it answers; "" where the layout goes by order."""
    row: int = 0
    """Line or row of its file, from 1, for errors."""
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further columns of its file: question, label, image, category."""
    model: str = ""
    """Who gave it, where that is known."""
    decoding: str = ""
    """How it was decoded, where that is known."""
    cut: bool = False
    """Whether it ended at the largest number of new tokens."""
