"""`groundtune report`."""

from pathlib import Path


def report(run: Path, /, *, json: bool = False) -> None:
    """Write a run's report as one HTML page.

    The page is one file and needs no network. For a run that only sampled, it shows the answers
    next to their images.

    For example:

        groundtune report runs/candidates

    Args:
        run: Folder that a command wrote: demo, study, sample or bench.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.report import write_run_report

    page = write_run_report(run)
    finish({}, path=page, json=json)
