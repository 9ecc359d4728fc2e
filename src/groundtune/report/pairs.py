"""The report of imported pairs: their texts with marked changes, and counts."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

from groundtune.records import Pair, Prompt
from groundtune.report.examples import Example, ExampleAnswer, Examples
from groundtune.report.figures import listed, number, quantity
from groundtune.report.model import (
    UNKNOWN,
    AnswerCount,
    Caveat,
    ModelSpec,
    Note,
    Provenance,
    ReportInput,
    Subject,
)

CHOSEN, REJECTED = "chosen", "rejected"
SHOWN = 30
_LISTED = 20
_LABELS = {REJECTED: "Rejected answer", CHOSEN: "Chosen answer"}


class PairTexts(NamedTuple):
    """What is counted of a pair."""

    chosen: str
    rejected: str
    licence: str


class _Lengths:
    """Counts of one side's texts."""

    def __init__(self) -> None:
        self.answers = self.words = self.longest = self.empty = 0
        self.shortest: int | None = None

    def add(self, text: str) -> None:
        words = len(text.split())
        self.answers += 1
        self.words += words
        self.empty += not words
        self.longest = max(self.longest, words)
        self.shortest = words if self.shortest is None else min(self.shortest, words)

    def count(self, side: str) -> AnswerCount:
        return AnswerCount(
            model=side,
            answers=self.answers,
            words=self.words / max(self.answers, 1),
            words_low=self.shortest or 0,
            words_high=self.longest,
            empty=self.empty,
        )


def pairs_report(
    first: Iterable[Pair],
    pairs: Iterable[PairTexts],
    prompts: Mapping[str, Prompt],
    image: Callable[[str], bytes],
    *,
    title: str,
    rows: int | None = None,
    imported: int | None = None,
    left_out: Mapping[str, int] | None = None,
    skipped: Sequence[str] = (),
    provenance: Provenance = UNKNOWN,
) -> ReportInput:
    """Return the report of imported pairs: counts of all, and the `first` with their images.

    `image` returns an image file's bytes by its sha256. `rows` is the number of rows of the last
    file, `imported` the number of their pairs, `left_out` the number of rows without a pair, by
    reason, and `skipped` lists the bad rows. The pairs are read once.

    Raises:
        UserError: an image is missing.
    """
    lengths = {REJECTED: _Lengths(), CHOSEN: _Lengths()}
    licences: dict[str, None] = {}
    equal = total = 0
    for pair in pairs:
        total += 1
        equal += pair.chosen == pair.rejected
        lengths[REJECTED].add(pair.rejected)
        lengths[CHOSEN].add(pair.chosen)
        licences[pair.licence] = None
    examples = [_example(pair, prompts[pair.prompt], image) for pair in first]
    return ReportInput(
        title=title,
        caveat=Caveat(
            title=f"{quantity(total, 'pair')} came in",
            text=" ".join(
                [
                    *_what_came_in(rows, left_out or {}, skipped),
                    *_about_pairs(total, total if imported is None else imported, equal),
                ]
            ),
            is_verdict=True,
        ),
        models=tuple(ModelSpec(name=name, label=label) for name, label in _LABELS.items()),
        counts=tuple(side_lengths.count(side) for side, side_lengths in lengths.items()),
        examples=Examples(shown=tuple(examples), how=_how(total, len(examples))),
        provenance=provenance,
        subject=Subject(notes=tuple(_notes(list(licences), skipped))),
    )


def _what_came_in(
    rows: int | None, left_out: Mapping[str, int], skipped: Sequence[str]
) -> Iterable[str]:
    if rows is not None:
        parts = [f"{number(count, 0)} left out ({why})" for why, count in left_out.items()]
        parts.append(f"{number(len(skipped), 0)} skipped as bad")
        yield f"The file has {quantity(rows, 'row')}: {listed(parts)}."


def _about_pairs(total: int, imported: int, equal: int) -> Iterable[str]:
    if total > imported:
        yield f"Other imports into this folder gave {quantity(total - imported, 'pair')}."
    if equal:
        yield (f"In {quantity(equal, 'pair')} both answers are equal, so they teach nothing.")
    yield "Words that differ between the two answers of a pair are marked."


def _how(total: int, image_count: int) -> str:
    first = "All" if image_count == total else f"The first {number(image_count, 0)} of"
    return f"{first} {quantity(total, 'pair')}, in the order of the file."


def _notes(licences: Sequence[str], skipped: Sequence[str]) -> Iterable[Note]:
    if skipped:
        more = len(skipped) - _LISTED
        rest = f"; and {number(more, 0)} more in import.json" if more > 0 else ""
        text = "; ".join(entry.rstrip(".") for entry in skipped[:_LISTED])
        yield Note(kind="warning", text=f"Bad rows were skipped: {text}{rest}.")
    known_licences = [entry for entry in licences if entry]
    if known_licences:
        yield Note(kind="licence", text=f"The pairs come with: {listed(known_licences)}.")
    if len(known_licences) < len(licences):
        yield Note(kind="licence", text="Rows without a licence came in: give one with --licence.")


def named_images(pair: Pair) -> list[str]:
    """The names of a pair's images in its file of rows; [] if they have none."""
    paths = cast("list[str | None]", json.loads(pair.source.extra.get("paths", "[]")))
    return [path for path in paths if path]


def _example(pair: Pair, prompt: Prompt, image: Callable[[str], bytes]) -> Example:
    rejected = ExampleAnswer(
        model=REJECTED, text=pair.rejected, spans=pair.rejected_spans, marks="removed"
    )
    chosen = ExampleAnswer(model=CHOSEN, text=pair.chosen, spans=pair.chosen_spans, marks="added")
    return Example(
        images=tuple(image(sha256) for sha256 in prompt.images),
        prompt=prompt.question,
        item=", ".join(filter(None, (pair.source.row, *named_images(pair)))),
        answers=(rejected, chosen),
    )
