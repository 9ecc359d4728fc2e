"""Stage "label --by comparisons": a simulated person compares the answers to each prompt.

Resumable: a comparison's key follows from its answers and the person.
"""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.pipeline.models.prompt_sources import load, source_of
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Comparer, Progress
from groundtune.records import Answer, Comparison, Producer, Prompt, Record
from groundtune.store.inputs import note_inputs
from groundtune.store.keys import key_of, seed_of
from groundtune.store.lock import one_writer

AT_ONCE = 500
"""Comparisons between two writes."""


class CompareSettings(Record):
    """Who compares which answers, and how well."""

    annotator: str = ""
    """The prompt source whose simulated person compares; the one of the prompts if empty."""
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of the verdicts that are the wrong way round."""
    per_prompt: int = Field(default=0, ge=0)
    """Comparisons per prompt, by seed; 0 compares every two answers."""
    seed: int = 0


class CompareSummary(Record):
    """The comparisons of the whole folder, made now or before."""

    answers: int
    comparisons: int
    compared_now: int
    ties: int
    same_text: int
    """Pairs of answers with the same text, which nobody is asked about."""


@one_writer()
def compare_answers(
    source: Path,
    out: Path,
    settings: CompareSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> CompareSummary:
    """Have the answers to each prompt of `source` compared, into `out` (which may be `source`).

    Raises:
        UserError: there are no answers, or no two to a prompt; nobody knows the prompts; or `out`
            has another person's comparisons.
    """
    folder, target = RunFolder(source), RunFolder(out)
    prompts, answers = folder.prompts_by_key(), read_some(folder.answers)
    comparer, by = _open(settings, folder)
    others = {row.by.name for row in target.comparisons.read() if row.by != by}
    if others:
        raise UserError(
            f"The folder already has comparisons by others ({', '.join(sorted(others))}).",
            str(target.comparisons.path),
            "Choose another folder with --out DIR, or use the settings of the first run.",
        )
    target.take_prompts(folder, [prompts[key] for key in dict.fromkeys(a.prompt for a in answers)])
    target.take_answers(folder, answers)
    note_inputs(target.comparisons.path, {"answers": answers})
    chosen, same = _pairs(answers, settings)
    keys = {key_of("comparison", a.key, b.key, by): (a, b) for a, b in chosen}
    missing = target.comparisons.missing(keys)
    progress.start("compare", total=len(missing))
    for first in range(0, len(missing), AT_ONCE):
        some = missing[first : first + AT_ONCE]
        rows = [_compare(comparer, by, key, *keys[key], prompts=prompts) for key in some]
        target.comparisons.append(rows)
        progress.advance(len(rows))
    target.note(
        target.comparisons,
        settings=settings,
        inputs={"answers": hash_of(folder.answers)},
        seeds={"compare": settings.seed},
        command=list(command),
    )
    sides = Counter(row.better for row in target.comparisons.read())
    return CompareSummary(
        answers=len(answers),
        comparisons=sides.total(),
        compared_now=len(missing),
        ties=sides["tie"],
        same_text=same,
    )


def _open(settings: CompareSettings, folder: RunFolder) -> tuple[Comparer, Producer]:
    source = (
        load(settings.annotator) if settings.annotator else source_of(read_some(folder.prompts))
    )
    if source is None or source.comparer is None:
        raise UserError(
            "No simulated person can compare answers to these prompts.",
            str(folder.prompts.path),
            "Compare them in the browser (groundtune annotate), or import comparisons.",
        )
    return source.comparer(settings.error_rate, settings.seed)


def _pairs(
    answers: Sequence[Answer], settings: CompareSettings
) -> tuple[list[tuple[Answer, Answer]], int]:
    """Return the pairs of answers to compare, and the number of those that have one text."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.prompt, []).append(answer)
    chosen: list[tuple[Answer, Answer]] = []
    same = 0
    for key, group in groups.items():
        every = [(a, b) for a, b in combinations(group, 2) if a.text != b.text]
        same += len(group) * (len(group) - 1) // 2 - len(every)
        if 0 < settings.per_prompt < len(every):
            draw = random.Random(seed_of("compare", key, settings.seed))
            every = draw.sample(every, settings.per_prompt)
        chosen += every
    if not chosen:
        raise UserError(
            "No prompt has two different answers to compare.",
            f"{len(answers)} answers to {len(groups)} prompts",
            "Sample several answers per prompt: groundtune sample --n 4.",
        )
    return chosen, same


def _compare(
    comparer: Comparer,
    by: Producer,
    key: str,
    first: Answer,
    second: Answer,
    *,
    prompts: dict[str, Prompt],
) -> Comparison:
    comparison = comparer.compare(prompts[first.prompt], first, second)
    return comparison.model_copy(update={"key": key, "by": by})
