"""`groundtune label`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundtune.cli.model_options import ENGINE, EngineOptions
from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.cli.recipe_argument import RecipeArgument


def label(
    recipe: str | None = None,
    /,
    *settings: Settings,
    answers: Path,
    out: Path | None = None,
    by: Literal["corrections", "comparisons", "claims"] = "corrections",
    annotator: str | None = None,
    error_rate: float | None = None,
    labeler: str | None = None,
    divider: str | None = None,
    order: Literal["added", "random", "uncertain", "suspected"] | None = None,
    seed: int | None = None,
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Correct or compare answers, or check their claims with a model.

    With --by corrections, an annotator replaces, deletes or inserts the wrong words of each
    answer. With --by comparisons, a simulated person says which of two answers to a prompt is
    better, honesty first. With --by claims, a divider splits each answer into claims, and a labeler
    looks at the image and says yes or no to each claim. A command that was stopped resumes when you
    run it again.

    For example:

        groundtune label --answers runs/candidates
        groundtune label --answers runs/candidates --order suspected enough=200
        groundtune label --answers runs/candidates --by comparisons per_prompt=3
        groundtune label --answers runs/candidates --by claims --labeler world:labeler

    Args:
        recipe: YAML file with settings, if you have one.
        settings: Settings that have no option. For corrections: enough. For comparisons:
            per_prompt. For claims: questions, instruction, asking.suffix, batch_size, device,
            dtype.
        answers: Folder with the answers that `groundtune sample` wrote.
        out: Folder for the feedback (default: the folder of the answers).
        by: Kind of feedback.
        annotator: Who corrects or compares: the simulated person of a prompt source, such as world
            (default: that of the answers' prompts).
        error_rate: Share of errors that the simulated person misses or corrects wrongly, or of
            verdicts that are the wrong way round, 0 to 1.
        labeler: Who checks the claims: a model, or "self" for the model that answered (default
            self).
        divider: Who splits answers into claims: a model, "self", or "world" for the rules of the
            embedded world, which are the default for its answers.
        order: Which answers are corrected first, where the setting enough leaves some out: as
            added, random, or by the claims of a labeler: those of which it is unsure, or suspected
            ones, in which it thinks most is wrong (default added).
        seed: Random seed of the simulated person and of the order.
        running: Where the claims are checked.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.recipe_argument import read_recipe

    person: dict[str, object] = {"annotator": annotator, "error_rate": error_rate, "seed": seed}
    order_option: dict[str, object] = {"order": order}
    checks = {"labeler": labeler, "divider": divider, **running.settings()}
    options = {"corrections": person | order_option, "comparisons": person, "claims": checks}
    if by == "claims":
        _refuse(person, by, other="corrections")
    else:
        _refuse(checks, by, other="claims")
    if by != "corrections":
        _refuse(order_option, by, other="corrections")
    stages = {
        "corrections": _by_corrections,
        "comparisons": _by_comparisons,
        "claims": _by_claims,
    }
    stages[by](read_recipe(recipe, settings), options[by], answers, out or answers, json)


def _by_corrections(
    source: "RecipeArgument", options: Mapping[str, object], answers: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.corrections import (
        LabelSettings,
        label_answers,
        open_annotator,
    )
    from groundtune.pipeline.runs.folder import RunFolder

    settings = source.load(LabelSettings, options)
    person, by = open_annotator(settings, RunFolder(answers))
    with open_progress(silent=json) as progress:
        summary = label_answers(
            answers,
            out,
            person,
            by,
            progress,
            settings=settings,
            command=sys.argv,
        )
    kinds: object = summary.kinds if json else _listed(summary.kinds)
    finish(
        {**summary.model_dump(), "kinds": kinds},
        path=out / "corrections",
        next_command=["groundtune", "pairs", "--corrections", out],
        json=json,
    )


def _by_comparisons(
    source: "RecipeArgument", options: Mapping[str, object], answers: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.comparisons import CompareSettings, compare_answers

    settings = source.load(CompareSettings, options)
    with open_progress(silent=json) as progress:
        summary = compare_answers(answers, out, settings, progress, command=sys.argv)
    finish(
        summary.model_dump(),
        path=out / "comparisons",
        next_command=["groundtune", "reward", "train", "world-reward", "--feedback", out],
        json=json,
    )


def _by_claims(
    source: "RecipeArgument", options: Mapping[str, object], answers: Path, out: Path, json: bool
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.feedback.claim_settings import (
        ClaimSettings,
        base_settings,
        open_labelling,
    )
    from groundtune.pipeline.feedback.claims import label_claims
    from groundtune.pipeline.feedback.verdicts import checked_text, require_verdicts
    from groundtune.pipeline.runs.folder import RunFolder

    folder = RunFolder(answers)
    settings = source.load(ClaimSettings, options, base=base_settings(folder))
    with open_progress(silent=json) as progress:
        progress.start(f"load {settings.labeler}")
        with open_labelling(settings, folder) as labelling:
            summary = label_claims(
                answers, out, labelling, progress, settings=settings, command=sys.argv
            )
    require_verdicts(summary, settings.labeler, settings.divider, out)
    output: dict[str, object] = summary.model_dump()
    if not json:
        del output["kinds"], output["asked_parts"]
        output["statuses"] = _listed(summary.statuses)
        output |= {kind: _listed(statuses) for kind, statuses in summary.kinds.items()}
        output["checked"] = checked_text(summary)
    finish(
        output,
        path=out / "claims",
        next_command=["groundtune", "pairs", "--claims", out],
        json=json,
    )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _refuse(options: Mapping[str, object], by: str, other: str) -> None:
    """Raise UserError for options of the other kind of feedback, which would have no effect."""
    from groundtune.errors import UserError

    unused = [name for name, value in options.items() if value is not None]
    if unused:
        option = "--" + unused[0].replace("engine.type", "engine").removeprefix("engine.")
        option = option.replace("_", "-")
        raise UserError(
            f"{option} has no effect with --by {by}.",
            option,
            f"Leave it out, or add --by {other}.",
        )
