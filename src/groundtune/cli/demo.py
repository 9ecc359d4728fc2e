"""`groundtune demo`."""

import shlex
import sys
import time
from pathlib import Path


def demo(
    *recipe: str,
    out: Path = Path("demo-out"),
    seed: int | None = None,
    workers: int = 0,
    json: bool = False,
) -> None:
    """The whole loop on the embedded world.

    A small model describes pictures, a simulated person corrects it, and it learns from that in two
    ways. Before and after are measured, and one report shows it. Run again with the same --out, it
    goes on where it stopped.

    Args:
        recipe: A recipe's name or file (world-demo), and key=value settings.
        out: Folder for everything.
        seed: Seed of the pictures, the draws, the corrections and the training.
        workers: Processes that work at once; 0 for one a core.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.given import read_words
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.recipes import find
    from groundtune.pipeline.world.demo import demo as run_demo
    from groundtune.pipeline.world.demo_settings import DemoSettings
    from groundtune.recipe import load

    began = time.monotonic()
    given = read_words(recipe)
    path = find(given.recipe or "world-demo")
    settings = load(path, given.settings, DemoSettings, options={"seed": seed})
    with open_progress(silent=json) as progress:
        made = run_demo(settings, out, progress, workers=workers, command=sys.argv)
    took = {"seconds": round(time.monotonic() - began, 1), "memory_mb": made.memory_mb}
    if json:
        rows = {"summary": str(made.summary), "differences": str(made.differences)}
        finish({"verdict": made.verdict, **rows, **took}, wrote=made.report, json=True)
        return
    print_table(made.table)
    print(f"\n{made.verdict}\n")
    finish(
        {"summary": made.summary, **took},
        wrote=made.report,
        next_command=f"groundtune compare {shlex.quote(str(out))}",
    )
