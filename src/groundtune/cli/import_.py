"""`groundtune import`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.interchange.registry import (
    FEEDBACK_TARGETS,
    FEEDBACK_TITLES,
    TITLES,
    AnyLayoutName,
    FeedbackLayoutName,
)

if TYPE_CHECKING:
    from typing_extensions import TypeIs


def import_(
    layout: AnyLayoutName,
    file: Path,
    /,
    *,
    out: Path,
    images: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    json: bool = False,
) -> None:
    """Import pairs or people's feedback from a published data set.

    Writes pairs, prompts and images to a folder for `groundtune train`. If the layout has no
    spans, they are found by comparing the two answers. From feedback, the folder gets corrections
    and comparisons, of which `groundtune pairs` makes pairs. A command that was stopped resumes
    when you run it again.

    For example:

        groundtune import rlhf-v pairs.parquet --out runs/imported
        groundtune import llava-rlhf answers.json --images coco/train2017 --out runs/llava-rlhf

    Args:
        layout: Layout of the file, from the list above.
        file: The file to read.
        out: Folder for the pairs, their prompts and images.
        images: Folder with the images that the file names (default: the folder of the file).
        licence: Licence of the rows, if it differs from that of the published data set.
        skip_bad: Skip and list bad rows, instead of stopping at the first.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange import import_feedback, import_layout

    if is_feedback(layout):
        with open_progress(silent=json) as progress:
            feedback = import_feedback(
                layout, file, out, progress, licence=licence, skip_bad=skip_bad, command=sys.argv
            )
        left_out: object = feedback.skipped if json else len(feedback.skipped)
        finish(
            {**feedback.model_dump(), "skipped": left_out},
            wrote=out / "corrections",
            next_command=["groundtune", "pairs", "--corrections", str(out)],
            json=json,
        )
        return
    with open_progress(silent=json) as progress:
        summary = import_layout(
            layout,
            file,
            out,
            progress,
            images=images,
            licence=licence,
            skip_bad=skip_bad,
            command=sys.argv,
        )
    skipped: object = summary.skipped if json else len(summary.skipped)  # the log lists them
    finish(
        {**summary.model_dump(), "skipped": skipped},
        wrote=out / "pairs",
        next_command=after_pairs(out),
        json=json,
    )


def is_feedback(layout: AnyLayoutName) -> "TypeIs[FeedbackLayoutName]":
    """Whether the layout holds corrections and comparisons instead of pairs."""
    return layout in FEEDBACK_TARGETS


def with_layouts(text: str) -> str:
    """Add a line per layout to a command's docstring, before its example."""
    titles = {**TITLES, **FEEDBACK_TITLES}
    lines = "\n".join(f"    * {name}: {title}" for name, title in titles.items())
    return text.replace("    For example:", f"    Layouts:\n\n{lines}\n\n    For example:", 1)


import_.__doc__ = with_layouts(import_.__doc__ or "")
