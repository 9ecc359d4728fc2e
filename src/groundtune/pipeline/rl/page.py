"""The page of a run: reward, its components, KL, lengths and truth over the same steps.

A reward that rises while what it stands for falls is hacked: all are on one page so that it shows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from groundtune.pipeline.rl.choosing import chosen_step, why_unchanged
from groundtune.pipeline.rl.memory import noted_line
from groundtune.pipeline.rl.metrics import (
    BEFORE,
    BENCHMARK,
    METRICS,
    changes,
    estimates,
    scores_of,
    step_of,
)
from groundtune.pipeline.rl.overoptimised import curve, turn_text, turns
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.records import Estimate, Score
from groundtune.report import model
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.figures import quantity
from groundtune.report.page import write_report
from groundtune.report.specs import metric_specs, with_labeler_name
from groundtune.report.verdict import verdict_text
from groundtune.train.log import read_log

STEP = "step"
LIMIT = (
    "One training run with one seed. Intervals know about the held-out images, not about another "
    "run."
)
HEADLINES = ("invented", "wrong", "rejected", "found", "symbolic", "truncated")
"""What the page begins with: the first that was measured."""
Line = Mapping[str, float]


class RLPage(NamedTuple):
    """Where the page is, and what it says first."""

    path: Path
    verdict: str


def write_page(out: Path, settings: RLSettings, early_end: str) -> RLPage:
    """Write OUT/report.html from the log and the held-out scores."""
    lines, scores = read_log(out / "log.jsonl"), scores_of(out).read()
    steps = [line for line in lines if "reward" in line]
    chosen = chosen_step(out, settings)
    last = _last(scores) if chosen is None else f"step-{chosen}"
    specs = with_labeler_name(settings.feedback.labeler, metric_specs(METRICS))
    all_estimates = [
        *estimates(scores, BEFORE),
        *(estimates(scores, last) if last != BEFORE else []),
    ]
    names = {each.metric for each in all_estimates}
    measured = tuple(spec for spec in specs if spec.name in names)
    models = [model.ModelSpec(name=BEFORE, label="Base")]
    if last != BEFORE:
        count = f"step {chosen} of {len(steps)}" if chosen else quantity(len(steps), "step")
        note = f"{settings.method.type}, credit {settings.method.credit}, {count}"
        models.append(model.ModelSpec(name=last, label=settings.method.type.upper(), note=note))
    leading = [name for name in HEADLINES if name in names]
    subject = model.Subject(
        metrics=measured,
        benchmarks=(model.BenchmarkSpec(name=BENCHMARK, label="Held-out prompts"),),
        headline=_ref(leading[0]) if leading else None,
        companions=tuple(_ref(spec.name) for spec in measured if spec.role == "cost"),
        notes=tuple(
            model.Note(kind="warning", text=text)
            for text in (
                *_unchosen(settings, chosen),
                *warnings(lines, early_end),
                *(turn_text(turn, chosen) for turn in turns(lines, scores)),
            )
        ),
        limits=(LIMIT,),
    )
    finding: model.Finding | None = None
    if chosen == 0:
        text = f"{why_unchanged(out, settings)} The last step's model is in checkpoints."
        finding = model.Finding(title="No step was better: the model is unchanged", text=text)
    elif not subject.headline or last == BEFORE:
        finding = _finding(steps)
    page = model.ReportInput(
        title=f"Reinforcement learning of {settings.model}",
        finding=finding,
        summary=_summary(settings, steps, chosen, noted_line(out)),
        models=tuple(models),
        subject=subject,
        headline=subject.lead(last, BEFORE) if last != BEFORE else None,
        estimates=tuple(all_estimates),
        differences=tuple(changes(scores, last)),
        curves=(
            *((together,) if (together := curve(lines, scores)) else ()),
            *_training_curves(steps),
            *_held_out_curves(scores, specs),
        ),
        provenance=provenance_of(out),
    )
    return RLPage(write_report(out, page), verdict_text(page))


def warnings(lines: Sequence[Line], early_end: str) -> list[str]:
    """Return what a reader must know of the steps: an early end, and steps without learning."""
    texts = [f"The run ended early: {early_end}."] if early_end else []
    steps = [line for line in lines if "reward" in line]
    if idle := sum("loss" not in line for line in steps):
        texts.append(
            f"Nothing was learnt in {idle} of {quantity(len(steps), 'step')}: the answers to each "
            "prompt had equal rewards."
        )
    return texts


def _unchosen(settings: RLSettings, chosen: int | None) -> list[str]:
    """Return that no step was chosen, or that hacking may not have been seen."""
    if settings.eval_every and settings.held_out and not settings.checks_claims:
        return [
            "No labeler checked claims: only lengths, repetition and truncation could end the run "
            "early, and no step was chosen. choose.by=claims checks them."
        ]
    if chosen is not None or not settings.chooses:
        return []
    return [
        "No prompt could be held out, so no step was chosen and nothing could end the run early: "
        "the result is the last step's model."
    ]


def _finding(steps: Sequence[Line]) -> model.Finding:
    first, last = (line["reward"] for line in (steps[0], steps[-1]))
    return model.Finding(
        title=f"The reward went from {first:.3g} to {last:.3g} in {quantity(len(steps), 'step')}",
        text="Nothing was measured on held-out prompts, so this page does not say whether the "
        "answers got better.",
    )


def _summary(settings: RLSettings, steps: Sequence[Line], chosen: int | None, models: str) -> str:
    parts = ", ".join(f"{name} {weight:g}" for name, weight in settings.rewards.weights.items())
    answers = settings.prompts_per_step * settings.n
    return (
        f"{quantity(len(steps), 'step')} of {quantity(answers, 'answer')}: {settings.n} to each of "
        f"{quantity(settings.prompts_per_step, 'prompt')}. Weights of the reward: {parts}. "
        + _choice(chosen)
        + (f" Weights in memory: {models}." if models else "")
    )


def _choice(chosen: int | None) -> str:
    if chosen is None:
        return "The result is the last step's model."
    which = f"step {chosen}" if chosen else "the model before training"
    return (
        f"The result is {which}: by claims about the held-out prompts it has the fewest answers "
        "with a rejected claim of those that keep enough supported ones. The same prompts are "
        "reported here, so its figures flatter it a little."
    )


def _training_curves(steps: Sequence[Line]) -> tuple[Curve, ...]:
    """Return what is known of the answers that were learnt from."""
    components = sorted(
        {name for line in steps for name in line if name.startswith("reward/")}, key=str
    )
    groups = (
        ("Reward", "weighed sum", {"reward": "reward"}),
        ("Components", "value per answer", {n: n.removeprefix("reward/") for n in components}),
        ("Distance from the reference", "KL per answer, nats", {"kl": "KL"}),
        ("Length", "per answer", {"words": "words", "tokens": "tokens"}),
        ("Repetition", "share of an answer's", {"repeated_phrases": "phrases said before"}),
        (
            "Answers that teach nothing",
            "share or groups",
            {
                "truncated": "truncated",
                "unrewarded": "without a reward",
                "unanswered": "claims without a verdict",
                "dropped_groups": "groups without variance",
            },
        ),
        ("Drawn and trained log-probabilities", "mean difference, nats", {"gap": "gap"}),
    )
    curves = [
        Curve(
            title=title,
            x_label=STEP,
            y_label=unit,
            series=tuple(_series(steps, name, label) for name, label in names.items()),
            note="Answers that were learnt from, sampled at temperature 1.",
        )
        for title, unit, names in groups
    ]
    return tuple(curve for curve in curves if any(each.points for each in curve.series))


def _series(steps: Sequence[Line], name: str, label: str) -> CurveSeries:
    points = (CurvePoint(x=line["step"], y=line[name]) for line in steps if name in line)
    return CurveSeries(label=label, points=tuple(points))


def _held_out_curves(
    scores: Sequence[Score], specs: Sequence[model.MetricSpec]
) -> tuple[Curve, ...]:
    """Return each metric of the held-out answers over the steps."""
    names = list(dict.fromkeys(score.model for score in scores))
    points: dict[str, list[tuple[int, Estimate]]] = {}
    for name in names:
        for each in estimates(scores, name):
            points.setdefault(each.metric, []).append((step_of(name), each))
    prompts = len({score.item for score in scores})
    return tuple(
        Curve(
            title=spec.label,
            x_label=STEP,
            y_label=spec.unit,
            scale=spec.scale,
            series=(
                CurveSeries(
                    label="held-out prompts",
                    points=tuple(
                        CurvePoint(x=step, y=each.value, low=each.low, high=each.high)
                        for step, each in sorted(points[spec.name], key=lambda pair: pair[0])
                    ),
                ),
            ),
            note=f"Greedy answers to {prompts} held-out prompts. Bands are 95% intervals.",
        )
        for spec in specs
        if spec.name in points
    )


def _last(scores: Sequence[Score]) -> str:
    return max((score.model for score in scores), key=step_of, default=BEFORE)


def _ref(metric: str) -> model.MetricRef:
    return model.MetricRef(benchmark=BENCHMARK, metric=metric)
