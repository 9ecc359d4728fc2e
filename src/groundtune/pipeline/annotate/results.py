"""What people said in a project, as records: corrections and comparisons, and pairs of them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field

from groundtune.errors import UserError
from groundtune.feedback.annotating import (
    AnnotationState,
    comparison_of,
    correction_of,
    replay,
    thumb_of,
)
from groundtune.feedback.comparisons import pair_from_comparison
from groundtune.feedback.corrections import NoPair, pair_from_correction
from groundtune.feedback.pairs import PairCounts, collect_pairs
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.suggestions import SuggestionCounts, count_suggestions
from groundtune.pipeline.feedback.pairs import PairSettings
from groundtune.pipeline.feedback.thumbs import write_thumb_pairs
from groundtune.pipeline.runs.folder import RunFolder, hash_of
from groundtune.protocols import Progress
from groundtune.records import Answer, Comparison, Correction, Pair, Producer, Prompt, Record, Thumb
from groundtune.store.annotations import conflicts, events, items
from groundtune.store.annotations.records import AnnotationItem, Event
from groundtune.store.json_writing import write_object
from groundtune.store.keys import key_of

SUGGESTIONS = "suggestions.json"
"""In the folder of a project's pairs: what people made of the suggestions."""

_Row = TypeVar("_Row", Correction, Comparison, Thumb)
Settle = Literal["each", "majority", "reviewer"]
"""Which corrections of an answer that several people judged count: everybody's; the text that more
than half of them gave; a reviewer's or owner's, or the only one."""


class ProjectPairSettings(Record):
    """Which feedback of a project becomes pairs."""

    people: Settle = "each"
    cap: int = Field(default=0, ge=0)
    """Most pairs per prompt; 0 keeps all."""
    seed: int = 0
    """Which pairs stay under the cap."""
    min_agreement: float = Field(default=0, ge=0, le=1)
    """Refuse where two people's agreement (Krippendorff's alpha) is lower; 0 never refuses."""
    min_gold: float = Field(default=0, ge=0, le=1)
    """Refuse where people get fewer known results right; 0 never refuses."""
    thumbs: bool = False
    """Make pairs of the project's thumbs instead, for method.type=kto method.thumbs=true."""


class ProjectPairCounts(PairCounts):
    """What became of the feedback, and the answers on which people don't agree."""

    unsettled: int = 0
    """Answers whose people gave no common text, or no reviewer has settled."""
    suggestions: SuggestionCounts = SuggestionCounts()
    """What people made of the machine's suggestions; none were shown in a blind project."""


class FinishedWork(NamedTuple):
    """All finished work of a project."""

    items: Mapping[str, AnnotationItem]
    corrections: tuple[Correction, ...]
    comparisons: tuple[Comparison, ...]
    evaluations: tuple[Correction, ...]
    """Marks without replacements, of answers whose models weren't known."""
    thumbs: tuple[Thumb, ...]
    roles: Mapping[str, str]
    settled: Mapping[tuple[str, ...], str]
    """The reviewers who settled conflicts, by the keys of an item's answers."""
    results: tuple[tuple[AnnotationItem, AnnotationState], ...]
    """Items whose suggestions people saw, and what they said of them."""

    @property
    def suggestions(self) -> SuggestionCounts:
        """What people made of suggestions."""
        return count_suggestions(self.results)


class AllWork(NamedTuple):
    """What people made of items, finished or not."""

    items: Mapping[str, AnnotationItem]
    roles: Mapping[str, str]
    states: Mapping[tuple[str, str], AnnotationState]
    """By item and person, in the order of their first events."""
    settled: Mapping[str, str]
    """The reviewers who settled items, by item."""


def all_work(project: Project, keys: Sequence[str] | None = None) -> AllWork:
    """Return everybody's work; `keys` are the items, at most some hundreds, None for all."""
    by_work: dict[tuple[str, str], list[Event]] = defaultdict(list)
    with project.database.reading() as connection:
        for stored in events.events_of(connection, items=keys):
            by_work[stored.event.item, stored.person].append(stored.event)
        stored_items = items.items_of(connection, {item for item, _ in by_work})
        roles = items.roles_of(connection)
        sides = conflicts.settled_by(connection, keys)
    states = {work: replay(events_of_work) for work, events_of_work in by_work.items()}
    return AllWork({item.key: item for item in stored_items}, roles, states, sides)


def finished_work(project: Project, keys: Sequence[str] | None = None) -> FinishedWork:
    """Return everybody's finished work, in the order of the items' first events.

    `keys` are the items of which it is wanted, at most some hundreds; None for all.
    """
    by_key, roles, states, settled_items = all_work(project, keys)
    corrections: list[Correction] = []
    comparisons: list[Comparison] = []
    evaluations: list[Correction] = []
    thumbs: list[Thumb] = []
    results: list[tuple[AnnotationItem, AnnotationState]] = []
    for (key, person), state in states.items():
        item = by_key[key]
        by = Producer(kind="person", name=person, revision=key_of(state)[:12])
        if state.progress == "done" and item.suggestions and not project.settings.blind:
            results.append((item, state))
        single = evaluations if item.task == "evaluate" else corrections
        single += filter(None, [correction_of(item, state, by)])
        comparisons += filter(None, [comparison_of(item, state, by)])
        thumbs += filter(None, [thumb_of(item, state, by)])
    return FinishedWork(
        items=by_key,
        corrections=tuple(corrections),
        comparisons=tuple(comparisons),
        evaluations=tuple(evaluations),
        thumbs=tuple(thumbs),
        roles=roles,
        settled={
            tuple(answer.key for answer in by_key[key].answers): reviewer
            for key, reviewer in settled_items.items()
            if key in by_key
        },
        results=tuple(results),
    )


def settled(work: FinishedWork, people: Settle) -> tuple[list[Correction], int]:
    """Return the corrections that count, and the number of answers that are unsettled.

    Of an answer whose conflict a reviewer has settled, only that reviewer's counts.
    """
    of_reviewers, others = _split(work.corrections, lambda each: (each.answer,), work.settled)
    if people == "each":
        return [*of_reviewers, *others], 0
    by_answer: dict[str, list[Correction]] = defaultdict(list)
    for correction in others:
        by_answer[correction.answer].append(correction)
    choose = _majority if people == "majority" else _reviewed
    chosen = [choose(corrections, work.roles) for corrections in by_answer.values()]
    return [*of_reviewers, *(each for each in chosen if each is not None)], chosen.count(None)


def settled_comparisons(work: FinishedWork) -> list[Comparison]:
    """Return the comparisons that count: of a settled conflict the reviewer's, else everybody's."""
    of_reviewers, others = _split(
        work.comparisons, lambda each: (each.first, each.second), work.settled
    )
    return [*of_reviewers, *others]


def _split(
    rows: Sequence[_Row],
    answers: Callable[[_Row], tuple[str, ...]],
    by: Mapping[tuple[str, ...], str],
) -> tuple[list[_Row], list[_Row]]:
    """The rows that settle a conflict, and those of answers without a settled one."""
    settling = [row for row in rows if by.get(answers(row)) == row.by.name]
    decided = {answers(row) for row in settling}
    return settling, [row for row in rows if answers(row) not in decided]


def project_pairs(
    project: Project,
    out: Path,
    settings: ProjectPairSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> ProjectPairCounts:
    """Make pairs of a project's corrections and comparisons into the run folder `out`.

    Again after more work it adds what is new; pairs of corrections that were changed since go.

    Raises:
        UserError: nothing in the project is finished.
    """
    work = finished_work(project)
    if settings.thumbs:
        return _thumb_pairs(work, project, out, settings, command)
    if not work.corrections and not work.comparisons:
        first = f"Correct or compare answers first: groundtune annotate {project.where}."
        thumbs = "Give thumbs=true to make pairs of the project's thumbs."
        raise UserError(
            "No correction or comparison in the project is finished.",
            project.where,
            thumbs if work.thumbs else first,
        )
    corrections, unsettled = settled(work, settings.people)
    comparisons = settled_comparisons(work)
    total = len(corrections) + len(comparisons)
    progress.start("pairs", total=total)
    target, prompts = RunFolder(out), _prompts(work)
    answers = {each.key: each for item in work.items.values() for each in item.answers}
    candidates = _pairs_of(corrections, comparisons, answers, prompts)
    paired = collect_pairs(candidates, cap=settings.cap, seed=settings.seed)
    judged = {key for each in corrections for key in (each.prompt, each.answer)}
    judged |= {key for each in comparisons for key in (each.prompt, each.first, each.second)}
    project.bring_images(prompts[key] for key in judged & prompts.keys())
    source = RunFolder(project.path)  # its images are where a run has them
    target.take_prompts(source, [prompts[key] for key in sorted(judged & prompts.keys())])
    target.take_answers(source, [answers[key] for key in sorted(judged & answers.keys())])
    target.corrections.replace(corrections)
    target.comparisons.replace(comparisons)
    target.pairs.replace(paired.pairs)
    target.note(
        target.pairs,
        settings=settings,
        inputs={
            "corrections": hash_of(target.corrections),
            "comparisons": hash_of(target.comparisons),
        },
        seeds={"pairs": settings.seed},
        command=list(command),
    )
    progress.advance(total)
    write_object(out / SUGGESTIONS, work.suggestions, indent=1)
    return ProjectPairCounts(
        **paired.counts.model_dump(), unsettled=unsettled, suggestions=work.suggestions
    )


def _thumb_pairs(
    work: FinishedWork,
    project: Project,
    out: Path,
    settings: ProjectPairSettings,
    command: Sequence[str],
) -> ProjectPairCounts:
    if not work.thumbs:
        raise UserError(
            "The project has no thumbs.",
            f"thumbs=true, {project.where}",
            f"Give some: groundtune annotate {project.where} --answers RUN --task thumb.",
        )
    prompts = _prompts(work)
    project.bring_images(prompts[key] for key in {each.prompt for each in work.thumbs})
    of_reviewers, others = _split(work.thumbs, lambda each: (each.answer,), work.settled)
    counts = write_thumb_pairs(
        [*of_reviewers, *others],
        prompts,
        {each.key: each for item in work.items.values() for each in item.answers},
        RunFolder(project.path),
        RunFolder(out),
        PairSettings(cap=settings.cap, seed=settings.seed),
        command=command,
    )
    return ProjectPairCounts(**counts.model_dump())


def _majority(corrections: Sequence[Correction], roles: Mapping[str, str]) -> Correction | None:
    decided = [each for each in corrections if each.verdict != "unsure"]
    if not decided:
        return None
    text, number = Counter(each.corrected for each in decided).most_common(1)[0]
    if 2 * number <= len(corrections):
        return None
    return next(each for each in decided if each.corrected == text)


def _reviewed(corrections: Sequence[Correction], roles: Mapping[str, str]) -> Correction | None:
    reviewers = [each for each in corrections if roles[each.by.name] in ("reviewer", "owner")]
    if reviewers:
        return reviewers[-1]
    return corrections[0] if len(corrections) == 1 else None


def _prompts(work: FinishedWork) -> dict[str, Prompt]:
    return {item.prompt.key: item.prompt for item in work.items.values()}


def _pairs_of(
    corrections: Sequence[Correction],
    comparisons: Sequence[Comparison],
    answers: Mapping[str, Answer],
    prompts: Mapping[str, Prompt],
) -> Iterator[Pair | NoPair]:
    for row in corrections:
        yield pair_from_correction(row, prompts[row.prompt].source)
    for row in comparisons:
        first, second = (answers[key].text for key in (row.first, row.second))
        yield pair_from_comparison(row, first, second, prompts[row.prompt].source)
