"""Stage "check": answers about your own images, for which no ground truth is known.

Each answer is divided into claims, a labeler says yes or no to them, and what it says no to is
marked. A person's marks on a few answers turn that into a share of wrong answers with an interval,
and say how far the labeler can be believed.

    OUT/prompts/ images/ answers/ division/ claims/   resumable by key
    OUT/scores/         a score an answer, with the characters of its rejected claims
    OUT/to-mark.jsonl   answers drawn at random, for a person to mark
    OUT/to-mark/        their images, by the names that their owner knows
    OUT/check.json report.html
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from groundtune.bench.summary import summarise
from groundtune.errors import UserError
from groundtune.pipeline.check.found import CheckSummary
from groundtune.pipeline.check.marked_claims import (
    CLAIMS_TO_MARK,
    read_claim_marks,
    refuse_few_marks,
    write_claims_to_mark,
    write_kept,
)
from groundtune.pipeline.check.people import (
    LEAST,
    CorrectedRate,
    corrected,
    read_marks,
    verdicts_of,
)
from groundtune.pipeline.check.risk import RiskResult, calibrate, doubt_of
from groundtune.pipeline.check.scores import METRICS, scores_of
from groundtune.pipeline.check.second import ask_detector
from groundtune.pipeline.check.to_mark import TO_MARK, write_to_mark
from groundtune.pipeline.feedback.claim_settings import (
    SELF,
    ClaimSettings,
    base_settings,
    by_rules,
    labeler_settings,
    open_labelling,
)
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.feedback.oracles import is_oracle
from groundtune.pipeline.feedback.verdicts import ClaimSummary, require_verdicts
from groundtune.pipeline.feedback.wrong_words import finds_words
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.given import import_answers, is_file, is_folder
from groundtune.pipeline.sample.run import SampleSettings
from groundtune.protocols import Progress
from groundtune.recipe_loading import load
from groundtune.records import Answer, Sampling, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.json_writing import write_object
from groundtune.store.lock import one_writer
from groundtune.store.run_json import write_run


class CheckSettings(ClaimSettings):
    """Who is checked, and by whom; a claim's settings besides."""

    ask: str = "Describe the image."
    """What a model is asked about each image, and what rows without a question were asked."""
    max_new_tokens: int = Field(default=512, ge=1)
    """Of a model's answers."""
    mark: int = Field(default=30, ge=0)
    """Answers that are drawn for a person to mark."""
    seed: int = 0
    """Which ones those are."""
    detector: str = ""
    """An object detector that is asked about the same claims, next to the labeler: a folder or a
    hub name."""
    risk: float = Field(default=0.0, ge=0, lt=1)
    """Largest share of wrong claims among those that are kept; 0 keeps no list."""
    confidence: float = Field(default=0.9, gt=0, lt=1)
    """How sure that is to be, over draws of the marked claims."""
    mark_claims: int = Field(default=200, ge=1)
    """Claims that are drawn for a person to mark, where there is a risk."""


class CheckResult(NamedTuple):
    """What was found, and where it is."""

    summary: CheckSummary
    verdict: str
    results: Path
    report: Path
    to_mark: Path
    claims_to_mark: Path | None
    """None without a risk."""


@one_writer()
def check(
    what: str,
    out: Path,
    overrides: Sequence[str],
    progress: Progress,
    *,
    options: Mapping[str, object] | None = None,
    images: Path | None = None,
    marks: Path | None = None,
    claim_marks: Path | None = None,
    command: Sequence[str] = (),
) -> CheckResult:
    """Checks the answers of a folder, a file or a model, as far as `out` lacks it.

    `overrides` are key=value settings of `CheckSettings`, `options` the same as data; for the
    embedded world's own prompts and labeler, its divider and wording are the defaults.

    Raises:
        UserError: there are no answers, a model can't be loaded or doesn't answer yes or no, no
            claim has a verdict, marks that can't be read, or `out` holds another check.
    """
    target = RunFolder(out)
    first = load(None, overrides, CheckSettings, options=options)
    defaults = labeler_settings(first.labeler)
    first = load(None, overrides, CheckSettings, command=defaults, options=options)
    words = finds_words(first.labeler)
    if is_file(what) and not words and SELF in (first.labeler, first.divider):
        name = "labeler" if first.labeler == SELF else "divider"
        raise UserError(
            f"The {name} is the model that gave the answers, and a file doesn't hold it.",
            what,
            f"Name one: {name}=MODEL (a folder, a hub name, or openai:MODEL@URL).",
        )
    for name in set[str]() if words else {first.labeler, first.divider} - {SELF}:
        if not by_rules(name) and not is_oracle(name):
            resolve(name)  # a folder that doesn't exist is refused before a model has answered
    is_path = is_file(what) or is_folder(what)
    model = None if is_path else _sample_settings(what, images, first)
    import_answers(what, target, images, first.ask, model, progress)
    command_settings = base_settings(target, first.labeler)
    settings = load(None, overrides, CheckSettings, command=command_settings, options=options)
    progress.start(f"load {settings.labeler}")
    with open_labelling(settings, target) as labelling:
        summary = label_claims(out, out, labelling, progress, settings=settings, command=command)
        labeler = labelling.by.name
    require_verdicts(summary, settings.labeler, settings.divider, out)
    result, scores = _summarise(target, settings, summary, labeler, marks)
    result = result.model_copy(update={"risk": _risk(target, settings, claim_marks)})
    if settings.detector:
        second = ask_detector(target, settings, settings.detector, progress, command)
        result = result.model_copy(update={"second": second})
    inputs = {"answers": what, "labeler": labeler}
    write_run(out, settings.model_dump(mode="json"), inputs, {"mark": settings.seed}, list(command))
    stored = RecordSet(out / "scores", Score)
    stored.add(scores)
    results = out / "check.json"
    write_object(results, result, indent=1)
    from groundtune.pipeline.check.page import write_page

    page = write_page(target, result, scores)
    claims_to_mark = out / CLAIMS_TO_MARK if settings.risk else None
    return CheckResult(result, page.verdict, results, page.path, out / TO_MARK, claims_to_mark)


def _risk(target: RunFolder, settings: CheckSettings, marks: Path | None) -> RiskResult | None:
    """Draw claims to mark, or calibrate by the marks, where there is a risk."""
    if not settings.risk:
        if marks is not None:
            raise UserError(
                "Marks of claims say which claims may be kept, but no risk is given.",
                str(marks),
                "Add --risk 0.05, for example.",
            )
        return None
    claims = target.claims.read()
    answers = {answer.key: answer for answer in target.answers.read()}
    records = claims, answers, target.prompts_by_key()
    write_claims_to_mark(target, *records, settings.mark_claims, settings.seed)
    if marks is None:
        return None
    doubts = [doubt for claim in claims if (doubt := doubt_of(claim)) is not None]
    claim_marks = read_claim_marks(marks, target.path / CLAIMS_TO_MARK, claims)
    refuse_few_marks(claim_marks, settings.risk, settings.confidence, marks)
    risk = calibrate(doubts, claim_marks.marks, settings.risk, settings.confidence)
    risk = risk.model_copy(update={"skipped": claim_marks.skipped})
    write_kept(target.path, claims, risk)
    return risk


def _sample_settings(model: str, images: Path | None, settings: CheckSettings) -> SampleSettings:
    """Return how a model is asked about a folder's images: greedily, once each."""
    sampling = Sampling(temperature=0, max_new_tokens=settings.max_new_tokens)
    values = {"model": model, "images": str(images or ""), "n": 1, "sampling": sampling, "seed": 0}
    return settings.part(SampleSettings, **values)


def _summarise(
    target: RunFolder,
    settings: CheckSettings,
    summary: ClaimSummary,
    labeler: str,
    marks: Path | None,
) -> tuple[CheckSummary, list[Score]]:
    answers, prompts = target.answers.read(), target.prompts_by_key()
    scores = scores_of(answers, target.claims.read(), prompts)
    write_to_mark(target, answers, prompts, settings.mark, settings.seed)
    wrong = read_marks(marks, answers) if marks else {}
    names = list(dict.fromkeys(score.model for score in scores))
    tables = summarise(scores, against=names[0], metrics=lambda _: METRICS, skip_other_items=True)
    checked = CheckSummary(
        answers=len(answers),
        unchecked=sum(score.status == "unparsed" for score in scores),
        images=len({score.image for score in scores}),
        labeler=labeler,
        claims=summary,
        estimates=tables.estimates,
        differences=tables.differences,
        corrected=_corrected(answers, scores, wrong, names),
        marks=len(wrong),
    )
    return checked, scores


def _corrected(
    answers: Sequence[Answer],
    scores: Sequence[Score],
    wrong: dict[str, bool],
    names: Sequence[str],
) -> dict[str, CorrectedRate]:
    rates: dict[str, CorrectedRate] = {}
    for name in names:
        group = {
            answer.key: score
            for answer, score in zip(answers, scores, strict=True)
            if score.model == name
        }
        rate = corrected(verdicts_of(group, wrong))
        if rate is not None:
            rates[name] = rate
    if wrong and not rates:
        raise UserError(
            f"{len(wrong)} marks are too few for an interval.",
            "--marks",
            f"Mark answers about at least {LEAST} images of a model, drawn at random.",
        )
    return rates
