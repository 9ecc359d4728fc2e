"""Items of the answers of any run."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.pipeline.annotate.suggestions import untouched, with_planted
from groundtune.pipeline.folder import RunFolder, read_some
from groundtune.records import Answer, Claim, ClaimStatus, Prompt, Span
from groundtune.store.annotations.records import Item, Task
from groundtune.store.keys import key_of, seed_of
from groundtune.store.rows import json_rows, text_field


def items_from_run(source: Path, task: Task, settings: ProjectSettings) -> list[Item]:
    """Return the items of a run's answers.

    One per answer; for comparisons one for every two answers to a prompt, the side of each drawn
    by `seed`. A review's suggestions are the edits of the corrections in the run, those of a task
    "correct" the claims that a labeler rejected. An evaluation has none, and takes only the answers
    of to-mark.jsonl where `groundtune check` drew some. Among the suggestions of a project that
    isn't blind, some are planted wrong ones (`suggestions.py`).

    Raises:
        UserError: the run has no answers, or no corrections to review.
    """
    folder = RunFolder(source)
    answers, prompts = read_some(folder.answers), folder.prompts_by_key()
    if lost := [answer.key for answer in answers if answer.prompt not in prompts]:
        raise UserError(
            f"The prompt of answer {lost[0]} is missing.",
            str(source),
            "Use a folder with both the answers and their prompts.",
        )
    if task == "compare":
        return _comparisons(answers, prompts, settings.seed)
    if task == "review":
        corrections = {row.answer: row for row in read_some(folder.corrections)}
        reviewed = [answer for answer in answers if answer.key in corrections]

        def edits(answer: Answer) -> tuple[Span, ...]:
            found = corrections[answer.key].spans
            return with_planted(answer, found, untouched(answer.text, found), settings)

        return _singles(task, reviewed, prompts, edits)
    if task == "evaluate":
        return _singles(task, _drawn(source, answers), prompts, lambda _: ())
    claims: dict[str, list[Claim]] = defaultdict(list)
    for claim in folder.claims.read():
        claims[claim.answer].append(claim)
    if not claims:
        return _singles(task, answers, prompts, lambda _: ())

    def doubts(answer: Answer) -> tuple[Span, ...]:
        found = _doubts(answer, claims[answer.key], "rejected", "labeler")
        trusted = _doubts(answer, claims[answer.key], "supported", "planted")
        return with_planted(answer, found, trusted, settings)

    return _singles(task, answers, prompts, doubts)


def _singles(
    task: Task,
    answers: Sequence[Answer],
    prompts: dict[str, Prompt],
    suggest: Callable[[Answer], tuple[Span, ...]],
) -> list[Item]:
    return [
        Item(
            key=key_of("item", task, answer.key),
            task=task,
            prompt=prompts[answer.prompt],
            answers=(answer,),
            suggestions=suggest(answer),
        )
        for answer in answers
    ]


def _drawn(source: Path, answers: Sequence[Answer]) -> Sequence[Answer]:
    """The answers that a check drew to be marked; all of them where it drew none."""
    path = source / "to-mark.jsonl"
    if not path.is_file():
        return answers
    drawn = {text_field(row, "answer") for row in json_rows(path)}
    return [answer for answer in answers if answer.key in drawn]


def _comparisons(answers: Sequence[Answer], prompts: dict[str, Prompt], seed: int) -> list[Item]:
    by_prompt: dict[str, dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        by_prompt[answer.prompt].setdefault(answer.text, answer)  # equal texts need no choice
    items: list[Item] = []
    for key, texts in by_prompt.items():
        for pair in combinations(texts.values(), 2):
            names = sorted(answer.key for answer in pair)
            sides = list(pair)
            random.Random(seed_of(seed, *names)).shuffle(sides)
            item_key = key_of("item", "compare", *names)
            items.append(
                Item(key=item_key, task="compare", prompt=prompts[key], answers=tuple(sides))
            )
    return items


def _doubts(
    answer: Answer, claims: Sequence[Claim], status: ClaimStatus, by: str
) -> tuple[Span, ...]:
    """The characters of claims of a status, those of one place once."""
    found: dict[tuple[int, int], Span] = {}
    for claim in claims:
        if claim.status == status and claim.start < claim.end <= len(answer.text):
            span = Span(start=claim.start, end=claim.end, kind=claim.kind, by=by)
            found.setdefault((claim.start, claim.end), span.model_copy(update={"note": claim.text}))
    return tuple(found[place] for place in sorted(found))
