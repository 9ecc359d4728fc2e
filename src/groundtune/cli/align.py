"""`groundtune align`."""

import shlex
import sys
from pathlib import Path


def align(
    *recipe: str,
    out: Path = Path("runs/align"),
    final: bool = False,
    notebook: Path = Path("docs/notebook.md"),
    workers: int = 1,
    json: bool = False,
) -> None:
    """Rounds of AI feedback, from a recipe.

    In each round the model draws answers, their claims are checked, pairs are made of them, and the
    next model learns from these. Run again with the same --out, it goes on where it stopped, and
    with more rounds after the last one.

    Args:
        recipe: A recipe's name or file (world-align), and key=value settings: model, prompts,
            rounds, n, feedback.labeler, learn.method.type, choose.by, ...
        out: Folder for everything.
        final: Measure on the test split, once, when nothing will be tuned any more.
        notebook: The file that receives a dated line when the test split is opened.
        workers: Processes that work at once; 0 for one a core.
        json: One JSON object instead of a table.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.given import read_words
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.align.run import align as run_align
    from groundtune.pipeline.align.settings import AlignSettings
    from groundtune.pipeline.recipes import find
    from groundtune.recipe import load

    given, options = read_words(recipe), {"evaluation.split": "test" if final else None}
    path = find(given.recipe or "world-align")
    settings = load(path, given.settings, AlignSettings, options=options)
    with open_progress(silent=json) as progress:
        made = run_align(
            settings,
            out,
            progress,
            workers=workers,
            notebook=notebook if final else None,
            command=sys.argv,
        )
    if not json:
        print_table(made.table)
        print()
    finish(
        {"verdict": made.verdict, "results": made.results, "report": made.report},
        wrote=made.model,
        next_command=f"groundtune serve {shlex.quote(str(made.model))}",
        json=json,
    )
