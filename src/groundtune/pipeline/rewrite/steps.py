"""All steps from verified answers to pairs of each kind, and what became of everything."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from groundtune.feedback.corrections import correction_from_texts
from groundtune.feedback.joint_claims import JointClaims, counts_of
from groundtune.feedback.yes_no_pairs import yes_no_pairs
from groundtune.pipeline.rewrite.drafts import Room, Sides, correct, extend
from groundtune.pipeline.rewrite.first_sentence import first_sentence_pairs
from groundtune.pipeline.rewrite.settings import RewriteSummary, StepCounts
from groundtune.pipeline.rewrite.wordings import reword
from groundtune.records import Answer, Pair, Prompt


class MadePairs(NamedTuple):
    """The pairs by their kinds, and the prompts that only they have."""

    described: list[Pair]
    """Of whole answers: their style is checked."""
    further: list[Pair]
    """Of first sentences and of yes/no questions."""
    prompts: list[Prompt]


def run_steps(room: Room, answers: Sequence[Answer]) -> tuple[RewriteSummary, MadePairs]:
    """Run the steps, and count what became of the answers."""
    losses: dict[str, int] = defaultdict(int)
    claims = room.verifiers.verify(room.folder)
    readable = [answer for answer in answers if claims[answer.key].is_read]
    sides, alternatives = correct(room, readable, claims, losses)
    sides, additions = extend(room, sides, losses)
    drafts = [each for each in sides if each.corrected or each.extended]
    _keep(room, drafts)
    wordings = reword(room, drafts)
    kinds = room.settings.kinds
    described = wordings.pairs if "whole" in kinds else []
    counts = StepCounts(
        answers=len(answers),
        unread=len(answers) - len(readable),
        nothing_to_do=len(sides) - len(drafts),
        drafts=len(drafts),
        corrected=sum(each.corrected for each in drafts),
        extended=sum(each.extended for each in drafts),
        wordings=wordings.number,
        wordings_lost=wordings.losses,
    ).model_copy(update=losses)
    pair_sets, counts = _further(room, readable, claims, alternatives, counts, described)
    proposals = {**alternatives, **additions}
    return _summary(room, counts, described, claims, proposals), pair_sets


def _further(
    room: Room,
    readable: Sequence[Answer],
    claims: Mapping[str, JointClaims],
    alternatives: Mapping[str, JointClaims],
    counts: StepCounts,
    described: list[Pair],
) -> tuple[MadePairs, StepCounts]:
    """The pairs of the other kinds that the settings ask for."""
    kinds, settings = room.settings.kinds, room.settings
    further: list[Pair] = []
    prompts: list[Prompt] = []
    update: dict[str, object] = {}
    if "first_sentence" in kinds:
        first = first_sentence_pairs(room, readable, claims, alternatives)
        further += first.pairs
        update |= {"first_sentences": len(first.pairs), "first_sentences_lost": first.losses}
    if "yes_no" in kinds:
        suffix = settings.asking.suffix
        questions = yes_no_pairs(readable, claims, room.prompts, suffix=suffix, seed=settings.seed)
        further += questions.pairs
        prompts += questions.prompts
        update |= {"yes_no": len(questions.pairs), "yes_no_unbalanced": questions.unbalanced}
    counts = counts.model_copy(update={**update, "pairs": len(described) + len(further)})
    return MadePairs(described, further, prompts), counts


def _summary(
    room: Room,
    counts: StepCounts,
    pairs: Sequence[Pair],
    claims: Mapping[str, JointClaims],
    proposals: Mapping[str, JointClaims],
) -> RewriteSummary:
    def mean(texts: Sequence[str]) -> float:
        return round(sum(len(text.split()) for text in texts) / max(1, len(texts)), 2)

    return RewriteSummary(
        labeler=room.settings.labeler,
        second=room.settings.second,
        counts=counts,
        claims=counts_of(claims),
        proposals=counts_of(proposals),
        words_chosen=mean([pair.chosen for pair in pairs]),
        words_rejected=mean([pair.rejected for pair in pairs]),
    )


def _keep(room: Room, drafts: Sequence[Sides]) -> None:
    """The drafts as corrections: `groundtune pairs` makes pairs of them without rewording."""
    by = room.corrector.producer()
    rows = [correction_from_texts(each.answer, each.chosen, by) for each in drafts]
    room.folder.corrections.replace(rows)
