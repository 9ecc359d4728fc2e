"""`groundtune import`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.interchange.registry import (
    EXAMPLE_TITLES,
    FEEDBACK_TITLES,
    TITLES,
    ExampleLayoutName,
    FeedbackLayoutName,
    ImportLayoutName,
    is_examples,
    is_feedback,
)

if TYPE_CHECKING:
    from groundtune.pipeline.exchange.run import ImportSummary


def import_(
    layout: ImportLayoutName,
    file: Path,
    /,
    *,
    out: Path | None = None,
    images: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    all_rows: bool = False,
    split: str = "train",
    only: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Import pairs, feedback or examples from a published data set, or your own corrections.

    Writes pairs, prompts and images to a folder for `groundtune train`, and a report of what came
    in. If the layout has no spans, they are found by comparing the two answers. From feedback, the
    folder gets corrections and comparisons, of which `groundtune pairs` makes pairs; from examples,
    prompts and the answers to learn. A command that was stopped resumes when you run it again.

    For example:

        groundtune import corrections corrections.xlsx --images scans --dry-run
        groundtune import corrections corrections.xlsx --images scans --out runs/corrections
        groundtune import rlhf-v pairs.parquet --out runs/imported
        groundtune import rlhf-v hub:openbmb/RLHF-V-Dataset@main --out runs/rlhf-v

    Args:
        layout: Layout of the file, from the list above.
        file: The file to read, or a data set of the Hugging Face hub: hub:NAME@REVISION (extra
            `hub`), or hub:NAME@REVISION:FILE for one of its files.
        out: Folder for the pairs, their prompts and images; needed without --dry-run.
        images: Folder with the images that the file names (default: the folder of the file).
        licence: Licence of the rows, if it differs from that of the published data set.
        skip_bad: Skip and list bad rows, instead of stopping at the first.
        all_rows: Also read rows that the layout's own code leaves out, such as rows of ha-dpo
            with correct true.
        split: Split of a data set of the hub.
        only: Keep those rows of a data set of the hub whose column contains a text: COLUMN=TEXT.
        dry_run: Show the first three pairs with their changed words marked, and write nothing.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.progress import open_progress
    from groundtune.errors import UserError
    from groundtune.pipeline.exchange.hub import opened

    if dry_run:
        near = Path("preview")
        with (
            open_progress(silent=json) as progress,
            opened(file, progress, near=near, split=split, only=only) as hub_file,
        ):
            _preview(layout, hub_file.path, images, all_rows, json)
        return
    if out is None:
        raise UserError(
            "There is no folder to write to.",
            "--out",
            "Give one with --out FOLDER, or look at the first pairs with --dry-run.",
        )
    if is_examples(layout):
        _import_examples(layout, file, out, images, licence, skip_bad, json)
        return
    if is_feedback(layout):
        _import_feedback(layout, file, out, licence, skip_bad, json)
        return
    from groundtune.pipeline.exchange.run import import_layout

    with (
        open_progress(silent=json) as progress,
        opened(file, progress, near=out, split=split, only=only) as hub_file,
    ):
        summary = import_layout(
            layout,
            hub_file.path,
            out,
            progress,
            images=images,
            licence=licence,
            skip_bad=skip_bad,
            all_rows=all_rows,
            display_name=hub_file.display_name,
            command=sys.argv,
        )
    _finish(summary, out, json)


def _finish(summary: "ImportSummary", out: Path, json: bool) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.pipeline.report import report_pairs

    report = report_pairs(out)
    results = summary.model_dump()
    if not json:  # the log lists the skipped rows
        results |= {"skipped": len(summary.skipped), "left_out": _reasons(summary.left_out)}
    finish(
        {**results, "report": str(report)},
        path=out / "pairs",
        next_command=after_pairs(out),
        json=json,
    )


def _import_examples(
    layout: ExampleLayoutName,
    file: Path,
    out: Path,
    images: Path | None,
    licence: str | None,
    skip_bad: bool,
    json: bool,
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange.examples import import_examples

    with open_progress(silent=json) as progress:
        summary = import_examples(
            layout,
            file,
            out,
            progress,
            images=images,
            licence=licence,
            skip_bad=skip_bad,
            command=sys.argv,
        )
    results = summary.model_dump()
    if not json:
        results |= {"skipped": len(summary.skipped), "left_out": _reasons(summary.left_out)}
    next_command = ["groundtune", "train", "llava-rlhf-sft", "--pairs", str(out), "--dry-run"]
    finish(results, path=out / "answers", next_command=next_command, json=json)


def _import_feedback(
    layout: FeedbackLayoutName,
    file: Path,
    out: Path,
    licence: str | None,
    skip_bad: bool,
    json: bool,
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange.run import import_feedback

    with open_progress(silent=json) as progress:
        feedback = import_feedback(
            layout, file, out, progress, licence=licence, skip_bad=skip_bad, command=sys.argv
        )
    skipped: object = feedback.skipped if json else len(feedback.skipped)
    finish(
        {**feedback.model_dump(), "skipped": skipped},
        path=out / "corrections",
        next_command=["groundtune", "pairs", "--corrections", str(out)],
        json=json,
    )


def _preview(
    layout: ImportLayoutName, file: Path, images: Path | None, all_rows: bool, json: bool
) -> None:
    from groundtune.errors import UserError

    if is_examples(layout):
        raise UserError(
            "Examples have no preview.", "--dry-run", "Import them: they are prompts and answers."
        )
    from groundtune.cli.finish import finish
    from groundtune.pipeline.exchange.preview import preview_import

    preview = preview_import(layout, file, images=images, all_rows=all_rows)
    if json:
        finish(preview.model_dump(), json=True)
        return
    for number, pair in enumerate(preview.pairs, 1):
        sys.stdout.write(f"pair {number}, from row {pair.row}\n")
        texts = {"image": ", ".join(pair.images), **pair.model_dump(exclude={"row", "images"})}
        for name, text in texts.items():
            if name == "image" and not pair.images:
                continue
            sys.stdout.write(f"  {name.ljust(8)}  {_printable(text)}\n")
    for error in preview.skipped:
        sys.stdout.write(f"bad row: {_printable(error)}\n")
    finish(
        {
            "rows": f"{preview.rows} read for this preview",
            "left_out": _reasons(preview.left_out),
            "skipped": len(preview.skipped),
        },
    )


def _reasons(counts: Mapping[str, int]) -> str:
    """Counts by reason, in one line."""
    return ", ".join(f"{count} ({why})" for why, count in counts.items()) or "0"


def _printable(text: str) -> str:
    """The text without characters that a terminal would obey; further lines are indented."""
    lines = text.splitlines() or [""]
    clean = ("".join(c if c.isprintable() else " " for c in line) for line in lines)
    return ("\n" + " " * 12).join(clean)


def with_layouts(text: str, more: Mapping[str, str]) -> str:
    """Add a line per layout to a command's docstring, before its example."""
    titles = {**TITLES, **FEEDBACK_TITLES, **more}
    lines = "\n".join(f"    * {name}: {title}" for name, title in titles.items())
    return text.replace("    For example:", f"    Layouts:\n\n{lines}\n\n    For example:", 1)


import_.__doc__ = with_layouts(import_.__doc__ or "", {**EXAMPLE_TITLES})
