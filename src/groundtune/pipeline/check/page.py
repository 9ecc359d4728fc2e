"""The report of a check: the claim-checked rate, its correction, and answers with marked words."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.pipeline.check.found import CheckSummary
from groundtune.pipeline.check.people import CorrectedRate
from groundtune.pipeline.check.risk import RiskResult
from groundtune.pipeline.check.scores import METRICS, WHERE
from groundtune.pipeline.check.second import agreement_text
from groundtune.pipeline.check.verdict import finding
from groundtune.pipeline.feedback.verdicts import HIGH, checked_text, verdict_count
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.records import Estimate, Score
from groundtune.report import model
from groundtune.report.examples import ItemView, choose_examples
from groundtune.report.figures import HasInterval, quantity
from groundtune.report.model import estimate_of
from groundtune.report.page import write_report
from groundtune.report.sampling import count_answers
from groundtune.report.specs import metric_specs, with_labeler_name
from groundtune.report.verdict import verdict_text

CORRECTED = model.MetricSpec(
    name="wrong_answers",
    label="Answers with something wrong, by people's marks",
    better="lower",
    explanation="Prediction-powered: the labeler's verdicts, corrected by the marked answers.",
)
BY_MARKS = model.MetricSpec(
    name="wrong_by_marks",
    label="The same, of the marked answers alone",
    better="lower",
    explanation="What the marks would give without a labeler.",
    chart=False,
)
UNKNOWN = (
    "The labeler's own error is not known here: mark some answers of to-mark.jsonl (true where "
    "something is wrong; their images are in to-mark), and check again with --marks."
)
LIMITS = (
    "Intervals resample images: they speak of images like these, not of others.",
    "A claim that the image can't decide is counted like any other.",
)


class CheckPage(NamedTuple):
    """Where the page is, and what it says first."""

    path: Path
    verdict: str


def write_page(folder: RunFolder, result: CheckSummary, scores: Sequence[Score]) -> CheckPage:
    """Write report.html of a check into its folder."""
    names = list(dict.fromkeys(score.model for score in scores))
    prompts = folder.prompts_by_key()
    answers = folder.answers.read()
    by_score = {score.key: a.prompt for score, a in zip(scores, answers, strict=True)}

    def item(score: Score) -> ItemView:
        prompt = prompts[by_score[score.key]]
        files = tuple(folder.images.read(sha256) for sha256 in prompt.images)
        return ItemView(images=files, prompt=prompt.question, name=prompt.source.name)

    leads = CORRECTED.name if result.corrected else METRICS[0].name
    subject = claims_subject("Claims", CORRECTED, BY_MARKS, labeler=result.labeler).model_copy(
        update={
            "headline": model.MetricRef(benchmark=WHERE, metric=leads),
            "notes": tuple(_notes(result)),
            "limits": LIMITS,
        }
    )
    page = model.ReportInput(
        title=f"Answers checked in {folder.path.resolve().name}",
        caveat=caveat(result),
        finding=finding(result),
        summary=_summary(result),
        models=tuple(model.ModelSpec(name=name, label=name) for name in names),
        subject=subject,
        headline=subject.lead(names[1] if result.differences else names[0], names[0]),
        estimates=(*_corrected(result), *result.estimates),
        differences=result.differences,
        counts=count_answers(answers),
        examples=choose_examples(scores, names[0], names[-1], item, others=names[1:-1], number=24),
        provenance=provenance_of(folder.path),
    )
    return CheckPage(
        write_report(folder.path, page), verdict_text(page.model_copy(update={"caveat": None}))
    )


def claims_subject(label: str, *further: model.MetricSpec, labeler: str = "") -> model.Subject:
    """Checked claims, and `further` metrics before them, under a label for the benchmark.

    What a `labeler` rejects is said in its name.
    """
    return model.Subject(
        metrics=(*further, *with_labeler_name(labeler, metric_specs(METRICS))),
        benchmarks=(model.BenchmarkSpec(name=WHERE, label=label),),
    )


def corrected_note(name: str, each: CorrectedRate) -> str:
    """The labeler's own error, in a sentence."""
    error = each.error
    right = error.marked - error.wrong
    agreed = error.agreement
    return (
        f"{name}: of {error.marked} marked answers {error.wrong} have something wrong. The "
        f"labeler rejects a claim of {error.caught} of these, and of {error.accused} of the "
        f"{right} others. It agrees with the marks on {agreed.value:.0%} "
        f"(95% interval {agreed.low:.0%} to {agreed.high:.0%}, n = {error.marked})."
    )


def kept_text(risk: RiskResult) -> str:
    """Which claims may be kept, in a sentence."""
    limit = f"at most {risk.risk:.0%} wrong, with {risk.confidence:.0%} confidence"
    skipped = (
        f" {risk.skipped} claims above the last marked one have no mark and count as wrong."
        if risk.skipped
        else ""
    )
    if risk.threshold is None:
        return (
            f"No claims can be kept ({limit}): of {risk.marked} marked claims {risk.wrong_marked} "
            "are wrong, too many of them among those that the labeler doubts least. Use a better "
            f"labeler, or mark more claims: even {risk.needed} without one wrong would be enough."
            f"{skipped}"
        )
    return (
        f"{risk.kept:,} of {risk.claims:,} claims with a verdict ({risk.share:.0%}) can be kept "
        f"({limit}): those that the labeler doubts by at most {risk.threshold:.2g}. Of the "
        f"{risk.marked_kept} marked ones among them {risk.wrong_kept} are wrong; of all "
        f"{risk.marked}, {risk.wrong_marked}.{skipped}"
    )


def checked_line(result: CheckSummary) -> str:
    """How many answers were checked, and what became of the claims, as a list of counts."""
    checked = result.answers - result.unchecked
    return f"answers: {checked:,} of {result.answers:,}; {checked_text(result.claims)}"


def caveat(result: CheckSummary) -> model.Caveat | None:
    """What comes before all figures where many answers were not checked."""
    if result.unchecked < HIGH * result.answers:
        return None
    share = result.unchecked / result.answers
    return model.Caveat(
        title=f"{share:.0%} of the answers could not be checked",
        text=f"What was checked: {checked_line(result)}. No rate includes the other answers.",
    )


def _summary(result: CheckSummary) -> str:
    claims = result.claims
    mass = ""
    if claims.answered is not None:
        mass = f" Yes and no together had a probability of {claims.answered:.1%}."
    return (
        f"{quantity(result.answers, 'answer')} about {quantity(result.images, 'image')}, divided "
        f"into {quantity(claims.claims, 'claim')}. {result.labeler} looked at the image and said "
        f"yes or no to {verdict_count(claims):,} of them.{mass} "
        f"What was checked: {checked_line(result)}."
    )


def _corrected(result: CheckSummary) -> list[Estimate]:
    def row(spec: model.MetricSpec, share: HasInterval, name: str, n: int) -> Estimate:
        return estimate_of(share, name, model.MetricRef(benchmark=WHERE, metric=spec.name), n)

    return [
        each
        for name, corrected_note in result.corrected.items()
        for each in (
            row(
                CORRECTED,
                corrected_note.share,
                name,
                corrected_note.marked + corrected_note.unmarked,
            ),
            row(BY_MARKS, corrected_note.by_marks, name, corrected_note.marked),
        )
    ]


def _notes(result: CheckSummary) -> list[model.Note]:
    notes = [model.Note(text=kept_text(result.risk))] if result.risk else []
    notes += [model.Note(text=agreement_text(result.second))] if result.second else []
    if not result.corrected:
        return [model.Note(kind="warning", text=UNKNOWN), *notes]
    return [
        *notes,
        *(model.Note(text=corrected_note(name, each)) for name, each in result.corrected.items()),
    ]
