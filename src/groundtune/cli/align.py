"""`groundtune align`."""

import sys
from pathlib import Path

from groundtune.cli.recipe_argument import Settings

RECIPE = "world-align"
"""The recipe without one on the command line."""


def align(
    recipe: str = RECIPE,
    /,
    *settings: Settings,
    out: Path = Path("runs/align"),
    final: bool = False,
    notebook: Path = Path("docs/notebook.md"),
    workers: int = 1,
    json: bool = False,
) -> None:
    """Repeat sample, label, pairs and train for some rounds.

    In each round the model answers, its claims are checked, pairs are made from the verdicts, and
    the next model is trained on them. A command that was stopped resumes when you run it again;
    with a larger rounds= it adds rounds.

    For example:

        groundtune align world-align rounds=1 prompts=world:20 --out runs/align
        groundtune align rlaif-v model=llava-hf/llava-1.5-7b-hf images=photos --out runs/rlaif-v

    Args:
        recipe: Name of a recipe, or a YAML file. `groundtune recipes list` names them.
        settings: Settings that override the recipe: model, prompts, rounds, n, feedback.labeler,
            learn.method.type, choose.by and others.
        out: Folder for all results.
        final: Measure on the test split. Do this once, when you will tune nothing any more.
        notebook: File that gets a dated line when the test split is opened.
        workers: Parallel processes; 0 uses one per core.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.cli.table import print_table
    from groundtune.pipeline.align.run import align as run_align
    from groundtune.pipeline.align.settings import AlignSettings

    source = read_recipe(recipe, settings, RECIPE)
    options = {"evaluation.split": "test" if final else None}
    params = source.load(AlignSettings, options, command="align")
    with open_progress(silent=json) as progress:
        result = run_align(
            params,
            out,
            progress,
            workers=workers,
            notebook=notebook if final else None,
            command=sys.argv,
        )
    if not json:
        print_table(result.table)
        print()
    finish(
        {"verdict": result.verdict, "results": result.results, "report": result.report},
        path=result.model,
        next_command=[] if result.unchanged else ["groundtune", "serve", result.model],
        json=json,
    )
