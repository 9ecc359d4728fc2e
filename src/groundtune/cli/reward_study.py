"""`groundtune reward study`."""

import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings

RECIPE = "world-reward-study"
"""The recipe without one on the command line."""


def study(
    recipe: str = RECIPE,
    /,
    *settings: Settings,
    out: Path = Path("runs/reward-study"),
    final: bool = False,
    notebook: Path = Path("docs/notebook.md"),
    workers: int = 0,
    json: bool = False,
) -> None:
    """Compare reward models with and without facts on the same comparisons.

    The table has the accuracy on held-out comparisons with intervals and paired differences, next
    to the shorter answer and to checked claims. A model at chance is a row that says so, and so is
    one that failed. A command that was stopped resumes when you run it again.

    For example:

        groundtune reward study world-reward-study --out runs/reward-study
        groundtune reward study world-reward-study "seeds=[0, 1, 2]" --out runs/reward-study
        groundtune reward study world-reward-study --out runs/reward-study --final

    Args:
        recipe: Name of a recipe, or a YAML file.
        settings: Settings that override the recipe.
        out: Folder for all results.
        final: Also measure on scenes of the test split. Do this once, when you will tune nothing
            any more.
        notebook: File that gets a dated line when the test split is opened.
        workers: Parallel processes; 0 uses one per core.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.methods_study import finish_study
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.methods_study.reward_settings import RewardStudySettings
    from groundtune.pipeline.methods_study.reward_study import reward_study

    source = read_recipe(recipe, settings, RECIPE)
    params = source.load(RewardStudySettings, command="reward study")
    with open_progress(silent=json) as progress:
        result = reward_study(
            params,
            out,
            progress,
            workers=workers,
            final=final,
            notebook=notebook if final else None,
            command=sys.argv,
        )
    finish_study(result, json=json)
