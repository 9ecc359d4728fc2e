"""`groundtune demo`."""

import sys
import time
from pathlib import Path

from groundtune.cli.recipe_argument import Settings

RECIPE = "world-demo"
"""The recipe without one on the command line."""


def demo(
    recipe: str = RECIPE,
    /,
    *settings: Settings,
    out: Path = Path("demo-out"),
    seed: int | None = None,
    workers: int = 0,
    json: bool = False,
) -> None:
    """Run the whole loop on a small built-in world.

    A small model describes images, a simulated person corrects it, and it is trained on the
    corrections with two methods. One report compares the models before and after. Runs on a CPU
    in about four minutes on two cores. Stopped, it resumes when you run it again.

    For example:

        groundtune demo --out runs/demo

    Args:
        recipe: Name of a recipe, or a YAML file.
        settings: Settings that override the recipe.
        out: Folder for all results.
        seed: Random seed of images, answers, corrections and training.
        workers: Parallel processes; 0 uses one per core.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.recipe_argument import read_recipe
    from groundtune.cli.table import print_table
    from groundtune.pipeline.world.demo import demo as run_demo
    from groundtune.pipeline.world.demo_settings import DemoSettings

    start = time.monotonic()
    source = read_recipe(recipe, settings, RECIPE)
    params = source.load(DemoSettings, {"seed": seed}, command="demo")
    with open_progress(silent=json) as progress:
        result = run_demo(params, out, progress, workers=workers, command=sys.argv)
    cost = {"seconds": round(time.monotonic() - start, 1), "memory_mb": result.memory_mb}
    if json:
        paths = {"summary": str(result.summary), "differences": str(result.differences)}
        finish({"verdict": result.verdict, **paths, **cost}, path=result.report, json=True)
        return
    print_table(result.table)
    print(f"\n{result.verdict}\n")
    finish(
        {"summary": result.summary, **cost},
        path=result.report,
        next_command=["groundtune", "compare", out],
    )
