"""How a dry run of a judge ends: with what a run would send, and no error."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from groundtune.cli.finish import finish


@contextmanager
def print_dry_run(out: Path, json: bool) -> Generator[None]:
    """Print the plan if the block ends in a dry run; what is left of the block is not run."""
    from groundtune.bench.judge.asking import DryRun

    try:
        yield
    except DryRun as end:
        results = {
            "dry run": "nothing was sent",
            "a run would send": end.plan,
            "to": end.where,
            "not counted": "requests that depend on these replies",
            "kept replies": str(out / "judge"),
        }
        json_results = {name.replace(" ", "_"): text for name, text in results.items()}
        finish(json_results if json else results, json=json)
