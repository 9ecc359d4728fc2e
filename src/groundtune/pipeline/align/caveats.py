"""Warnings at the top of the page of rounds: unchecked answers, and rounds without improvement."""

from collections.abc import Sequence
from typing import NamedTuple

from groundtune.feedback.claims import NOT_READ
from groundtune.pipeline.align.choosing import START, RoundChoice
from groundtune.pipeline.align.steps import FeedbackCounts
from groundtune.pipeline.feedback.verdicts import HIGH
from groundtune.records import Score
from groundtune.report.figures import listed, quantity
from groundtune.report.model import Caveat

UNCHANGED = "No round was better: the model is unchanged"


class UnreadPart(NamedTuple):
    """The answers of one part of a run, and those of them that could not be checked."""

    what: str
    unread: int
    answers: int

    @property
    def share(self) -> float:
        """Share of the answers; 0 without any."""
        return self.unread / self.answers if self.answers else 0.0

    def __str__(self) -> str:
        return f"{self.unread:,} of {self.answers:,} {self.what}"


def learning_part(number: int, feedback: FeedbackCounts) -> UnreadPart:
    """The answers from which a round's pairs were built."""
    pairs = feedback.pairs
    unread = sum(pairs.unscored_why.get(why, 0) for why in NOT_READ)
    return UnreadPart(f"from which round {number} learnt", unread, pairs.answers - pairs.duplicates)


def choosing_part(number: int, choice: RoundChoice) -> UnreadPart:
    """The answers by which a round's checkpoint was chosen."""
    unread = sum(candidate.unchecked for candidate in choice.candidates)
    answers = choice.prompts * len(choice.candidates)
    return UnreadPart(f"by which round {number} chose its model", unread, answers)


def reported_part(scores: Sequence[Score]) -> UnreadPart:
    """The answers that the page reports."""
    unread = sum(score.status == "unparsed" for score in scores)
    return UnreadPart("that this page reports on", unread, len(scores))


def caveat_of(choices: Sequence[RoundChoice], parts: Sequence[UnreadPart]) -> Caveat | None:
    """Return the caveat before all values: many unread answers, then that no round was better."""
    vain = is_unchanged(choices)
    high = [part for part in parts if part.share >= HIGH]
    rounds = quantity(len(choices), "round")
    explanation = (
        f"After {rounds} no checkpoint was better, on prompts held back for this choice, than the "
        "model that its round began with. So nothing is compared: the figures are those of the "
        "model that the run began with."
    )
    if high:
        worst = max(high, key=lambda part: part.share)
        title = f"{worst.share:.0%} of the answers {worst.what} could not be checked"
        text = f"Not checked: {listed([str(part) for part in high])}. No figure includes them."
        return Caveat(title=title, text=f"{text} {UNCHANGED}. {explanation}" if vain else text)
    return Caveat(title=UNCHANGED, text=explanation) if vain else None


def is_unchanged(choices: Sequence[RoundChoice]) -> bool:
    """Whether every round kept the model that it began with."""
    return all(choice.chosen == START for choice in choices)
