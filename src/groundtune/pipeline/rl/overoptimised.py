"""Where the reward still rose while what it stands for got worse: over-optimisation.

What the reward stands for is the truth where it is known, and the labeler's verdicts elsewhere, of
the answers to held-out prompts. The best evaluated step is compared with the last one.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import difference
from groundtune.bench.stats.sums import tabulate
from groundtune.pipeline.rl.metrics import BENCHMARK, METRICS, estimates, step_of
from groundtune.records import Difference, Score
from groundtune.report.curves import Curve, CurvePoint, CurveSeries
from groundtune.report.figures import change_text, number, signed_interval, value_text

Line = Mapping[str, float]
TRUTH = ("wrong", "invented", "recall")
VERDICTS = ("rejected", "supported_claims")


class TurningPoint(NamedTuple):
    """A metric that was best at a step and then got clearly worse, while the reward rose."""

    metric: Metric
    best: int
    last: int
    values: tuple[float, float]
    """At the best step and at the last one."""
    rewards: tuple[float, float]
    """Of the answers that were drawn after the best step, and of the last ones."""
    change: Difference


def turns(lines: Sequence[Line], scores: Sequence[Score]) -> list[TurningPoint]:
    """Return what turned: metrics whose paired change from best to last step is clearly worse."""
    steps = sorted({step_of(score.model) for score in scores})
    if len(steps) < 2:
        return []
    by_step = {n: [score for score in scores if step_of(score.model) == n] for n in steps}
    matches = [
        _turn(metric, steps, by_step, lines)
        for metric in METRICS
        if metric.name in _watched(by_step[steps[0]])
    ]
    return [each for each in matches if each is not None]


def turn_text(turn: TurningPoint, result: int | None) -> str:
    """Return what a reader must know of a turn; `result` is the chosen step, None the last."""
    best, last = (value_text(value, turn.metric) for value in turn.values)
    text = (
        f"Over-optimised: from step {turn.best} to step {turn.last} the reward rose from "
        f"{number(turn.rewards[0], 2)} to {number(turn.rewards[1], 2)}, while this got worse: "
        f"{turn.metric.label.lower()}, from {best} to {last} "
        f"({change_text(turn.change, turn.metric)}, 95% interval "
        f"{signed_interval(turn.change, turn.metric)}). The best of several steps is best partly "
        "by chance."
    )
    if result == 0:
        return f"{text} The result is the model before training."
    if result is not None and result <= turn.best:
        return f"{text} The result, step {result}, is from before that."
    return text


def curve(lines: Sequence[Line], scores: Sequence[Score]) -> Curve | None:
    """Return the reward and what it stands for over the same steps; None if nothing was evaluated.

    The reward is drawn between its lowest and its highest value; shares as they are, each so that
    higher is better; a number per answer as a share of the one before training.
    """
    steps = sorted({step_of(score.model) for score in scores})
    if len(steps) < 2:
        return None
    rewards = {step: reward_at(step, steps, lines) for step in steps}
    low, high = min(rewards.values()), max(rewards.values())
    lines_by_label = {
        "reward": {n: (value - low) / (high - low or 1) for n, value in rewards.items()}
    }
    for metric in METRICS:
        if metric.name not in _watched(scores):
            continue
        values = _values(metric, steps, scores)
        if metric.name not in _RIGHT:
            first = values.get(steps[0], 0.0)
            values = {n: value / first for n, value in values.items()} if first else {}
        elif metric.better == "lower":
            values = {n: 1 - value for n, value in values.items()}
        lines_by_label[_RIGHT.get(metric.name, _KEPT)] = values
    series = (
        CurveSeries(label=label, points=tuple(CurvePoint(x=n, y=y) for n, y in values.items()))
        for label, values in lines_by_label.items()
        if values
    )
    return Curve(
        title="Reward and what it stands for",
        x_label="step",
        y_label="share; reward: lowest to highest",
        series=tuple(series),
        note=(
            f"The reward went from {number(rewards[steps[0]], 2)} to "
            f"{number(rewards[steps[-1]], 2)}; the other lines are held-out prompts. If it rises "
            "while another line falls, it is over-optimised."
        ),
    )


_RIGHT = {
    "wrong": "nothing wrong",
    "invented": "no invented object",
    "recall": "objects named",
    "rejected": "no rejected claim",
}
"""Labels of shares, drawn so that higher is better."""
_KEPT = "supported claims, of those before"


def _values(metric: Metric, steps: Sequence[int], scores: Sequence[Score]) -> dict[int, float]:
    return {
        n: each.value
        for n in steps
        for each in estimates(scores, f"step-{n}")
        if each.metric == metric.name
    }


def reward_at(step: int, evaluated: Sequence[int], lines: Sequence[Line]) -> float:
    """Return the mean reward of the answers drawn after a step, up to half-way to the next one.

    After the last evaluated step none is drawn: there it is that of the answers just before.
    """
    gaps = [abs(other - step) for other in evaluated if other != step]
    half = max(1, min(gaps) // 2)
    first = step if step < evaluated[-1] else step - half
    values = [
        line["reward"]
        for line in lines
        if "reward" in line and first < line["step"] <= first + half
    ]
    return sum(values) / len(values) if values else 0.0


def _watched(scores: Sequence[Score]) -> tuple[str, ...]:
    """Return the metrics that say whether answers are right, of those that were measured."""
    return TRUTH if "wrong" in scores[0].values else VERDICTS


def _turn(
    metric: Metric,
    steps: Sequence[int],
    by_step: Mapping[int, Sequence[Score]],
    lines: Sequence[Line],
) -> TurningPoint | None:
    values = _values(metric, steps, [score for each in by_step.values() for score in each])
    if len(values) < len(steps):
        return None
    sign = 1 if metric.better == "higher" else -1
    last = steps[-1]
    best = max(steps, key=lambda n: (sign * values[n], n))
    if best == last:
        return None
    rewards = reward_at(best, steps, lines), reward_at(last, steps, lines)
    tables = tabulate(by_step[last]), tabulate(by_step[best])
    change = difference(
        *tables, metric, model=f"step-{last}", against=f"step-{best}", benchmark=BENCHMARK
    )
    if change is None or not change.clear or sign * change.value >= 0:
        return None
    if rewards[1] <= rewards[0]:
        return None
    return TurningPoint(metric, best, last, (values[best], values[last]), rewards, change)
