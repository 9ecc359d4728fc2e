"""`groundtune best-of`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.model_options import ENGINE, EngineOptions

if TYPE_CHECKING:
    from groundtune.pipeline.best_of.curve import Curve


def best_of(
    answers: Path | None = None,
    /,
    *settings: str,
    model: str,
    reference: str,
    n: int | None = None,
    out: Path = Path("runs/best-of"),
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Keep, of several answers to a prompt, the one that a tuned model's own reward prefers.

    The reward is how much likelier the answer became by the tuning. Shown is what best of 1, 2,
    4, ... N gives and costs: by the truth where the prompts' source knows it, and by the
    answers' claims where those were checked. Run again, it goes on where it stopped.

    Args:
        answers: Folder with several answers to each prompt, of whichever model.
        settings: key=value settings: normalise, beta, prompts, seed, at_once, device, dtype, ...
            Without answers, prompts=world:40 has the tuned model describe 40 images of the
            embedded world.
        model: The tuned model: a folder, a name on the Hugging Face hub, or world:base.
        reference: The model that it was tuned from.
        n: Answers to choose among, at most 64; 16 without it.
        out: Folder for the chosen answers, the rewards and the report.
        running: Where the answers are drawn and scored.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.best_of.run import best_of as run_best_of
    from groundtune.pipeline.best_of.settings import BestOfSettings
    from groundtune.recipe import load

    if answers is not None and "=" in answers.name and not answers.exists():
        settings, answers = (str(answers), *settings), None
    options = {"model": model, "reference": reference, "n": n, **running.settings()}
    params = load(None, settings, BestOfSettings, options=options)
    with open_progress(silent=json) as progress:
        made = run_best_of(answers, out, params, progress, command=sys.argv)
    shown: dict[str, object] = made.found.model_dump(mode="json")
    if not json:
        for curve in made.found.curves:
            print_table(_rows(curve))
            print()
        shown = {name: shown[name] for name in ("prompts", "candidates", "scored_now")}
        shown["report"] = made.report
    finish(
        shown,
        wrote=made.answers,
        next_command=shlex.join(["groundtune", "check", str(out), "--out", f"{out}-check"]),
        json=json,
    )


def _rows(curve: "Curve") -> list[list[str]]:
    from groundtune.pipeline.best_of.curve import METRICS, divided

    known = [each for each in METRICS if each.name in curve.points[0].values]
    rows = [
        [
            f"best of, by reward {divided(curve.normalise)}",
            *(str(point.n) for point in curve.points),
        ]
    ]
    for each in known:
        found = [point.values[each.name] for point in curve.points]
        cells = [
            f"{r.value:.1%} ({r.low:.1%} to {r.high:.1%})"
            if each.is_share
            else f"{r.value:.4g} ({r.low:.4g} to {r.high:.4g})"
            for r in found
        ]
        rows.append([each.label, *cells])
    rows.append(["Tokens drawn a prompt", *(f"{p.drawn_tokens:,.0f}" for p in curve.points)])
    rows.append(["Seconds to score a prompt", *(f"{p.score_seconds:.2f}" for p in curve.points)])
    return rows
