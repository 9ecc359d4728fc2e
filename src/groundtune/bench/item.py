"""The items of a benchmark, and the answers that it scores."""

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
    """Which items to generate."""

    split: str = "development"
    n: int = Field(default=500, ge=1)
    """Number of images."""
    start: int = Field(default=0, ge=0)
    """How many images of the split are passed over, such as those that were looked at before."""
    seed: int = 0
    """Seed of the wordings and of everything else that is random."""


class Item(Record):
    """One question to a model; a prompt that several parts share is answered once."""

    key: str
    """Unique within its benchmark."""
    benchmark: str
    """The benchmark's name, with "/" and the part if it has several."""
    image: str
    """The unit that the bootstrap resamples."""
    prompt: Prompt
    kind: str = ""
    target: str = ""
    strata: dict[str, str] = Field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """One answer to an item, from a file or a model."""

    text: str
    item: str = ""
    """The id of the item that it answers; "" if the layout relies on order."""
    row: int = 0
    """Line or row of its file, from 1, for errors."""
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further columns of its file: question, label, image, category."""
    model: str = ""
    """Name of the model, if known."""
    decoding: str = ""
    """Name of the decoding, if known."""
    thoughts: str = ""
    """The model's reasoning before the answer; not part of `text`."""
    truncated: bool = False
    """Whether it was truncated at `max_new_tokens`."""
