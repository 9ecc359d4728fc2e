"""What each seed of a study's arms gave: an interval over seeds hides a run that learnt nothing."""

from collections.abc import Mapping, Sequence

from groundtune.bench.metric import Metric
from groundtune.bench.summary import estimate_all
from groundtune.pipeline.methods_study.settings import ArmRun
from groundtune.pipeline.models.measure import Measure
from groundtune.records import Estimate, Record, Score
from groundtune.report import model
from groundtune.report.figures import listed, value_text


class SeedResult(Record):
    """The figures of one run of an arm."""

    arm: str
    seed: int
    estimates: tuple[Estimate, ...]
    as_base: bool
    """Whether all of them are those of the base: the run left the model as it was."""


def seed_results(
    runs: Sequence[ArmRun],
    scores: Mapping[str, Sequence[Score]],
    measure: Measure,
    base: Sequence[Score],
) -> tuple[SeedResult, ...]:
    """Return the figures of each run; `base` is empty where no base was measured."""
    figures = _values(estimate_all(base, metrics=measure.metrics))
    results: list[SeedResult] = []
    for run in runs:
        estimates = tuple(estimate_all(scores[run.name], metrics=measure.metrics))
        as_base = bool(figures) and _values(estimates) == figures
        results.append(SeedResult(arm=run.arm, seed=run.seed, estimates=estimates, as_base=as_base))
    return tuple(results)


def unchanged(results: Sequence[SeedResult]) -> list[str]:
    """Return what to say of arms with runs that left the model as it was."""
    seeds: dict[str, list[str]] = {}
    for each in results:
        if each.as_base:
            seeds.setdefault(each.arm, []).append(str(each.seed))
    return [
        f"{arm}: with seed{'' if len(numbers) == 1 else 's'} {listed(numbers)} all "
        "figures are those of the base."
        for arm, numbers in seeds.items()
    ]


def seed_rows(
    results: Sequence[SeedResult],
    specs: Sequence[tuple[model.MetricRef, Metric]],
    labels: Sequence[str],
) -> list[list[str]]:
    """Return a row per run with its values."""
    rows = [["arm", "seed", *labels]]
    for each in results:
        row = [
            next((e for e in each.estimates if _place(e) == (ref.benchmark, ref.metric)), None)
            for ref, _ in specs
        ]
        values = [
            "-" if estimate is None else value_text(estimate.value, spec)
            for estimate, (_, spec) in zip(row, specs, strict=True)
        ]
        rows.append([each.arm, f"{each.seed}{', as the base' if each.as_base else ''}", *values])
    return rows


def _values(estimates: Sequence[Estimate]) -> dict[tuple[str, str], str]:
    """As text: a value that is not a number is equal to itself there."""
    return {_place(each): str(each.value) for each in estimates}


def _place(estimate: Estimate) -> tuple[str, str]:
    return estimate.benchmark, estimate.metric
