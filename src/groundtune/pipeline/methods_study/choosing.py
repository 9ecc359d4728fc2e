"""Chooses one of an arm's settings by its scores on the development split."""

from collections.abc import Mapping, Sequence

from groundtune.bench.summary import summarise
from groundtune.pipeline.methods_study.settings import ArmChoice, ArmRun
from groundtune.pipeline.models.measure import BASE, Measure
from groundtune.records import Estimate, Record, Score
from groundtune.report.model import MetricRef, find_difference, find_estimate


class SettingResult(Record):
    """A setting that was tried."""

    number: int
    value: Estimate | None = None
    """The metric that is chosen by; None if the run failed."""
    kept: float | None = None
    """How much better the metric to keep is than the base's; below 0 it is worse."""
    failed: str = ""


class ArmSearch(Record):
    """The settings that an arm tried, and the one that was chosen."""

    tried: tuple[SettingResult, ...]
    number: int | None
    """The chosen one, from 0; None if all failed."""
    lost: bool = False
    """Whether no setting kept enough: then the one that lost least is chosen."""


def choose(
    runs: Sequence[ArmRun],
    scores: Mapping[str, Sequence[Score]],
    failed: Mapping[str, str],
    measure: Measure,
    rule: ArmChoice,
) -> ArmSearch:
    """Return the choice among an arm's runs; of equally good ones the first."""
    ref = ref_of(measure, rule.metric)
    keep = ref_of(measure, rule.keep) if rule.keep else None
    results = [_tried(run, scores, failed, measure, ref, keep) for run in runs]
    usable = [each for each in results if each.value is not None]
    if not usable:
        return ArmSearch(tried=tuple(results), number=None)
    enough = [each for each in usable if each.kept is None or each.kept >= -rule.lost]
    if not enough:
        least = max(usable, key=lambda each: each.kept or 0.0)
        return ArmSearch(tried=tuple(results), number=least.number, lost=True)
    sign = -1.0 if _better(measure, ref) == "lower" else 1.0
    best = max(enough, key=lambda each: sign * each.value.value if each.value else 0.0)
    return ArmSearch(tried=tuple(results), number=best.number)


def ref_of(measure: Measure, name: str) -> MetricRef:
    """Return a metric by its name in the measure's short table, or by BENCHMARK:METRIC.

    "" is the table's first.
    """
    benchmark, colon, metric = name.rpartition(":")
    if colon:
        return MetricRef(benchmark=benchmark, metric=metric)
    matches = [ref for ref in measure.columns if ref.metric == name]
    first = measure.columns[0]
    return (matches or [first.model_copy(update={"metric": name}) if name else first])[0]


def _better(measure: Measure, ref: MetricRef) -> str:
    metrics = measure.metrics(ref.benchmark.rpartition("/")[0])
    return next((each.better for each in metrics if each.name == ref.metric), "higher")


def _tried(
    run: ArmRun,
    scores: Mapping[str, Sequence[Score]],
    failed: Mapping[str, str],
    measure: Measure,
    ref: MetricRef,
    keep: MetricRef | None,
) -> SettingResult:
    if run.name not in scores:
        return SettingResult(number=run.number, failed=failed.get(run.name, "It has no scores."))
    base = list(scores.get(BASE, ()))
    summary = summarise(
        [*base, *scores[run.name]],
        against=BASE if base else run.name,
        metrics=measure.metrics,
    )
    value = find_estimate(summary.estimates, run.name, ref)
    if value is None:
        return SettingResult(number=run.number, failed=f"It has no {ref.metric}.")
    change = find_difference(summary.differences, run.name, keep) if keep else None
    coverage = None
    if keep and change:
        coverage = -change.value if _better(measure, keep) == "lower" else change.value
    return SettingResult(number=run.number, value=value, kept=coverage)
