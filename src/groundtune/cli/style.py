"""`groundtune style`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.model_options import MODEL, ModelOptions
from groundtune.cli.recipe_argument import Settings

if TYPE_CHECKING:
    from groundtune.pipeline.rewrite.style_summary import StyleGap, StyleSummary


def style(
    pairs: Path,
    /,
    *settings: Settings,
    model: str,
    most_auc: float | None = None,
    out: Path = Path("runs/style"),
    how: ModelOptions = MODEL,
    json: bool = False,
) -> None:
    """Check that chosen and rejected answers differ in truth, not in style.

    A model that is trained on pairs whose sides differ in style learns the style. This compares
    how likely the reference model makes both sides, and their lengths, and tries to tell the
    chosen answer by style alone. Where a limit is passed, the exit status is 2.

    For example:

        groundtune style runs/rewrite --model world:base --out runs/style

    Args:
        pairs: Folder of the pairs.
        settings: Settings that have no option: most_distance, refuse.
        model: The reference: the model that is to be trained.
        most_auc: Largest share of pairs in which style alone may tell the chosen answer (default
            0.75; chance is 0.5).
        out: Folder for style.json and the report.
        how: How the model is loaded.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.next_steps import after_pairs
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.rewrite.style import StyleSettings, check_style
    from groundtune.recipe_loading import load

    options = {"model": model, "most_auc": most_auc, **how.settings()}
    chosen = load(None, settings, StyleSettings, options=options)
    with open_progress(silent=json) as progress:
        result = check_style(pairs, out, chosen, progress, command=sys.argv)
    output = result.summary.model_dump(mode="json")
    if not json:
        print_table(_rows(result.summary))
        print()
        output = _shown(result.summary)
    finish(output, path=result.report, next_command=after_pairs(pairs), json=json)


def _rows(summary: "StyleSummary") -> list[list[str]]:
    rows = [["", "chosen", "rejected", "difference", "standard deviations", "overlap"]]
    gaps: list[tuple[str, StyleGap]] = [
        ("Log-probability of a text", summary.sum),
        ("Log-probability per token", summary.mean),
        ("Words", summary.words),
    ]
    for name, gap in gaps:
        difference = f"{gap.difference:+.2f} ({gap.low:+.2f} to {gap.high:+.2f})"
        sides = f"{gap.chosen:.2f}", f"{gap.rejected:.2f}"
        rows.append([name, *sides, difference, f"{gap.distance:+.2f}", f"{gap.overlap:.0%}"])
    return rows


def _shown(summary: "StyleSummary") -> dict[str, object]:
    from groundtune.pipeline.rewrite.style_page import unseen_text

    unseen = unseen_text(summary)
    warning: dict[str, object] = {"warning": unseen} if unseen else {}
    return {
        "pairs": summary.pairs,
        "found by style alone": _share(*summary.style_auc),
        "longer one chosen": _share(*summary.length_auc),
        "style": "one style" if summary.passed else "; ".join(summary.why),
        **warning,
    }


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.1%} ({low:.1%} to {high:.1%})"
