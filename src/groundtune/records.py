"""The nouns of Groundtune, as frozen records: what every stage reads and writes.

This file knows no file format, no model and no tensor. Each record is one row of a Parquet data set
(`store/`). `key` is the hash of a row's parents and of what produced it (`store/keys.py`); a stage
that starts again does only the keys that are missing. Offsets are characters into the exact text,
half open.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

SpanKind = Literal["object", "attribute", "number", "position", "action", "other"]
"""What is wrong in a span: the kinds that RLHF-V's annotators told apart (arXiv 2312.00849, 3)."""

ClaimStatus = Literal["supported", "rejected", "opinion", "unchecked", "unparsed", "empty"]
"""What became of a claim. "opinion": nothing that an image can decide; "unparsed": the division or
the question could not be read; "empty": the one row of an answer that states nothing at all."""

Verdict = Literal["wrong", "nothing_wrong", "unsure"]
"""What an annotator says of a whole answer: it needs a correction, it needs none, or it can't be
decided from what is shown."""

Side = Literal["first", "second", "tie", "unsure"]
"""Which of two answers; "unsure": it can't be decided from what is shown."""

Key = Annotated[str, Field(min_length=1)]
Offset = Annotated[int, Field(ge=0)]
Rating = Annotated[float, Field(allow_inf_nan=False)]
"""How good an answer is, in any unit: higher is better."""
Severity = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""How bad what is wrong is, in any unit: higher is worse, 0 is nothing."""


class Record(BaseModel):
    """A frozen row; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    RETIRED: ClassVar[dict[str, str]] = {}
    """Columns of earlier versions whose values can't be read any more, and what to do instead."""


class TextPart(Record):
    """Text of a message."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(Record):
    """An image of a message, by the sha256 (hex) of its file's bytes."""

    type: Literal["image"] = "image"
    image: Key


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(Record):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Part, ...]


class Source(Record):
    """Where a row came from, and on which terms it may be used."""

    dataset: str
    split: str = ""
    row: str = ""
    licence: str = ""
    """SPDX identifier or the source's own words; empty if unknown."""
    extra: dict[str, str] = {}
    """Columns of a foreign layout that no other field holds, so that export loses nothing."""

    @property
    def name(self) -> str:
        """What a person calls the row: its image's file, or its place in a file; "" if neither."""
        columns = ("image", "image_path", "images", *([] if self.row else ["file"]))
        path = next((self.extra[column] for column in columns if self.extra.get(column)), "")
        if path or not self.row:
            return path or self.dataset
        if self.row.isdecimal() and self.dataset:
            return f"{self.dataset}, row {self.row}"
        return self.row if re.search(r"\.\w{2,5}$", self.row) else ""


class Prompt(Record):
    """What a model is asked: messages with images, and the facts and options known about them."""

    key: Key
    messages: tuple[Message, ...]
    facts: tuple[str, ...] = ()
    """True statements about the images, for fact-augmented reward models and judges."""
    options: tuple[str, ...] = ()
    """Multiple-choice options, if any."""
    source: Source = Source(dataset="")

    @property
    def images(self) -> tuple[str, ...]:
        """sha256 of each image, in order of appearance."""
        parts = (part for message in self.messages for part in message.content)
        return tuple(part.image for part in parts if isinstance(part, ImagePart))

    @property
    def question(self) -> str:
        """Text of the last user turn, its parts joined by newlines."""
        last = next(m for m in reversed(self.messages) if m.role == "user")
        return "\n".join(part.text for part in last.content if isinstance(part, TextPart))


class Sampling(Record):
    """How answers are drawn. Temperature 0 is greedy decoding."""

    max_new_tokens: int = Field(default=512, ge=1)
    """RLAIF-V's candidate length (arXiv 2405.17220, its code)."""
    temperature: float = Field(default=0.7, ge=0)
    """RLAIF-V's candidates."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    """0 keeps the whole vocabulary."""


class Producer(Record):
    """Who made a row: enough to make it again."""

    kind: Literal["model", "person", "simulated", "rule", "dataset"]
    name: str
    revision: str = ""
    """Hash of the weights, version of the rule, or the hub's revision."""
    prompt_hash: str = ""
    """Hash of the instruction template that was used, if any."""
    sampling: Sampling | None = None
    seed: int | None = None


class Answer(Record):
    """One text that a model gave to a prompt."""

    key: Key
    prompt: Key
    text: str
    producer: Producer
    index: int = 0
    """Which of the n answers to this prompt with these settings, from 0."""
    tokens: int = 0
    """Tokens generated, the end-of-sequence token included."""
    finish: Literal["stop", "length"] = "stop"
    thoughts: str = ""
    """What the model thought before it answered: no part of the answer."""


class Claim(Record):
    """One atomic statement of an answer and what the labeler says of it."""

    key: Key
    answer: Key
    start: Offset
    end: Offset
    text: str
    """The statement, on its own; of an unparsed claim, what could not be read."""
    question: str = ""
    p_yes: float | None = None
    p_no: float | None = None
    status: ClaimStatus = "unchecked"
    kind: SpanKind = "other"
    """What it says of the image; "other" where that isn't told, and for the setting."""
    rests_on: str = ""
    """Key of the claim without which this one makes no sense: the colour of a cup rests on the cup.
    Empty where there is none."""


class Span(Record):
    """Characters [start, end) of a text: what is wrong there and what replaces it.

    An insertion is an empty span with a replacement, a deletion a span with the replacement "".
    """

    start: Offset
    end: Offset
    kind: SpanKind = "other"
    severity: Severity | None = None
    replacement: str | None = None
    """None where it isn't known."""
    by: str = ""
    """Who says so: an annotator, a labeler, or "diff"."""
    label: str = ""
    """The kind's name in the annotators' project or data set, where it has names of its own."""
    note: str = ""
    """The annotator's reason."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"a span ends ({self.end}) before it starts ({self.start})")
        return self


def check_apart(text: str, spans: Sequence[Span]) -> None:
    """Raise ValueError unless the spans are in order, don't overlap, and end within the text."""
    position = 0
    for span in spans:
        if span.start < position or span.end > len(text):
            raise ValueError(f"span [{span.start}, {span.end}) overlaps another or leaves the text")
        position = span.end


class Missing(Record):
    """What an answer should say and doesn't."""

    label: str = ""
    """The kind's name in the annotators' project or data set."""
    note: str = ""
    """What is missing, in the annotator's words."""
    facts: tuple[int, ...] = ()
    """Places in the prompt's `facts`, from 0."""


def _verdict_of(fields: dict[str, Any]) -> Verdict:
    return "wrong" if fields.get("spans") or fields.get("marks") else "nothing_wrong"


class Correction(Record):
    """An answer, what is wrong in it, and the text that the corrections give."""

    key: Key
    prompt: Key
    answer: Key
    text: str
    spans: tuple[Span, ...]
    """Edits: in order, apart, each with a replacement. They turn `text` into `corrected`."""
    corrected: str
    by: Producer
    seconds: float | None = None
    """Active seconds of work."""
    marks: tuple[Span, ...] = ()
    """Spans marked as wrong whose annotators wrote the corrected text freely, not span by span;
    `spans` then comes from a diff. In order and apart, without replacements."""
    missing: tuple[Missing, ...] = ()
    verdict: Verdict = Field(default_factory=_verdict_of)
    """Follows from the spans unless it is given, as in files of earlier versions."""
    note: str = ""
    """A comment on the whole answer."""

    @property
    def wrong(self) -> tuple[Span, ...]:
        """What the annotator marked: the marks, or the edits that don't come from a diff."""
        return self.marks or tuple(span for span in self.spans if span.by != "diff")

    @model_validator(mode="after")
    def _spans_lie_in_the_text(self) -> Self:
        for spans in (self.spans, self.marks):
            check_apart(self.text, spans)
        if self.verdict == "nothing_wrong" and (self.spans or self.marks):
            raise ValueError("the verdict is that nothing is wrong, but the answer was corrected")
        return self


class Comparison(Record):
    """Two answers to one prompt: which is better, and which hallucinates more."""

    key: Key
    prompt: Key
    first: Key
    second: Key
    better: Side
    hallucinates_more: Side | None = None
    """None where the annotator was not asked."""
    by: Producer
    seconds: float | None = None
    """Active seconds of work."""
    first_spans: tuple[Span, ...] = ()
    """What is wrong in the first answer, in order and apart."""
    second_spans: tuple[Span, ...] = ()
    note: str = ""


class Pair(Record):
    """A chosen and a rejected answer to one prompt, with the changed spans of both.

    An answer may have a rating (higher is better), a severity of its errors (higher is worse, at
    least 0), or both.
    """

    RETIRED: ClassVar[dict[str, str]] = dict.fromkeys(
        ("chosen_score", "rejected_score"),
        "Import the data set again, or make the pairs again with groundtune pairs: it isn't "
        "known whether a higher number was better (now *_rating) or worse (now *_severity).",
    )

    key: Key
    prompt: Key
    chosen: str
    rejected: str
    chosen_spans: tuple[Span, ...] = ()
    rejected_spans: tuple[Span, ...] = ()
    chosen_rating: Rating | None = None
    rejected_rating: Rating | None = None
    chosen_severity: Severity | None = None
    rejected_severity: Severity | None = None
    origin: Literal["correction", "claims", "comparison", "rewrite", "reward", "dataset"]
    parents: tuple[Key, ...] = ()
    source: Source = Source(dataset="")


class Score(Record):
    """What a benchmark says of one answer.

    `values` holds what the metrics are computed from (0/1 marks and counts). An answer that can't
    be read has status "unparsed" and no values: it is counted, and never a 0.
    """

    key: Key
    benchmark: str
    item: str
    image: str
    """What the bootstrap resamples: all scores of one image stay together."""
    model: str
    decoding: str = "greedy"
    answer: str = ""
    """The text that was scored."""
    thoughts: str = ""
    """What the model wrote before it and was not scored."""
    values: dict[str, float] = {}
    extracted: tuple[str, ...] = ()
    why: str = ""
    spans: tuple[Span, ...] = ()
    """What is wrong, in the answer's characters."""
    strata: dict[str, str] = {}
    status: Literal["scored", "unparsed"] = "scored"


class Estimate(Record):
    """A metric of a model with its 95% interval; a row of summary.json.

    A metric without a value has no estimate.
    """

    model: str
    benchmark: str
    metric: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    n: int


def is_clear(low: float, high: float, p_holm: float | None) -> bool:
    """Whether a difference with this interval and this corrected p is more than chance."""
    return (low > 0 or high < 0) and (p_holm is None or p_holm <= 0.05)


class Difference(Record):
    """A model's metric minus another's on the same items, and its 95% interval (by image)."""

    model: str
    against: str
    benchmark: str
    metric: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    relative: float | None = None
    """`value` over the other model's value; None where that is 0."""
    relative_low: float | None = None
    relative_high: float | None = None
    n: int
    p: float | None = None
    """Two-sided, of this difference alone; None where it was not tested."""
    p_holm: float | None = None
    """Corrected for the `family` differences that were looked at together (Holm)."""
    family: int = 1
    headline: bool = False
    """Whether it is its benchmark's headline, or what is tested in its place."""
    test: str = ""

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero, and the corrected p, if any, is at most 0.05."""
        return is_clear(self.low, self.high, self.p_holm)
