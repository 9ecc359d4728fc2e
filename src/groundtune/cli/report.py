"""`groundtune report`."""

from pathlib import Path


def report(run: Path, *, json: bool = False) -> None:
    """Write a run's report as one HTML page.

    The page needs no network. Of a run that only sampled it shows the answers beside their
    pictures.

    Args:
        run: Folder of a run: what --out was for groundtune demo, study or sample.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.pipeline.report import write_run_report

    page = write_run_report(run)
    finish({}, wrote=page, next_command="", json=json)
