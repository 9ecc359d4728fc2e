"""Helpers that make parts of a report from what the stages store: scores, answers and prompts."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from groundtune.records import Answer, Prompt, Record, Score
from groundtune.report.figures import listed
from groundtune.report.model import (
    UNKNOWN,
    AnswerCount,
    Example,
    ExampleAnswer,
    ModelSpec,
    Note,
    Provenance,
    ReportInput,
)


class Item(Record):
    """What an item looks like to a reader."""

    images: tuple[bytes, ...]
    """Files; see `Example.images`."""
    prompt: str
    truth: str = ""


class Chosen(NamedTuple):
    """Examples, and a paragraph that says how they were chosen and out of what."""

    examples: tuple[Example, ...]
    how: str


GROUPS = ("Most improved", "Got worse", "Still wrong", "Right before and after")
"""In the order in which they take turns."""


def choose_examples(
    scores: Sequence[Score],
    base: str,
    tuned: str,
    item: Callable[[Score], Item],
    *,
    beside: Sequence[str] = (),
    number: int = 12,
) -> Chosen:
    """Examples by a fixed rule: as many that improved, got worse, stayed wrong and stayed right.

    `scores` are those of one benchmark and one decoding; a mistake is a span of a score. The groups
    take turns, the largest changes first, ties by the hash of the item's name, so that neither a
    person nor the order of the items chooses. Where a group runs out, the others fill its places.
    `beside` names models shown between the two.
    """
    by_model = {
        name: {s.item: s for s in scores if s.model == name and s.status == "scored"}
        for name in dict.fromkeys((base, *beside, tuned))
    }
    before, after = by_model[base], by_model[tuned]
    both = [name for name in before if name in after]
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in both:
        groups[_group(len(before[name].spans), len(after[name].spans))].append(name)
    for group in groups.values():
        group.sort(key=lambda name: _prominence(name, before[name], after[name]))
    examples = [
        _example(group, [of[name] for of in by_model.values() if name in of], item)
        for group, name in _in_turns(groups, number)
    ]
    return Chosen(tuple(examples), _how(groups, len(both), base == tuned))


def _group(wrong_before: int, wrong_after: int) -> str:
    if wrong_after != wrong_before:
        return GROUPS[0] if wrong_after < wrong_before else GROUPS[1]
    return GROUPS[2] if wrong_after else GROUPS[3]


def _prominence(name: str, before: Score, after: Score) -> tuple[int, int, str]:
    """Sorts the largest change first, then the most mistakes, then by hash."""
    change = abs(len(after.spans) - len(before.spans))
    return (-change, -len(after.spans), hashlib.sha256(name.encode()).hexdigest())


def _in_turns(groups: Mapping[str, list[str]], number: int) -> list[tuple[str, str]]:
    """(group, item) in rounds over the groups, at most `number`."""
    longest = max((len(names) for names in groups.values()), default=0)
    turns = [
        (group, names[i])
        for i in range(longest)
        for group, names in groups.items()
        if i < len(names)
    ]
    return turns[:number]


def _example(group: str, scores: Sequence[Score], item: Callable[[Score], Item]) -> Example:
    shown = item(scores[0])
    alone = len({score.model for score in scores}) == 1
    return Example(
        images=shown.images,
        prompt=shown.prompt,
        truth=shown.truth,
        group="" if alone else group,
        item=scores[0].item,
        answers=tuple(
            ExampleAnswer(model=s.model, text=s.answer, spans=s.spans, note=s.why) for s in scores
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


def count_answers(
    answers: Sequence[Answer], refused: Callable[[str], bool] | None = None
) -> tuple[AnswerCount, ...]:
    """What can be counted of answers, by model; refusals only if `refused` is given."""
    counts: list[AnswerCount] = []
    for model in dict.fromkeys(answer.producer.name for answer in answers):
        own = [answer for answer in answers if answer.producer.name == model]
        lengths = [len(answer.text.split()) for answer in own]
        counts.append(
            AnswerCount(
                model=model,
                answers=len(own),
                words=sum(lengths) / len(lengths),
                words_low=min(lengths),
                words_high=max(lengths),
                refusals=None if refused is None else sum(refused(answer.text) for answer in own),
                empty=sum(length == 0 for length in lengths),
                cut=sum(answer.finish == "length" for answer in own),
            )
        )
    return tuple(counts)


def sampling_report(
    title: str,
    prompts: Sequence[Prompt],
    answers: Sequence[Answer],
    picture: Callable[[str], bytes],
    *,
    labels: Mapping[str, str] | None = None,
    refused: Callable[[str], bool] | None = None,
    provenance: Provenance = UNKNOWN,
    notes: Sequence[Note] = (),
    number: int = 60,
) -> ReportInput:
    """The report of a run that only sampled: answers beside pictures and counts, nothing checked.

    `picture` gives an image file's bytes by its sha256, `labels` a model's name as it is to be
    shown. The first `number` prompts that have an answer are shown.
    """
    by_prompt: dict[str, list[Answer]] = {}
    for answer in answers:
        by_prompt.setdefault(answer.prompt, []).append(answer)
    asked = [prompt for prompt in prompts if prompt.key in by_prompt]
    examples = [_unchecked(prompt, by_prompt[prompt.key], picture) for prompt in asked[:number]]
    names = dict.fromkeys(answer.producer.name for answer in answers) or {"nobody": None}
    shown = "All" if len(asked) <= number else f"The first {number:,} of"
    licences = dict.fromkeys(p.source.licence for p in asked if p.source.licence)
    terms = [Note(kind="licence", text=f"The prompts come with: {listed(list(licences))}.")]
    return ReportInput(
        title=title,
        models=tuple(ModelSpec(name=n, label=(labels or {}).get(n, n)) for n in names),
        counts=count_answers(answers, refused),
        examples=tuple(examples),
        examples_chosen=f"{shown} {len(asked):,} prompts that were answered, in their order.",
        provenance=provenance,
        notes=(*notes, *(terms if licences else ())),
    )


def _unchecked(
    prompt: Prompt, answers: Sequence[Answer], picture: Callable[[str], bytes]
) -> Example:
    several = len({answer.index for answer in answers}) > 1
    return Example(
        images=tuple(picture(sha256) for sha256 in prompt.images),
        prompt=prompt.question,
        item=prompt.source.row or prompt.key[:12],
        answers=tuple(
            ExampleAnswer(
                model=answer.producer.name,
                text=answer.text,
                note=f"answer {answer.index + 1}" if several else "",
            )
            for answer in answers
        ),
    )
