"""`groundtune best-of`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.cli.model_options import ENGINE, EngineOptions
from groundtune.cli.recipe_argument import Settings, is_setting

if TYPE_CHECKING:
    from groundtune.pipeline.best_of.curve import BestOfCurve, Rate


def best_of(
    answers: Path | None = None,
    /,
    *settings: Settings,
    model: str | None = None,
    reference: str | None = None,
    reward: str | None = None,
    n: int | None = None,
    out: Path = Path("runs/best-of"),
    running: EngineOptions = ENGINE,
    json: bool = False,
) -> None:
    """Choose the best of several answers, by a tuned model's own reward or a reward model.

    With --model and --reference, an answer's reward is how much more likely the tuned model makes
    it than the reference model does. With --reward, it is a reward model's. The report shows what
    best of 1, 2, 4, ... N gains and costs: by the ground truth where the prompts have it, and by
    claims where the answers' claims were checked. A command that was stopped resumes when you run
    it again.

    For example:

        groundtune best-of runs/candidates --model runs/ddpo/model --reference world:base --n 4
        groundtune best-of runs/candidates --reward runs/reward/model --n 4
        groundtune best-of prompts=world:40 --model runs/ddpo/model --reference world:base

    Args:
        answers: Folder with several answers per prompt, from any model.
        settings: Settings that have no option: normalise, beta, prompts, seed, at_once, device,
            dtype. Without ANSWERS, prompts=world:40 makes the tuned model answer 40 prompts about
            the embedded world.
        model: The tuned model: a folder, a name on the Hugging Face hub, or world:base.
        reference: The model that it was tuned from.
        reward: What chooses instead: the folder of a reward model, an installed package's reward,
            the URL of a server, or claims, if the answers' claims were checked.
        n: Answers to choose from per prompt, at most 64 (default 16).
        out: Folder for the best answers, the rewards and the report.
        running: Where the answers are sampled and scored.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.cli.table import print_table
    from groundtune.pipeline.best_of.run import best_of as run_best_of
    from groundtune.pipeline.best_of.settings import BestOfSettings
    from groundtune.recipe_loading import load

    words = list(settings)
    if answers is not None and is_setting(str(answers)):
        words, answers = [str(answers), *words], None
    options = {"model": model, "reference": reference, "rewarder": reward, "n": n}
    options |= running.settings()
    params = load(None, words, BestOfSettings, options=options)
    with open_progress(silent=json) as progress:
        result = run_best_of(answers, out, params, progress, command=sys.argv)
    figures = result.summary.model_dump(mode="json")
    output: dict[str, object] = {"verdict": result.verdict, **figures}
    if not json:
        from groundtune.pipeline.best_of.page import gaps

        for curve in result.summary.curves:
            print_table(_rows(curve))
            print()
        output = {name: output[name] for name in ("verdict", "prompts", "candidates", "scored_now")}
        output["report"] = result.report
        output |= {f"note {number}": text for number, text in enumerate(gaps(result.summary), 1)}
    finish(
        output,
        path=result.answers,
        next_command=["groundtune", "check", out, "--out", f"{out}-check"],
        json=json,
    )


def _rows(curve: "BestOfCurve") -> list[list[str]]:
    from groundtune.pipeline.best_of.curve import METRICS, divided

    metrics = [each for each in METRICS if each.name in curve.points[0].values]
    rows = [
        [
            f"best of, by reward {divided(curve.normalise)}",
            *(str(point.n) for point in curve.points),
        ]
    ]
    for metric in metrics:
        estimates = [point.values.get(metric.name) for point in curve.points]
        rows.append([metric.label, *(_cell(each, metric.is_share) for each in estimates)])
    rows.append(["Tokens sampled per prompt", *(f"{p.drawn_tokens:,.0f}" for p in curve.points)])
    rows.append(["Seconds to score a prompt", *(f"{p.score_seconds:.2f}" for p in curve.points)])
    return rows


def _cell(rate: "Rate | None", is_share: bool) -> str:
    """Return a rate with its interval; "unknown" where no chosen answer has it."""
    if rate is None:
        return "unknown"
    if is_share:
        return f"{rate.value:.1%} ({rate.low:.1%} to {rate.high:.1%})"
    return f"{rate.value:.4g} ({rate.low:.4g} to {rate.high:.4g})"
