"""Examples for a page, chosen by a fixed rule, not by a person or the order of the items."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypeVar

from pydantic import model_validator

from groundtune.records import Record, Score, Span
from groundtune.report.marks import Marks

T = TypeVar("T")


class ExampleAnswer(Record):
    """One model's answer, and what is wrong in it."""

    model: str
    text: str
    spans: tuple[Span, ...] = ()
    marks: Marks = "wrong"
    """The meaning of the spans: wrong, or words that a correction removed or added."""
    note: str = ""
    """Shown under the text: why it got its score."""
    verdict: str = ""
    """The benchmark's verdict if there are no spans: "right", "wrong", "grade 3"."""
    wrong: bool = False
    """Whether the verdict is a bad one."""

    @model_validator(mode="after")
    def _spans_lie_in_the_text(self) -> Self:
        for span in self.spans:
            if span.end > len(self.text):
                raise ValueError(
                    f"span [{span.start}, {span.end}) leaves a text of {len(self.text)}"
                )
        return self


class Example(Record):
    """One item: its images, the prompt, the truth, and each model's answer."""

    images: tuple[bytes, ...]
    """Image files (PNG, JPEG, ...); the report embeds small copies."""
    prompt: str
    answers: tuple[ExampleAnswer, ...]
    truth: str = ""
    group: str = ""
    """Why it is shown: "Most improved", "Got worse"."""
    item: str = ""
    """The item's name for readers; "" for none."""


class Examples(Record):
    """Examples, and a paragraph on how they were chosen."""

    shown: tuple[Example, ...] = ()
    how: str = ""


NO_EXAMPLES = Examples()


class ItemView(Record):
    """An item as a reader sees it."""

    images: tuple[bytes, ...] = ()
    """Image files; see `Example.images`."""
    prompt: str = ""
    truth: str = ""
    name: str = ""
    """The name for readers: the image's file. Keys and hashes are not names."""


GROUPS = ("Most improved", "Got worse", "Still wrong", "Right before and after")
"""The groups, in the order of their turns."""


def choose_examples(
    scores: Sequence[Score],
    base: str,
    tuned: str,
    item: Callable[[Score], ItemView],
    *,
    others: Sequence[str] = (),
    number: int = 12,
) -> Examples:
    """Choose by a fixed rule equally many that improved, got worse, stayed wrong and right.

    `scores` are those of one benchmark and one decoding; a mistake is a span of a score. The groups
    take turns, the largest changes first, with ties broken by the hash of the item's name, so that
    neither a person nor the order of the items chooses. If a group runs out, the others fill in.
    `others` names models to show between the two.
    """
    by_model = {
        name: {s.item: s for s in scores if s.model == name and s.status == "scored"}
        for name in dict.fromkeys((base, *others, tuned))
    }
    before, after = by_model[base], by_model[tuned]
    both = [name for name in before if name in after]
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in both:
        groups[_group(len(before[name].spans), len(after[name].spans))].append(name)
    for group in groups.values():
        group.sort(key=lambda name: _prominence(name, before[name], after[name]))
    turns = in_turns([[(group, name) for name in names] for group, names in groups.items()], number)
    examples = [
        _example(group, [of[name] for of in by_model.values() if name in of], item)
        for group, name in turns
    ]
    return Examples(shown=tuple(examples), how=_how(groups, len(both), base == tuned))


def in_turns(rows: Sequence[Sequence[T]], number: int) -> list[T]:
    """The first of each row, then the second of each, and so on, at most `number` in total."""
    longest = max(map(len, rows), default=0)
    return [row[i] for i in range(longest) for row in rows if i < len(row)][:number]


def tie_break(item: str) -> str:
    """The sort key of otherwise equal items: their names' hash."""
    return hashlib.sha256(item.encode()).hexdigest()


def _group(wrong_before: int, wrong_after: int) -> str:
    if wrong_after != wrong_before:
        return GROUPS[0] if wrong_after < wrong_before else GROUPS[1]
    return GROUPS[2] if wrong_after else GROUPS[3]


def _prominence(name: str, before: Score, after: Score) -> tuple[int, int, str]:
    """Sorts the largest change first, then the most mistakes, then by hash."""
    change = abs(len(after.spans) - len(before.spans))
    return (-change, -len(after.spans), tie_break(name))


def _example(group: str, scores: Sequence[Score], item: Callable[[Score], ItemView]) -> Example:
    view = item(scores[0])
    alone = len({score.model for score in scores}) == 1
    return Example(
        images=view.images,
        prompt=view.prompt,
        truth=view.truth,
        group="" if alone else group,
        item=view.name,
        answers=tuple(
            ExampleAnswer(
                model=s.model,
                text=s.answer,
                spans=s.spans,
                note="" if s.spans and view.truth else s.why,  # marks and truth already show it
            )
            for s in scores
        ),
    )


def _how(groups: Mapping[str, Sequence[str]], items: int, alone: bool) -> str:
    improved, worse, wrong, right = (len(names) for names in groups.values())
    if alone:
        return (
            f"Chosen by rule, not by hand: in turns from the {wrong:,} answers with something "
            f"wrong, most mistakes first, and the {right:,} with nothing wrong, of {items:,}."
        )
    return (
        "Chosen by rule, not by hand: the groups take turns, the largest changes first. So they "
        f"show the range, not how often each happens: of {items:,} items {improved:,} have fewer "
        f"mistakes than before, {worse:,} have more, {wrong:,} have as many, and {right:,} were "
        "right before and after."
    )
