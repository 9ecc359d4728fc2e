"""How a divider's claims, and spans of a diff, agree with what people marked.

OUT/prompts/ answers/ division/   the answers and their claims; resumable by key
OUT/people.json
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from groundtune.bench.stats.means import Mean, mean_interval
from groundtune.errors import UserError
from groundtune.feedback.claims import by_answer
from groundtune.feedback.diff import words
from groundtune.feedback.divide_align import content_words
from groundtune.feedback.people_marks import (
    LabelledAnswer,
    TaggedAnswer,
    is_faithscore,
    labelled_answers,
    tagged_answers,
)
from groundtune.pipeline.feedback.claim_settings import ClaimSettings, open_divider
from groundtune.pipeline.feedback.claims import divide_answers, refuse_other_division
from groundtune.pipeline.models.generators import close
from groundtune.pipeline.models.names import Labeler
from groundtune.pipeline.models.workers.local import LocalWorkers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress
from groundtune.records import Answer, Claim, Message, Producer, Prompt, Record, TextPart
from groundtune.store.json_writing import write_object
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer
from groundtune.store.run_json import write_run

QUESTION = "Describe the image."
LIKE = 0.5
"""Least share of common content words (Jaccard) of two statements that say the same."""


class PeopleAgreement(Record):
    """A divider's or a diff's agreement with people; intervals resample images or answers."""

    answers: int
    refused: int = 0
    """Rows whose marks are of another text."""
    unread: int = 0
    """Answers with a part that the divider could not divide: no rate includes them."""
    marks: int
    """People's claims or spans."""
    found: int
    """The divider's claims, or the spans of the diff."""
    recall: Mean | None
    """Of people's claims, those that the divider has too; of characters, for spans. This and the
    following are None where there is nothing that could be counted."""
    precision: Mean | None
    """Of the divider's claims, those that people have too."""
    facts_covered: Mean | None = None
    """Of sub-sentences that describe the image, those with a claim."""
    opinions_left: Mean | None = None
    """Of sub-sentences that don't, those without a claim."""


@one_writer()
def agree_with_people(
    path: Path,
    out: Path,
    settings: ClaimSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> PeopleAgreement:
    """Compare with the marks of FaithScore's or MHALO's file, into `out`.

    FaithScore's answers are divided by the settings' divider; MHALO's spans are compared with the
    diff between each answer and its corrected text.

    Raises:
        UserError: the file can't be read, a model can't be loaded, or it divides no answer.
    """
    if is_faithscore(path):
        answers = list(labelled_answers(path))
        claims = _divided(answers, RunFolder(out), settings, progress)
        agreement = claim_agreement(answers, claims)
        if agreement.unread == agreement.answers:
            raise _nothing_read(claims, settings.divider, out)
    else:
        tagged, refused = tagged_answers(path)
        agreement = span_agreement(tagged).model_copy(update={"refused": refused})
    write_run(out, settings.model_dump(mode="json"), {"marks": str(path)}, {}, list(command))
    write_object(out / "people.json", agreement, indent=1)
    return agreement


def claim_agreement(
    answers: Sequence[LabelledAnswer], claims: Sequence[Sequence[Claim]]
) -> PeopleAgreement:
    """The claims of each answer against people's, matched one to one by their words."""
    recall: list[tuple[str, float, float]] = []
    precision: list[tuple[str, float, float]] = []
    facts: list[tuple[str, float]] = []
    opinions: list[tuple[str, float]] = []
    unread = 0
    for answer, group in zip(answers, claims, strict=True):
        if any(claim.status == "unparsed" for claim in group):
            unread += 1
            continue
        checkable = [
            claim for claim in group if claim.status not in ("unparsed", "empty", "opinion")
        ]
        matched = _matched(list(answer.claims), [claim.text for claim in checkable])
        recall.append((answer.name, matched, len(answer.claims)))
        precision.append((answer.name, matched, len(checkable)))
        for part, describes in answer.parts.items():
            start = answer.text.find(part)
            covered = any(start < c.end and c.start < start + len(part) for c in checkable)
            rows = facts if describes else opinions
            rows.append((answer.name, float(covered is describes)))
    return PeopleAgreement(
        answers=len(answers),
        unread=unread,
        marks=int(sum(number for _, _, number in recall)),
        found=int(sum(number for _, _, number in precision)),
        recall=_ratio(recall),
        precision=_ratio(precision),
        facts_covered=_ratio([(name, value, 1.0) for name, value in facts]),
        opinions_left=_ratio([(name, value, 1.0) for name, value in opinions]),
    )


def span_agreement(answers: Sequence[TaggedAnswer]) -> PeopleAgreement:
    """Characters that a diff with the corrected text finds changed, against people's spans."""
    recall: list[tuple[str, float, float]] = []
    precision: list[tuple[str, float, float]] = []
    spans = marks = 0
    for answer in answers:
        if not answer.corrected:
            continue
        changed = [(s.start, s.end) for s in words(answer.text, answer.corrected).rejected]
        differing, marked = _characters(changed), _characters(answer.spans)
        common = len(differing & marked)
        recall.append((answer.name, common, len(marked)))
        precision.append((answer.name, common, len(differing)))
        spans, marks = spans + len(changed), marks + len(answer.spans)
    if not recall:
        raise UserError(
            "No row has a corrected text, so there is nothing to compare people's spans with.",
            "original_solution",
            "Give processed_rlhfv_dataset.json, whose answers are corrected.",
        )
    return PeopleAgreement(
        answers=len(recall),
        marks=marks,
        found=spans,
        recall=_ratio(recall),
        precision=_ratio(precision),
    )


def _characters(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {place for start, end in spans for place in range(start, end)}


def _ratio(rows: Sequence[tuple[str, float, float]]) -> Mean | None:
    """A ratio of sums, its interval over the rows' names; None if nothing is counted."""
    if not sum(weight for _, _, weight in rows):
        return None
    names, values, weights = zip(*rows, strict=True)
    return mean_interval(values, names, share=True, weights=weights)


def _nothing_read(claims: Sequence[Sequence[Claim]], divider: str, out: Path) -> UserError:
    reply = next(claim.text for group in claims for claim in group if claim.status == "unparsed")
    return UserError(
        f"None of {len(claims):,} replies of the divider could be read; the first is "
        f"{textwrap.shorten(reply, 80)!r}.",
        f"divider={divider}; {RunFolder(out).division.path}",
        "Name a model that follows instructions, or divider=sentences.",
    )


def _matched(theirs: Sequence[str], ours: Sequence[str]) -> int:
    """How many statements of two lists say the same: the most alike pairs first, each once."""
    stems = [[content_words(text) for text in texts] for texts in (theirs, ours)]
    likeness = [
        (len(one & other) / max(1, len(one | other)), i, j)
        for i, one in enumerate(stems[0])
        for j, other in enumerate(stems[1])
    ]
    first, second = set(range(len(theirs))), set(range(len(ours)))
    for value, i, j in sorted(likeness, key=lambda each: -each[0]):
        if value >= LIKE and i in first and j in second:
            first.remove(i)
            second.remove(j)
    return len(theirs) - len(first)


def _divided(
    rows: Sequence[LabelledAnswer],
    target: RunFolder,
    settings: ClaimSettings,
    progress: Progress,
) -> list[list[Claim]]:
    content = (TextPart(text=QUESTION),)
    messages = (Message(role="user", content=content),)
    prompt = Prompt(key=key_of("question", messages), messages=messages)
    by = Producer(kind="dataset", name="FaithScore")
    answers = [
        Answer(key=key_of("given", i, row.text), prompt=prompt.key, text=row.text, producer=by)
        for i, row in enumerate(rows)
    ]
    target.prompts.add([prompt])
    target.answers.add(answers)
    labelers: dict[str, Labeler] = {}
    try:
        divider = open_divider(settings, target, answers, labelers)
        refuse_other_division(target, divider.producer())
        about = {answer.key: prompt for answer in answers}
        divide_answers(target, answers, about, divider, progress, LocalWorkers())
    finally:
        close(labelers.values())
    groups = by_answer(target.division.read())
    return [groups[answer.key] for answer in answers]
