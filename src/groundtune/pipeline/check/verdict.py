"""What a check of one model says, in the labeler's name: its title and its sentences."""

import math

from groundtune.pipeline.check.found import CheckSummary
from groundtune.pipeline.check.people import CorrectedRate
from groundtune.pipeline.feedback.verdicts import verdict_count
from groundtune.records import Estimate
from groundtune.report.figures import HasInterval
from groundtune.report.model import Finding


def finding(summary: CheckSummary) -> Finding | None:
    """Return the page's first words; None for several models, which are compared instead."""
    names = {each.model for each in summary.estimates}
    figures = {each.metric: each for each in summary.estimates if math.isfinite(each.value)}
    answers = figures.get("rejected_answers")
    if len(names) != 1 or answers is None:
        return None
    rejections = f"{summary.labeler} rejects {_rejections(summary, figures, answers)}"
    whose = f"{answers.model}'s answers"
    if (rate := summary.corrected.get(answers.model)) is not None:
        title = f"By people's marks, {rate.share.value:.1%} of {whose} have something wrong"
        return Finding(title=title, text=f"{_corrected_text(rate)} {rejections}.")
    return Finding(
        title=f"{summary.labeler} rejects a claim in {answers.value:.1%} of {whose}",
        text=f"{rejections}. This is the labeler's opinion: no person has marked what is wrong.",
    )


def _rejections(summary: CheckSummary, figures: dict[str, Estimate], answers: Estimate) -> str:
    of = f"at least one claim in {answers.value:.1%} of the answers {_behind(answers, answers.n)}"
    claims = figures.get("rejected_claims")
    if claims is None:
        return of
    checked = f"{verdict_count(summary.claims):,} claims with a verdict"
    share = f"{claims.value:.1%} of the {checked} {_behind(claims, claims.n, ' answers')}"
    return f"{share}: {of}"


def _corrected_text(rate: CorrectedRate) -> str:
    number = rate.marked + rate.unmarked
    behind = _behind(rate.share, number, f" answers, {rate.marked:,} of them marked")
    return f"The marks and all verdicts together give {rate.share.value:.1%} {behind}."


def _behind(share: HasInterval, n: int, of: str = "") -> str:
    return f"(95% interval {share.low:.1%} to {share.high:.1%}, n = {n:,}{of})"
