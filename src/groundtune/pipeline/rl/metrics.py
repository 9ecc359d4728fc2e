"""What is measured on held-out prompts, as metrics of saved scores."""

from collections.abc import Sequence
from pathlib import Path

from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import difference, estimate
from groundtune.bench.stats.sums import tabulate
from groundtune.records import Difference, Estimate, Score
from groundtune.store.dataset import RecordSet

BENCHMARK = "held-out"
BEFORE = "step-0"


def _share(name: str, label: str, better: str = "lower") -> Metric:
    each = {"numerator": {name: 1.0}, "denominator": {"scored": 1.0}}
    return Metric.model_validate({"name": name, "label": label, "better": better} | each)


def _number(name: str, label: str, unit: str, better: str = "neutral") -> Metric:
    format_ = {"unit": unit, "scale": 1, "decimals": 2, "better": better}
    return _share(name, label).model_copy(update=format_)


METRICS: tuple[Metric, ...] = (
    _share("invented", "Answers with an invented object"),
    _share("wrong", "Answers with anything wrong"),
    Metric(
        name="recall",
        label="Objects of the image that are named",
        numerator={"named": 1.0},
        denominator={"there": 1.0},
        better="higher",
        role="cost",
    ),
    _share("rejected", "Answers in which the labeler rejects a claim"),
    _number("rejected_claims", "Rejected claims per answer", "claims", "lower"),
    _number("supported_claims", "Different supported claims per answer", "claims", "higher"),
    _number("repeated_claims", "Claims per answer made again as new", "claims", "lower"),
    _number("mentions", "Objects mentioned per answer", "mentions"),
    _number("words", "Words per answer", "words").model_copy(update={"role": "cost"}),
    _share("truncated", "Truncated answers"),
    _share("repeated_phrases", "Phrases that an answer said before"),
    _number("found", "Word F1 of the wrong part", "score", "higher"),
    _number("symbolic", "Bonus for the right option, yes or no", "score", "higher"),
)
"""Truth first, where it is known; then what the labeler says; then lengths."""


def scores_of(out: Path) -> RecordSet[Score]:
    """Return the held-out scores of a run; an answer's model is its step, as in `step-12`."""
    return RecordSet(out / "held-out-scores", Score)


def step_of(model: str) -> int:
    """Return the step of which a score is, by its model's name."""
    return int(model.removeprefix("step-"))


def estimates(scores: Sequence[Score], model: str) -> list[Estimate]:
    """Return each metric of a step's answers that has a value, with its interval."""
    model_scores = [score for score in scores if score.model == model]
    if not model_scores:
        return []
    table = tabulate(model_scores)
    values = [
        estimate(table, metric, model=model, benchmark=BENCHMARK)
        for metric in METRICS
        if _is_measured(metric, model_scores)
    ]
    return [each for each in values if each is not None]


def changes(scores: Sequence[Score], model: str) -> list[Difference]:
    """Return each metric of a step minus that of the model before training, paired by image."""
    model_scores = [score for score in scores if score.model == model]
    before = [score for score in scores if score.model == BEFORE]
    if not model_scores or not before or model == BEFORE:
        return []
    tables = tabulate(model_scores), tabulate(before)
    values = [
        difference(*tables, metric, model=model, against=BEFORE, benchmark=BENCHMARK)
        for metric in METRICS
        if _is_measured(metric, model_scores)
    ]
    return [each for each in values if each is not None]


def _is_measured(metric: Metric, scores: Sequence[Score]) -> bool:
    return all(name in scores[0].values for name in metric.numerator)
