"""Stage "label" by claims: answers are divided, and a labeler says yes or no to each claim.

Resumable: a divided claim's key follows from its answer and the divider, a checked one's from that
and the labeler; only missing ones are made. What was divided is kept next to the verdicts, so that
another labeler's need not be divided again.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.feedback.claims import (
    by_answer,
    claims_of,
    division_key,
    verdict_key,
)
from groundtune.feedback.conquer import Asking, ConquerResult, conquer
from groundtune.pipeline.feedback.verdicts import ClaimSummary, summary_of
from groundtune.pipeline.models.workers.local import LocalWorkers
from groundtune.pipeline.runs.folder import RunFolder, hash_of, prompt_of, read_some
from groundtune.protocols import Divider, Progress, Workers, YesNo
from groundtune.records import Answer, Claim, Producer, Prompt, Record
from groundtune.store.inputs import note_inputs
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer

DIVIDED_AT_ONCE = 50
"""Answers divided between two writes: what a kill loses at the most."""
ASKED_AT_ONCE = 1000
"""Claims checked between two writes, at least: all claims of an image go together."""


class Labelling(NamedTuple):
    """Who divides and who is asked."""

    divider: Divider
    labeler: YesNo
    by: Producer
    """The labeler: it names all that changes what is said, but for `asking`."""
    asking: Asking = Asking()
    dividing: Workers = LocalWorkers()
    """Who works off the divider's batches."""
    checking: Workers = LocalWorkers()
    """Who works off the labeler's."""


class _ClaimBatch(NamedTuple):
    """Claims that are checked together, and the prompts of their answers by the answers' keys."""

    claims: list[Claim]
    about: dict[str, Prompt]


def labeler_producer(labelling: Labelling) -> Producer:
    """The labeler with the hash of how it is asked: what a checked claim's key is made of."""
    return labelling.by.model_copy(update={"prompt_hash": key_of(labelling.asking)[:12]})


@one_writer()
def label_claims(
    source: Path,
    out: Path,
    labelling: Labelling,
    progress: Progress,
    *,
    settings: Record | None = None,
    command: Sequence[str] = (),
) -> ClaimSummary:
    """Has every answer of `source` divided and checked that isn't yet, into `out`.

    `out` may be `source`. A division that `source` has by the same divider is taken along.

    Raises:
        UserError: there are no answers; a prompt is missing; or `out` has claims of another
            divider or labeler.
    """
    folder, target = RunFolder(source), RunFolder(out)
    prompts, answers = folder.prompts_by_key(), read_some(folder.answers)
    about = {answer.key: prompt_of(answer, prompts) for answer in answers}
    divider = labelling.divider.producer()
    refuse_other_division(target, divider)
    target.take_prompts(folder, {prompt.key: prompt for prompt in about.values()}.values())
    target.take_answers(folder, answers)
    _take_division(folder, target, answers, divider)
    divide_answers(target, answers, about, labelling.divider, progress, labelling.dividing)
    claims, questions = _check(target, about, labelling, progress)
    recipe = settings or labelling.asking
    inputs = {"answers": hash_of(folder.answers), "divider": key_of(divider)}
    target.note(target.division, settings=recipe, inputs=inputs, seeds={}, command=list(command))
    inputs |= {"labeler": labelling.by.revision}
    target.note(target.claims, settings=recipe, inputs=inputs, seeds={}, command=list(command))
    return summary_of(target.claims.read(), checked_now=claims, questions_now=questions)


def divide_answers(
    target: RunFolder,
    answers: Sequence[Answer],
    about: Mapping[str, Prompt],
    divider: Divider,
    progress: Progress,
    workers: Workers,
) -> None:
    """Divides those of the answers that aren't yet, into the folder's division, in their order.

    Equal answers to one prompt are divided once. `about` has the prompt of each by the answer's
    key. Ask `refuse_other_division` before.
    """
    by = divider.producer()
    prompts = [about[answer.key] for answer in answers]
    note_inputs(target.division.path, {"answers": answers, "prompts": prompts})
    keys = {division_key(answer.key, by): answer for answer in answers}
    missing = [keys[key] for key in target.division.missing(keys)]
    equal: dict[tuple[str, str], list[Answer]] = {}
    for answer in missing:
        equal.setdefault((answer.prompt, answer.text), []).append(answer)
    texts = [(about[group[0].key], group) for group in equal.values()]
    batches = [
        texts[first : first + DIVIDED_AT_ONCE] for first in range(0, len(texts), DIVIDED_AT_ONCE)
    ]
    progress.start("divide", total=len(missing))
    for index, claims in workers.run(partial(_divided, divider), batches):
        target.division.append(claims)
        progress.advance(sum(len(group) for _, group in batches[index]))
    groups = by_answer(target.division.read())
    ordered = [claim.key for answer in answers for claim in groups[answer.key]]
    target.division.compact(order=ordered)


def _divided(divider: Divider, batch: Sequence[tuple[Prompt, list[Answer]]]) -> list[Claim]:
    """Return the claims of equal answers, each group with its prompt, divided by their first."""
    groups = [group for _, group in batch]
    statements = divider.divide([prompt for prompt, _ in batch], [group[0] for group in groups])
    by = divider.producer()
    return [
        claim
        for group, group_statements in zip(groups, statements, strict=True)
        for answer in group
        for claim in claims_of(answer, group_statements, by)
    ]


def _check(
    target: RunFolder,
    about: Mapping[str, Prompt],
    labelling: Labelling,
    progress: Progress,
) -> tuple[int, int]:
    """Asks about the claims without a verdict; how many those were, and questions asked."""
    by = labeler_producer(labelling)
    divided = target.division.read()
    note_inputs(target.claims.path, {"claims": divided, "prompts": list(about.values())})
    keys = {verdict_key(claim.key, by): claim for claim in divided}
    others = target.claims.keys() - keys.keys()
    if others:
        raise UserError(
            f"The folder already has {len(others)} claims by a different labeler or settings.",
            str(target.claims.path),
            "Choose another --out DIR, or use the labeler and settings of the first run.",
        )
    lacking = [keys[key] for key in target.claims.missing(keys)]
    missing = [claim for claim in lacking if claim.answer in about]
    progress.start("check claims", total=len(missing))
    questions = 0
    work = partial(_conquered, labelling.labeler, by, labelling.asking)
    for _, result in labelling.checking.run(work, list(_together(missing, about))):
        target.claims.append(result.claims)
        questions += result.questions
        progress.advance(len(result.claims))
    target.claims.compact(order=keys)
    return len(missing), questions


def _conquered(labeler: YesNo, by: Producer, asking: Asking, batch: _ClaimBatch) -> ConquerResult:
    return conquer(batch.claims, batch.about, labeler, by, asking)


def _together(claims: Sequence[Claim], about: Mapping[str, Prompt]) -> Iterator[_ClaimBatch]:
    """The claims in batches: those of an image together, in the order of their first."""
    groups: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        groups.setdefault(about[claim.answer].images, []).append(claim)
    batch: list[Claim] = []
    for group in groups.values():
        batch += group
        if len(batch) >= ASKED_AT_ONCE:
            yield _ClaimBatch(batch, {claim.answer: about[claim.answer] for claim in batch})
            batch = []
    if batch:
        yield _ClaimBatch(batch, {claim.answer: about[claim.answer] for claim in batch})


def refuse_other_division(target: RunFolder, divider: Producer) -> None:
    """Raises UserError if the folder has a division that isn't this divider's."""
    firsts = {group[0].key: answer for answer, group in by_answer(target.division.read()).items()}
    others = [key for key, answer in firsts.items() if key != division_key(answer, divider)]
    if others:
        raise UserError(
            f"The folder already has {len(others)} answers by a different divider or settings.",
            str(target.division.path),
            "Choose another --out DIR, or use the divider and settings of the first run.",
        )


def _take_division(
    source: RunFolder, target: RunFolder, answers: Sequence[Answer], divider: Producer
) -> None:
    """The claims of another folder that this divider made, as far as they aren't here yet."""
    if target.same_as(source):
        return
    keys = {division_key(answer.key, divider) for answer in answers}
    groups = by_answer(source.division.read()).values()
    target.division.add([c for group in groups if group[0].key in keys for c in group])
