"""`groundtune study`."""

import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings

RECIPE = "world-study"
"""The recipe without one on the command line."""


def study(
    recipe: str = RECIPE,
    /,
    *settings: Settings,
    out: Path = Path("study-out"),
    final: bool = False,
    notebook: Path = Path("docs/notebook.md"),
    workers: int = 0,
    json: bool = False,
) -> None:
    """Run the loop over many seeds and settings.

    Trains each method with several seeds and bases, pools the results, and draws curves over the
    number of corrections and the annotator's error rate. This takes hours on a CPU. A command that
    was stopped resumes when you run it again.

    For example:

        groundtune study world-study "seeds=[0]" "curve=[]" --out runs/study

    Args:
        recipe: Name of a recipe, or a YAML file.
        settings: Settings that override the recipe.
        out: Folder for all results.
        final: Measure on the test split. Do this once, when you will tune nothing any more.
        notebook: File that gets a dated line when the test split is opened.
        workers: Parallel processes; 0 uses one per core.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.pipeline.world.study.run import study as run_study
    from groundtune.pipeline.world.study.settings import StudySettings

    source = read_recipe(recipe, settings, RECIPE)
    options = {"evaluation.split": "test" if final else None}
    params = source.load(StudySettings, options, command="study")
    with open_progress(silent=json) as progress:
        result = run_study(
            params,
            out,
            progress,
            workers=workers,
            notebook=notebook if final else None,
            command=sys.argv,
        )
    finish(
        {"verdict": result.verdict, "results": result.results, "tables": result.markdown},
        path=result.report,
        next_command=["groundtune", "report", out],
        json=json,
    )
