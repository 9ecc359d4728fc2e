"""`groundtune study`."""

import shlex
import sys
from pathlib import Path


def study(
    *recipe: str,
    out: Path = Path("study-out"),
    final: bool = False,
    notebook: Path = Path("docs/notebook.md"),
    workers: int = 0,
    json: bool = False,
) -> None:
    """Many runs of the loop, pooled, with curves.

    Each way of learning over several seeds and bases, and curves over the number of corrections and
    the annotator's errors. Run again with the same --out, only runs that are missing are done.

    Args:
        recipe: A recipe's name or file (world-study), and key=value settings.
        out: Folder for everything.
        final: Measure on the test split, once, when nothing will be tuned any more.
        notebook: The file that receives a dated line when the test split is opened.
        workers: Processes that work at once; 0 for one a core.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.given import read_words
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.recipes import find
    from groundtune.pipeline.world.study.run import study as run_study
    from groundtune.pipeline.world.study.settings import StudySettings
    from groundtune.recipe import load

    given, options = read_words(recipe), {"evaluation.split": "test" if final else None}
    path = find(given.recipe or "world-study")
    settings = load(path, given.settings, StudySettings, options=options)
    with open_progress(silent=json) as progress:
        made = run_study(
            settings,
            out,
            progress,
            workers=workers,
            notebook=notebook if final else None,
            command=sys.argv,
        )
    finish(
        {"verdict": made.verdict, "results": made.results, "tables": made.markdown},
        wrote=made.report,
        next_command=f"groundtune report {shlex.quote(str(out))}",
        json=json,
    )
