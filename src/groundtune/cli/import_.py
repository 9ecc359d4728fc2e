"""`groundtune import`."""

import sys
from pathlib import Path

from groundtune.interchange.names import TITLES, LayoutName


def import_(
    layout: LayoutName,
    file: Path,
    *,
    out: Path,
    images: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    json: bool = False,
) -> None:
    """Read a published data set's layout.

    Pairs, prompts and pictures go into a run's folder; where the layout has no spans, they are
    recovered by comparing the two answers. Run again, it goes on where it stopped.

    Args:
        layout: The layout, one of those above.
        file: The file.
        out: Folder for the pairs, their prompts and pictures.
        images: Folder from which the file names its pictures; the file's own by default.
        licence: The rows' licence, where it isn't the published set's or a file of ours tells.
        skip_bad: Leave bad rows out and list them, rather than stop at the first.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.exchange import import_layout

    with open_progress(silent=json) as progress:
        made = import_layout(
            layout,
            file,
            out,
            progress,
            images=images,
            licence=licence,
            skip_bad=skip_bad,
            command=sys.argv,
        )
    skipped: object = made.skipped if json else len(made.skipped)  # the log has listed them
    finish(
        {**made.model_dump(), "skipped": skipped},
        wrote=out / "pairs",
        next_command="groundtune train --help",
        json=json,
    )


def with_layouts(text: str) -> str:
    """A command's docstring with a line for each layout before its arguments."""
    lines = "\n".join(f"    * {name}: {title}" for name, title in TITLES.items())
    return text.replace("    Args:", f"    Layouts:\n\n{lines}\n\n    Args:", 1)


import_.__doc__ = with_layouts(import_.__doc__ or "")
