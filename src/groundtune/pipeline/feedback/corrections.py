"""Stage "label": an annotator corrects answers segment by segment.

Resumable: a correction's key follows from its answer and its annotator, and only missing ones are
made.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from groundtune.errors import UserError
from groundtune.feedback.asking_order import AskingOrder
from groundtune.feedback.corrections import check_correction, correction_key
from groundtune.pipeline.feedback.doubts import priorities_of
from groundtune.pipeline.models.prompt_sources import load, source_of
from groundtune.pipeline.runs.folder import RunFolder, hash_of, prompt_of, read_some
from groundtune.protocols import Annotator, Progress
from groundtune.records import Answer, Correction, Producer, Prompt, Record
from groundtune.store.inputs import note_inputs
from groundtune.store.lock import one_writer
from groundtune.store.run_json import read_run

AT_ONCE = 50
"""Corrections between two writes: what a kill loses at the most."""


class LabelSettings(Record):
    """Who corrects, and how well."""

    annotator: str = ""
    """The prompt source whose simulated person corrects; the one of the prompts if empty."""
    error_rate: float = Field(default=0.0, ge=0, le=1)
    """Share of the errors that are missed or wrongly corrected; a quarter of that share of what is
    right is spoilt."""
    seed: int = 0
    order: AskingOrder = "added"
    """Which answers are corrected first, where `enough` leaves some out. By a labeler's doubt,
    whose claims must be there: "uncertain" where it is least sure, "suspected" where it thinks
    most is wrong."""
    enough: int = Field(default=0, ge=0)
    """Stop when this many answers have an error; 0 goes through all."""


class LabelSummary(Record):
    """What was found in the answers of the whole folder, made now or before."""

    answers: int
    labelled_now: int
    corrected: int
    """Answers in which something was wrong."""
    spans: int
    kinds: dict[str, int]
    """Spans by kind, the most frequent first."""


@one_writer()
def label_answers(
    source: Path,
    out: Path,
    annotator: Annotator,
    by: Producer,
    progress: Progress,
    *,
    enough: int | None = None,
    settings: LabelSettings | None = None,
    command: Sequence[str] = (),
) -> LabelSummary:
    """Has every answer of `source` corrected that isn't yet, into `out` (which may be `source`).

    The order and where to stop are those of `settings`; `enough` takes the place of theirs. `by`
    is the annotator: with the answer's key it makes the correction's, so it must name all that
    changes what the annotator does. `settings` and `command` go into the stage's run.json.

    Raises:
        UserError: there are no answers; a prompt is missing; `out` has corrections by another
            annotator or in another order; or a correction's spans don't give its text.
    """
    recipe = settings or LabelSettings()
    enough = recipe.enough if enough is None else enough
    folder, target = RunFolder(source), RunFolder(out)
    prompts, answers = folder.prompts_by_key(), read_some(folder.answers)
    _refuse_mixing(target, by)
    _refuse_other_order(target, recipe.order)
    priorities = priorities_of(folder, recipe.order, recipe.seed)
    used_prompts = [prompt_of(answer, prompts) for answer in answers]
    target.take_prompts(folder, {prompt.key: prompt for prompt in used_prompts}.values())
    target.take_answers(folder, answers)
    note_inputs(target.corrections.path, {"answers": answers, "prompts": used_prompts})
    keys = {correction_key(answer.key, by): answer for answer in answers}
    missing = target.corrections.missing(keys)
    missing = sorted(missing, key=lambda key: -priorities.get(keys[key].key, 0.0))
    lacking = enough - _wrong(target.corrections.read()) if enough else len(missing)
    number = 0
    progress.start("label", total=len(missing))
    while number < len(missing) and lacking > 0:
        some = missing[number : number + AT_ONCE]
        rows = [_correct(annotator, by, prompts, keys[key]) for key in some]
        rows = _until(rows, lacking) if enough else rows
        target.corrections.append(rows)
        lacking -= _wrong(rows) if enough else 0
        number += len(rows)
        progress.advance(len(rows))
    target.note(
        target.corrections,
        settings=settings or by,
        inputs={"answers": hash_of(folder.answers)},
        seeds={} if by.seed is None else {"label": by.seed},
        command=list(command),
    )
    return _summary(target.corrections.read(), number)


def open_annotator(settings: LabelSettings, folder: RunFolder) -> tuple[Annotator, Producer]:
    """Return the simulated person that the settings or the folder's prompts name, and who it is.

    Raises:
        UserError: there is none who knows these prompts, or no prompts.
    """
    prompts = read_some(folder.prompts)
    source = load(settings.annotator) if settings.annotator else source_of(prompts)
    if source is None or source.annotator is None:
        raise UserError(
            "No simulated annotator knows these prompts.",
            f"annotator={settings.annotator}" if settings.annotator else str(folder.prompts.path),
            "Have a model check claims (--by claims), or import corrections made by people.",
        )
    return source.annotator(settings.error_rate, settings.seed)


def _wrong(rows: Sequence[Correction]) -> int:
    """In how many answers something was found wrong."""
    return sum(1 for row in rows if row.spans)


def _until(rows: Sequence[Correction], enough: int) -> list[Correction]:
    """The rows up to the last of `enough` rows with an error."""
    with_errors = [place for place, row in enumerate(rows) if row.spans]
    return list(rows[: with_errors[enough - 1] + 1] if len(with_errors) >= enough else rows)


def _correct(
    annotator: Annotator, by: Producer, prompts: dict[str, Prompt], answer: Answer
) -> Correction:
    result = annotator.correct(prompts[answer.prompt], answer)
    if result.answer != answer.key or result.text != answer.text:
        raise ValueError(f"the annotator corrected another answer than {answer.key}")
    correction = result.model_copy(update={"key": correction_key(answer.key, by), "by": by})
    check_correction(correction)
    return correction


def _refuse_mixing(target: RunFolder, by: Producer) -> None:
    others = {row.by.name for row in target.corrections.read() if row.by != by}
    if others:
        raise UserError(
            f"The folder already has corrections by others ({', '.join(sorted(others))}).",
            str(target.corrections.path),
            "Choose another folder with --out DIR, or use the settings of the first run.",
        )


def _refuse_other_order(target: RunFolder, order: AskingOrder) -> None:
    """Where `enough` left some out, the corrections are those of one order."""
    if not (target.corrections.path / "run.json").exists():
        return
    before = read_run(target.corrections.path).recipe.get("order", "added")
    if before != order:
        raise UserError(
            f"The folder has corrections in another order ({before}, not {order}).",
            str(target.corrections.path),
            f"Choose another folder with --out DIR, or use --order {before}.",
        )


def _summary(corrections: Sequence[Correction], labelled_now: int) -> LabelSummary:
    kinds = Counter(span.kind for row in corrections for span in row.spans)
    return LabelSummary(
        answers=len(corrections),
        labelled_now=labelled_now,
        corrected=_wrong(corrections),
        spans=kinds.total(),
        kinds=dict(kinds.most_common()),
    )
