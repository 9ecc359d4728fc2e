"""The report of pairs that came in from a file: their texts with the changes marked, and counts."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from groundtune.records import Pair, Prompt
from groundtune.report.examples import Example, ExampleAnswer, Examples
from groundtune.report.figures import listed, number
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
_SHOWN = 30
_LISTED = 20
_LABELS = {REJECTED: "Rejected answer", CHOSEN: "Chosen answer"}


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
    pairs: Iterable[Pair],
    prompts: Mapping[str, Prompt],
    image: Callable[[str], bytes],
    *,
    title: str,
    rows: int | None = None,
    left_out: Mapping[str, int] | None = None,
    skipped: Sequence[str] = (),
    provenance: Provenance = UNKNOWN,
    shown: int = _SHOWN,
) -> ReportInput:
    """Return the report of pairs that came in, the first `shown` of them with their images.

    `image` gives an image file's bytes by its sha256. `rows` is how many rows the file had,
    `left_out` of how many of them no pair was made, by reason, and `skipped` lists the bad rows.
    The pairs are read once, one after another.

    Raises:
        UserError: an image is missing.
    """
    lengths = {REJECTED: _Lengths(), CHOSEN: _Lengths()}
    licences: dict[str, None] = {}
    examples: list[Example] = []
    equal = total = 0
    for pair in pairs:
        total += 1
        equal += pair.chosen == pair.rejected
        lengths[REJECTED].add(pair.rejected)
        lengths[CHOSEN].add(pair.chosen)
        licences[pair.source.licence] = None
        if len(examples) < shown:
            examples.append(_example(pair, prompts[pair.prompt], image))
    return ReportInput(
        title=title,
        caveat=Caveat(
            title=f"{number(total, 0)} {'pair' if total == 1 else 'pairs'} came in",
            text=_what_came_in(rows, left_out or {}, skipped, equal),
            is_verdict=True,
        ),
        models=tuple(ModelSpec(name=name, label=label) for name, label in _LABELS.items()),
        counts=tuple(each.count(side) for side, each in lengths.items()),
        examples=Examples(shown=tuple(examples), how=_how(total, len(examples))),
        provenance=provenance,
        subject=Subject(notes=tuple(_notes(list(licences), skipped))),
    )


def _what_came_in(
    rows: int | None, left_out: Mapping[str, int], skipped: Sequence[str], equal: int
) -> str:
    sentences: list[str] = []
    if rows is not None:
        parts = [f"{number(count, 0)} left out ({why})" for why, count in left_out.items()]
        parts.append(f"{number(len(skipped), 0)} skipped as bad")
        sentences.append(f"The file has {number(rows, 0)} rows: {listed(parts)}.")
    if equal:
        sentences.append(
            f"In {number(equal, 0)} pairs both answers are equal, so nothing is learned from them."
        )
    sentences.append("Words that differ between the two answers of a pair are marked.")
    return " ".join(sentences)


def _how(total: int, shown: int) -> str:
    first = "All" if shown == total else f"The first {number(shown, 0)} of"
    return f"{first} {number(total, 0)} pairs, in the order of the file."


def _notes(licences: Sequence[str], skipped: Sequence[str]) -> Iterable[Note]:
    if skipped:
        more = len(skipped) - _LISTED
        rest = f"; and {number(more, 0)} more in import.json" if more > 0 else ""
        text = "; ".join(skipped[:_LISTED])
        yield Note(kind="warning", text=f"Bad rows were skipped: {text}{rest}")
    named = [each for each in licences if each]
    if named:
        yield Note(kind="licence", text=f"The pairs come with: {listed(named)}.")
    if len(named) < len(licences):
        yield Note(kind="licence", text="Rows without a licence came in: give one with --licence.")


def _example(pair: Pair, prompt: Prompt, image: Callable[[str], bytes]) -> Example:
    rejected = ExampleAnswer(
        model=REJECTED, text=pair.rejected, spans=pair.rejected_spans, marks="removed"
    )
    chosen = ExampleAnswer(model=CHOSEN, text=pair.chosen, spans=pair.chosen_spans, marks="added")
    return Example(
        images=tuple(image(sha256) for sha256 in prompt.images),
        prompt=prompt.question,
        item=pair.source.row,
        answers=(rejected, chosen),
    )
