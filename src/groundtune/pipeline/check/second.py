"""An object detector next to the labeler: what both say of claims about objects.

OUT/second/claims/   what the detector says of the same claims
"""

from collections.abc import Sequence

from groundtune.feedback.joint_claims import counts_of, joint_claims
from groundtune.pipeline.feedback.claim_settings import ClaimSettings, open_labelling
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.oracles import DETECTOR
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress
from groundtune.records import Claim, Record


class DetectorAgreement(Record):
    """The labeler's and an object detector's verdicts on the same claims."""

    detector: str
    decided: int
    """Claims on which the detector has a verdict: those about its classes."""
    both_support: int
    both_reject: int
    disagree: int
    """Unsure: one supports what the other rejects."""
    undecided: int
    """Claims on which the labeler alone has a verdict."""


def ask_detector(
    target: RunFolder,
    settings: ClaimSettings,
    detector: str,
    progress: Progress,
    command: Sequence[str],
) -> DetectorAgreement:
    """Ask a detector about a folder's divided claims, and compare with the labeler's verdicts.

    Raises:
        UserError: the detector can't be loaded.
    """
    other = settings.model_copy(update={"labeler": DETECTOR + detector})
    out = target.path / "second"
    progress.start(f"load {detector}")
    with open_labelling(other, target) as labelling:
        label_claims(target.path, out, labelling, progress, settings=other, command=command)
    return agreement_of(detector, target.claims.read(), RunFolder(out).claims.read())


def agreement_of(
    detector: str, first: Sequence[Claim], second: Sequence[Claim]
) -> DetectorAgreement:
    """How the verdicts on the same claims agree."""
    counts = counts_of(joint_claims(first, second))
    verdicts = {"supported", "rejected"}
    decided = sum(claim.status in verdicts for claim in second)
    both = sum(
        one.status in verdicts and two.status in verdicts
        for one, two in zip(first, second, strict=True)
    )
    right, wrong = counts.get("right", 0), counts.get("wrong", 0)
    return DetectorAgreement(
        detector=detector,
        decided=decided,
        both_support=right,
        both_reject=wrong,
        disagree=both - right - wrong,
        undecided=sum(claim.status in verdicts for claim in first) - both,
    )


def agreement_text(agreement: DetectorAgreement) -> str:
    """What the detector adds, in a sentence."""
    return (
        f"{agreement.detector} has a verdict on {agreement.decided:,} claims about its classes: "
        f"both support {agreement.both_support:,} and reject {agreement.both_reject:,}, "
        f"and they disagree on {agreement.disagree:,}. On {agreement.undecided:,} claims "
        "the labeler alone has one."
    )
