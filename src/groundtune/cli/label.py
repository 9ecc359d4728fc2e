"""`groundtune label`."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundtune.cli.model_options import ENGINE, EngineOptions

if TYPE_CHECKING:
    from groundtune.cli.given import Given


def label(
    *recipe: str,
    answers: Path,
    out: Path | None = None,
    by: Literal["corrections", "claims"] = "corrections",
    annotator: str | None = None,
    error_rate: float | None = None,
    labeler: str | None = None,
    divider: str | None = None,
    seed: int | None = None,
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Correct answers segment by segment, or have their claims checked by a model.

    By corrections, an annotator replaces, deletes or inserts the words that are wrong in each
    answer. By claims, each answer is divided into statements, and a labeler says yes or no to each
    of them from the picture. Run again, it goes on where it stopped.

    Args:
        recipe: A YAML file, if any, and key=value settings. Corrections: annotator, error_rate,
            seed. Claims: labeler, divider, questions, instruction, asking.suffix, batch_size, ...
        answers: Folder that holds the answers, as `groundtune sample` wrote it.
        out: Folder for the feedback; without it, it is added to the answers' folder.
        by: What feedback is given.
        annotator: The prompt source whose simulated person corrects: world. Without it, the one of
            the answers' prompts.
        error_rate: Share of errors that the simulated person misses or mends wrongly, 0 to 1.
        labeler: Who checks claims: a model, or "self" for the one that answered.
        divider: Who divides answers into claims: a model, "self", or a prompt source's own rules:
            world, the default for answers about the embedded world.
        seed: Seed of the simulated person.
        running: Where claims are checked.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.given import read_words

    corrects: dict[str, object] = {"annotator": annotator, "error_rate": error_rate, "seed": seed}
    checks = {"labeler": labeler, "divider": divider, **running.settings()}
    options = corrects if by == "corrections" else checks
    _refuse(checks if by == "corrections" else corrects, by)
    stage = _by_corrections if by == "corrections" else _by_claims
    stage(read_words(recipe), options, answers, out or answers, json)


def _by_corrections(
    given: "Given", options: Mapping[str, object], answers: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.corrections import (
        LabelSettings,
        label_answers,
        open_annotator,
    )
    from groundtune.pipeline.folder import RunFolder
    from groundtune.recipe import load

    settings = load(given.path, given.settings, LabelSettings, options=options)
    person, by = open_annotator(settings, RunFolder(answers))
    with open_progress(silent=json) as progress:
        made = label_answers(
            answers, out, person, by, progress, settings=settings, command=sys.argv
        )
    kinds: object = made.kinds if json else _listed(made.kinds)
    finish(
        {**made.model_dump(), "kinds": kinds},
        wrote=out / "corrections",
        next_command=f"groundtune pairs --corrections {shlex.quote(str(out))}",
        json=json,
    )


def _by_claims(
    given: "Given", options: Mapping[str, object], answers: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.claim_settings import (
        ClaimSettings,
        base_settings,
        open_labelling,
    )
    from groundtune.pipeline.feedback.claims import label_claims
    from groundtune.pipeline.folder import RunFolder
    from groundtune.recipe import load

    folder = RunFolder(answers)
    settings = load(
        given.path, given.settings, ClaimSettings, command=base_settings(folder), options=options
    )
    with open_progress(silent=json) as progress:
        progress.start(f"load {settings.labeler}")
        with open_labelling(settings, folder) as labelling:
            made = label_claims(
                answers, out, labelling, progress, settings=settings, command=sys.argv
            )
    shown: dict[str, object] = made.model_dump()
    if not json:
        del shown["kinds"]
        shown["statuses"] = _listed(made.statuses)
        shown |= {kind: _listed(statuses) for kind, statuses in made.kinds.items()}
    finish(
        shown,
        wrote=out / "claims",
        next_command=f"groundtune pairs --claims {shlex.quote(str(out))}",
        json=json,
    )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _refuse(others: Mapping[str, object], by: str) -> None:
    """Options of the other kind of feedback would be passed over in silence."""
    from groundtune.errors import UserError

    wrong = [name for name, value in others.items() if value is not None]
    if wrong:
        option = "--" + wrong[0].replace("engine.type", "engine").removeprefix("engine.")
        option = option.replace("_", "-")
        other = "claims" if by == "corrections" else "corrections"
        raise UserError(
            f"{option} says nothing of feedback by {by}.",
            option,
            f"Leave it out, or add --by {other}.",
        )
