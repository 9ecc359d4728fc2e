"""What a check finds."""

from groundtune.pipeline.check.people import CorrectedRate
from groundtune.pipeline.check.risk import RiskResult
from groundtune.pipeline.check.second import DetectorAgreement
from groundtune.pipeline.feedback.verdicts import ClaimSummary
from groundtune.records import Difference, Estimate, Record


class CheckSummary(Record):
    """check.json."""

    answers: int
    unchecked: int
    """Answers with a claim that has no verdict: no rate includes them."""
    images: int
    labeler: str
    claims: ClaimSummary
    estimates: tuple[Estimate, ...]
    """By the labeler alone; intervals resample images."""
    differences: tuple[Difference, ...]
    """Of each model from the first, where all have answered the same prompts."""
    corrected: dict[str, CorrectedRate]
    """By the model's name: the share of wrong answers by people's marks and verdicts together, and
    the labeler's error. Empty without enough marks."""
    marks: int
    """Answers that a person has marked."""
    second: DetectorAgreement | None = None
    """What an object detector says of the same claims, where one was asked."""
    risk: RiskResult | None = None
    """Which claims may be kept, where a risk was given and claims were marked."""
