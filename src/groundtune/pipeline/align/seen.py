"""Images of training that rounds also report on: refused, or named on the page."""

from collections.abc import Iterable
from pathlib import Path

from groundtune.pipeline.align.settings import AlignSettings, round_name
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.overlap import (
    UsedImages,
    evaluations_of,
    images_of,
    refuse_common,
    training_images,
)
from groundtune.records import Prompt
from groundtune.report.model import Note

HELD_BACK = ("choosing", "reporting")


def refuse_learning_from_held_back(
    folder: Path, settings: AlignSettings, learning: Iterable[Prompt], out: RunFolder
) -> None:
    """Raise a UserError if a round learns from a held-back or evaluated image.

    A prompt source promises to keep its parts separate; this checks it.
    """
    parts = [RunFolder(folder / name) for name in HELD_BACK]
    held_out = [images_of(part.prompts.read(), part.images) for part in parts]
    training = images_of(learning, out.images)
    for evaluation in (*held_out, *evaluations_of(folder, ())):
        _refuse(training, evaluation, folder, settings, allowed=False)


def seen_notes(
    out: Path, settings: AlignSettings, rounds: int, *, setting: str = "", allowed: bool = False
) -> tuple[Note, ...]:
    """Return a warning if finished rounds report on images that they, or their base, learnt from.

    Args:
        out: Folder of the run.
        settings: Of the run.
        rounds: How many of them are reported.
        setting: What allows it, for the error; default: the run's own.
        allowed: Whether it is allowed although the run doesn't say so.

    Raises:
        UserError: there are such images, and nothing allows it.
    """
    names = (str(out / round_name(rounds) / "model"), settings.model, settings.adapter)
    common: dict[str, None] = {}
    page_images: dict[str, None] = {}
    for evaluation in evaluations_of(out, ()):
        page_images |= dict.fromkeys(evaluation.hashes)
        for training in training_images(names):
            matches = _refuse(training, evaluation, out, settings, setting=setting, allowed=allowed)
            common |= dict.fromkeys(matches)
    if not common:
        return ()
    text = (
        f"{len(common)} of the {len(page_images)} images that this page reports on are in the "
        "training data, or look like one there: a model looks better on images that it learnt from."
    )
    return (Note(kind="warning", text=text),)


def _refuse(
    training: UsedImages,
    evaluation: UsedImages,
    where: Path,
    settings: AlignSettings,
    *,
    setting: str = "",
    allowed: bool,
) -> list[str]:
    """Return the evaluation's images that are in the training data, where that is allowed."""
    matches = refuse_common(
        training,
        evaluation,
        where=str(where),
        setting=setting or "allow_evaluation_images=true",
        allowed=allowed or settings.allow_evaluation_images,
    )
    return [match.second for match in matches]
