"""The nouns of Groundtune, as frozen records: what every stage reads and writes.

This file depends on no file format, model or tensor. Each record is one row of a Parquet data set
(`store/`). `key` is the hash of a row's parents and of what produced it (`store/keys.py`); a stage
that starts again computes only the missing keys. Offsets are half-open ranges of characters of the
exact text.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

SpanKind = Literal["object", "attribute", "number", "position", "action", "other"]
"""What is wrong in a span: the kinds of RLHF-V's annotators (arXiv 2312.00849, section 3)."""

ClaimStatus = Literal["supported", "rejected", "opinion", "unchecked", "unparsed", "empty"]
"""Outcome of a claim's check. "opinion": an image can't decide it; "unparsed": the division or the
question could not be read; "empty": the only row of an answer without statements."""

Verdict = Literal["wrong", "nothing_wrong", "unsure"]
"""Whether an answer needs a correction, by an annotator; "unsure": the images can't decide it."""

Side = Literal["first", "second", "tie", "unsure"]
"""Which of two answers; "unsure": the images can't decide it."""

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
    """Where a row came from, and its licence."""

    dataset: str
    split: str = ""
    row: str = ""
    licence: str = ""
    """SPDX identifier or the source's own words; empty if unknown."""
    extra: dict[str, str] = {}
    """Columns of a foreign layout that no other field holds, so that export loses nothing."""

    @property
    def name(self) -> str:
        """A readable name of the row: its image file, or its position in a data set; else ""."""
        columns = ("image", "image_path", "images", *([] if self.row else ["file"]))
        path = next((self.extra[column] for column in columns if self.extra.get(column)), "")
        if path or not self.row:
            return path or self.dataset
        if self.row.isdecimal() and self.dataset:
            return f"{self.dataset}, row {self.row}"
        return self.row if re.search(r"\.\w{2,5}(#page=[\d-]+)?$", self.row) else ""


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
    """Sampling settings of answers. Temperature 0 is greedy decoding."""

    model_config = ConfigDict(revalidate_instances="subclass-instances")  # equal when read again
    max_new_tokens: int = Field(default=512, ge=1)
    """RLAIF-V's candidate length (arXiv 2405.17220, its code)."""
    temperature: float = Field(default=0.7, ge=0)
    """RLAIF-V's candidates."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample from the likeliest tokens whose probabilities sum to this; 1 keeps all."""
    top_k: int = Field(default=0, ge=0)
    """0 keeps the whole vocabulary."""


class Producer(Record):
    """Who produced a row, with what is needed to reproduce it."""

    kind: Literal["model", "person", "simulated", "rule", "dataset"]
    name: str
    revision: str = ""
    """Hash of the weights, version of the rule, or the hub's revision."""
    prompt_hash: str = ""
    """Hash of the instruction template that was used, if any."""
    sampling: Sampling | None = None
    seed: int | None = None


class Answer(Record):
    """One text that a model generated for a prompt."""

    key: Key
    prompt: Key
    text: str
    producer: Producer
    index: int = 0
    """Which of the n answers to this prompt with these settings, from 0."""
    tokens: int = 0
    """Generated tokens, including the end-of-sequence token."""
    finish: Literal["stop", "length"] = "stop"
    thoughts: str = ""
    """The model's reasoning before the answer; not part of the answer."""


class Claim(Record):
    """One atomic statement of an answer, with the labeler's verdict."""

    key: Key
    answer: Key
    start: Offset
    end: Offset
    text: str
    """The statement as a sentence that makes sense alone; for an unparsed claim, the text that
    could not be read."""
    question: str = ""
    p_yes: float | None = None
    p_no: float | None = None
    status: ClaimStatus = "unchecked"
    kind: SpanKind = "other"
    """What the claim is about; "other" if unknown, and for statements about the setting."""
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
    """None if unknown."""
    by: str = ""
    """Who marked it: an annotator, a labeler, or "diff"."""
    label: str = ""
    """The kind's name in a project or data set that has custom names."""
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
    """Something that an answer omits and should mention."""

    label: str = ""
    """The kind's name in the project or data set."""
    note: str = ""
    """What is missing, in the annotator's words."""
    facts: tuple[int, ...] = ()
    """Indices into the prompt's `facts`."""


def _verdict_of(fields: dict[str, Any]) -> Verdict:
    return "wrong" if fields.get("spans") or fields.get("marks") else "nothing_wrong"


class Correction(Record):
    """An answer, the spans that are wrong in it, and the corrected text."""

    key: Key
    prompt: Key
    answer: Key
    text: str
    spans: tuple[Span, ...]
    """Edits that turn `text` into `corrected`: in order, not overlapping, each with a
    replacement."""
    corrected: str
    by: Producer
    seconds: float | None = None
    """Active seconds of work."""
    marks: tuple[Span, ...] = ()
    """Spans that the annotator marked as wrong without a replacement, in order and not overlapping.
    The annotator then wrote the corrected text freely, and `spans` comes from a diff."""
    missing: tuple[Missing, ...] = ()
    verdict: Verdict = Field(default_factory=_verdict_of)
    """Follows from the spans if absent, as in files of earlier versions."""
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
    """None if the annotator was not asked."""
    by: Producer
    seconds: float | None = None
    """Active seconds of work."""
    first_spans: tuple[Span, ...] = ()
    """Errors in the first answer, in order and not overlapping."""
    second_spans: tuple[Span, ...] = ()
    note: str = ""


class Thumb(Record):
    """What one person says of one answer alone: good, or not."""

    key: Key
    prompt: Key
    answer: Key
    text: str
    good: bool
    by: Producer
    note: str = ""


class Pair(Record):
    """A chosen and a rejected answer to one prompt, with the changed spans of both.

    An answer may have a rating (higher is better), a severity of its errors (higher is worse, at
    least 0), or both.
    """

    RETIRED: ClassVar[dict[str, str]] = dict.fromkeys(
        ("chosen_score", "rejected_score"),
        "Import the data set again, or build the pairs again with groundtune pairs: it is "
        "unknown whether a higher number was better (now *_rating) or worse (now *_severity).",
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
    origin: Literal["correction", "claims", "comparison", "rewrite", "reward", "thumb", "dataset"]
    parents: tuple[Key, ...] = ()
    source: Source = Source(dataset="")


class Score(Record):
    """A benchmark's result for one answer.

    `values` holds the inputs of the metrics (0/1 marks and counts). An answer that can't be read
    has status "unparsed" and no values: it is counted, and is never a 0.
    """

    key: Key
    benchmark: str
    item: str
    image: str
    """The bootstrap's unit of resampling: all scores of one image stay together."""
    model: str
    decoding: str = "greedy"
    answer: str = ""
    """The text that was scored."""
    thoughts: str = ""
    """The model's reasoning before the answer, which is not scored."""
    values: dict[str, float] = {}
    extracted: tuple[str, ...] = ()
    why: str = ""
    spans: tuple[Span, ...] = ()
    """Errors, as characters of the answer."""
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
    """Return whether the interval excludes zero, and the corrected p, if any, is <= 0.05."""
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
    """Two-sided p-value of this difference alone; None if it was not tested."""
    p_holm: float | None = None
    """Holm-corrected for the `family` differences that were tested together."""
    family: int = 1
    headline: bool = False
    """Whether it is its benchmark's headline metric, or the metric that is tested instead."""
    test: str = ""

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero, and the corrected p, if any, is at most 0.05."""
        return is_clear(self.low, self.high, self.p_holm)
