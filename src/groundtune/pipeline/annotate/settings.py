"""What a project's owner sets: kinds, blindness, leases."""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundtune.feedback.asking_order import AskingOrder
from groundtune.recipe_loading import Settings
from groundtune.records import Record, SpanKind


class Kind(Record):
    """A kind of error by the project's own name, and which of the six it counts as."""

    name: str = Field(min_length=1, max_length=100)
    counts_as: SpanKind
    hint: str = ""
    """A line for annotators."""


KINDS = (
    Kind(name="object", counts_as="object", hint="Something that isn't in the image"),
    Kind(name="attribute", counts_as="attribute", hint="Colour, material, state, text"),
    Kind(name="number", counts_as="number", hint="How many"),
    Kind(name="position", counts_as="position", hint="Where it is, or where from here"),
    Kind(name="action", counts_as="action", hint="What someone does"),
    Kind(name="other", counts_as="other", hint="Anything else that is wrong"),
)
"""RLHF-V's kinds (arXiv 2312.00849, section 3)."""


class ProjectSettings(Settings):
    """A project's settings; they stay in its database."""

    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1, max_length=9)
    """In the order of their number keys."""
    blind: bool = False
    """Never show suggestions, so that people's marks can measure the machine that makes them."""
    planted: float = Field(default=0, ge=0, le=1)
    """Share of answers that get a wrong suggestion on purpose, to count how often it is accepted.
    None in a blind project, and only where a machine makes suggestions."""
    guidelines: Literal["photos", "documents", "reports"] = "photos"
    """Which of the shipped guidelines are shown; guidelines.md in the folder replaces them."""
    severity: bool = False
    """Ask how bad each error is: 1 minor, 2 major, 3 dangerous."""
    people_per_item: int = Field(default=1, ge=1)
    """How many people judge each item."""
    overlap: float = Field(default=0, ge=0, le=1)
    """Share of the items that one person more judges, to measure how far people agree. Like
    `people_per_item`, it holds for items that are added afterwards."""
    conflict_below: float = Field(default=0.5, ge=0, le=1)
    """Items on which people's results are less alike than this, 0 to 1, go to reviewers: alike are
    characters that both mark and for which both write the same, and equal choices. 1 takes all
    that differ, 0 none."""
    min_agreement: float = Field(default=0, ge=0, le=1)
    """Pairs and exports are refused where two people's agreement (alpha) is lower; 0 never."""
    min_gold: float = Field(default=0, ge=0, le=1)
    """Pairs and exports are refused where people get fewer known results right; 0 never."""
    gold: float = Field(default=0.05, ge=0, le=1)
    """Share of a person's items whose result is known, if the project has such items (--gold). It
    holds from the first items on; their places and their order are drawn for each person."""
    order: AskingOrder = "added"
    """In which order items that are added afterwards are asked. "uncertain" prefers those about
    whose claims a labeler is least sure, "suspected" those in which it thinks most is wrong, both
    mixed over images. Evaluations are always mixed."""
    lease_minutes: float = Field(default=30, gt=0)
    """How long an item stays with a person who doesn't touch it."""
    hourly_rate: float = Field(default=0, ge=0)
    """What an hour of an annotator costs, for the costs on the quality page."""
    currency: str = Field(default="", max_length=8)
    """What the rate is in, such as "EUR"."""
    seed: int = 0
    """Which answer of a comparison is A, in which order answers are asked, and which are for more
    people, are gold, or get a planted suggestion."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [kind.name for kind in self.kinds]
        if len(set(names)) < len(names):
            raise ValueError("two kinds have the same name")
        return self
