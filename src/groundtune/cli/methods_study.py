"""`groundtune methods-study`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.methods_study.settings import StudyOutcome

RECIPE = "world-methods-study"
"""The recipe without one on the command line."""


def methods_study(
    recipe: str = RECIPE,
    /,
    *settings: Settings,
    out: Path = Path("runs/methods-study"),
    final: bool = False,
    notebook: Path = Path("docs/notebook.md"),
    workers: int = 0,
    json: bool = False,
) -> None:
    """Compare ways of training: each is a recipe, and each tries as many settings.

    Settings are chosen on the development split; the chosen ones are trained with every seed. The
    table has each arm's figures with intervals, paired differences and the settings tried. An arm
    that fails is a row with its reason. A command that was stopped resumes when you run it again.

    For example:

        groundtune methods-study world-methods-study --out runs/methods
        groundtune methods-study world-methods-study "seeds=[0, 1, 2]" --out runs/methods
        groundtune methods-study world-methods-study --out runs/methods --final

    Args:
        recipe: Name of a recipe, or a YAML file.
        settings: Settings that override the recipe.
        out: Folder for all results.
        final: Also measure the chosen models on the test split. Do this once, when you will tune
            nothing any more.
        notebook: File that gets a dated line when the test split is opened.
        workers: Parallel processes; 0 uses one per core.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.methods_study.run import methods_study as run_methods_study
    from groundtune.pipeline.methods_study.settings import MethodsStudySettings

    source = read_recipe(recipe, settings, RECIPE)
    params = source.load(MethodsStudySettings, command="methods-study")
    with open_progress(silent=json) as progress:
        result = run_methods_study(
            params,
            out,
            progress,
            workers=workers,
            final=final,
            notebook=notebook if final else None,
            command=sys.argv,
        )
    finish_study(result, json=json)


def finish_study(result: "StudyOutcome", *, json: bool) -> None:
    """Print a study's table and where its results are."""
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table

    output: dict[str, object] = {"verdict": result.verdict, "results": result.results}
    output |= {"tables": result.markdown}
    if json:
        output |= {"table": result.table, "failed": result.failed}
    else:
        print_table(result.table)
        print()
    finish(output, path=result.report, json=json)
