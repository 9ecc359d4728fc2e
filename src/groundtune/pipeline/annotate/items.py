"""Items of the answers of any run."""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.pipeline.annotate.suggestions import PLANTED, untouched, with_planted
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.records import Answer, Claim, ClaimStatus, Correction, Producer, Prompt, Span
from groundtune.store.annotations.records import AnnotationItem, Task
from groundtune.store.keys import key_of, seed_of
from groundtune.store.rows import json_rows, text_field


def items_from_run(source: Path, task: Task, settings: ProjectSettings) -> list[AnnotationItem]:
    """Return the items of a run's answers.

    One per answer; for comparisons one for every two answers to a prompt, the side of each drawn
    by the seed. A run of imported pairs has the rejected answers to correct, their corrections to
    review, and both answers to compare. An evaluation takes only the answers of to-mark.jsonl where
    `groundtune check` drew some.

    A review's suggestions are the edits of the run's corrections; those of a task "correct" the
    claims that a labeler rejected, or the marks of imported corrections. Others have none. What
    imported corrections say is missing is suggested with both.
    Among the suggestions of a project that isn't blind, some are planted (`suggestions.py`).

    Raises:
        UserError: the run has no answers, or no corrections to review.
    """
    folder = RunFolder(source)
    prompts = folder.prompts_by_key()
    rows = _of_pairs(folder, task) if _has_only_pairs(folder) else _of_answers(folder, task)
    if orphans := [answer.key for answer in rows.answers if answer.prompt not in prompts]:
        raise UserError(
            f"The prompt of answer {orphans[0]} is missing.",
            str(source),
            "Use a folder with both the answers and their prompts.",
        )
    if task == "compare":
        return _comparisons(rows.answers, prompts, settings.seed)
    if task in ("evaluate", "thumb"):
        answers = _drawn(source, rows.answers) if task == "evaluate" else rows.answers
        return _singles(task, answers, prompts, lambda _: (), {})
    if task == "review":
        return _reviews(rows, prompts, settings)
    return _corrections(rows, prompts, settings)


class _RunSource(NamedTuple):
    """What items are made of."""

    answers: Sequence[Answer]
    corrections: Mapping[str, Correction]
    """By answer."""
    claims: Mapping[str, Sequence[Claim]]
    """By answer."""


def _has_only_pairs(folder: RunFolder) -> bool:
    return bool(folder.pairs.parts()) and not folder.answers.parts()


def _of_answers(folder: RunFolder, task: Task) -> _RunSource:
    corrections = read_some(folder.corrections) if task == "review" else folder.corrections.read()
    claims: dict[str, list[Claim]] = {}
    for claim in folder.claims.read():
        claims.setdefault(claim.answer, []).append(claim)
    by_answer = {row.answer: row for row in corrections}
    return _RunSource(read_some(folder.answers), by_answer, claims)


def _of_pairs(folder: RunFolder, task: Task) -> _RunSource:
    """The rejected answers of pairs with what corrects them; to compare, the chosen ones too."""
    answers: dict[str, Answer] = {}
    corrections: dict[str, Correction] = {}
    for pair in folder.pairs.read():
        by = Producer(kind="dataset", name=pair.source.dataset or "pairs")
        texts = (pair.rejected, pair.chosen) if task == "compare" else (pair.rejected,)
        for text in texts:
            key = key_of("of pair", pair.prompt, text)
            answers[key] = Answer(key=key, prompt=pair.prompt, text=text, producer=by)
        rejected = answers[key_of("of pair", pair.prompt, pair.rejected)]
        corrections.setdefault(rejected.key, correction_from_texts(rejected, pair.chosen, by))
    return _RunSource(list(answers.values()), corrections, {})


def _reviews(
    source: _RunSource, prompts: dict[str, Prompt], settings: ProjectSettings
) -> list[AnnotationItem]:
    def edits(answer: Answer) -> tuple[Span, ...]:
        spans = source.corrections[answer.key].spans
        return with_planted(answer, spans, untouched(answer.text, spans), settings)

    reviewed = [answer for answer in source.answers if answer.key in source.corrections]
    return _singles("review", reviewed, prompts, edits, source.corrections)


def _corrections(
    source: _RunSource, prompts: dict[str, Prompt], settings: ProjectSettings
) -> list[AnnotationItem]:
    def doubts(answer: Answer) -> tuple[Span, ...]:
        if not source.claims:
            correction = source.corrections.get(answer.key)
            return correction.marks if correction else ()
        claims = source.claims.get(answer.key, ())
        rejected = _doubts(answer, claims, "rejected", "labeler")
        trusted = _doubts(answer, claims, "supported", PLANTED)
        return with_planted(answer, rejected, trusted, settings)

    corrections: Mapping[str, Correction] = {} if source.claims else source.corrections
    return _singles("correct", source.answers, prompts, doubts, corrections)


def _singles(
    task: Task,
    answers: Sequence[Answer],
    prompts: dict[str, Prompt],
    suggest: Callable[[Answer], tuple[Span, ...]],
    corrections: Mapping[str, Correction],
) -> list[AnnotationItem]:
    """One item per answer; what its correction says is missing is suggested too."""
    return [
        AnnotationItem(
            key=key_of("item", task, answer.key),
            task=task,
            prompt=prompts[answer.prompt],
            answers=(answer,),
            suggestions=suggest(answer),
            missing=corrections[answer.key].missing if answer.key in corrections else (),
        )
        for answer in answers
    ]


def _drawn(source: Path, answers: Sequence[Answer]) -> Sequence[Answer]:
    """The answers that a check drew to be marked; all of them where it drew none."""
    path = source / "to-mark.jsonl"
    if not path.is_file():
        return answers
    keys = {text_field(row, "answer") for row in json_rows(path)}
    return [answer for answer in answers if answer.key in keys]


def _comparisons(
    answers: Sequence[Answer], prompts: dict[str, Prompt], seed: int
) -> list[AnnotationItem]:
    by_prompt: dict[str, dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        by_prompt[answer.prompt].setdefault(answer.text, answer)  # equal texts need no choice
    items: list[AnnotationItem] = []
    for key, texts in by_prompt.items():
        for pair in combinations(texts.values(), 2):
            names = sorted(answer.key for answer in pair)
            sides = list(pair)
            random.Random(seed_of(seed, *names)).shuffle(sides)
            item_key = key_of("item", "compare", *names)
            items.append(
                AnnotationItem(
                    key=item_key, task="compare", prompt=prompts[key], answers=tuple(sides)
                )
            )
    return items


def _doubts(
    answer: Answer, claims: Sequence[Claim], status: ClaimStatus, by: str
) -> tuple[Span, ...]:
    """The characters of claims of a status, those of one place once."""
    spans: dict[tuple[int, int], Span] = {}
    for claim in claims:
        if claim.status == status and claim.start < claim.end <= len(answer.text):
            span = Span(start=claim.start, end=claim.end, kind=claim.kind, by=by)
            spans.setdefault((claim.start, claim.end), span.model_copy(update={"note": claim.text}))
    return tuple(spans[place] for place in sorted(spans))
