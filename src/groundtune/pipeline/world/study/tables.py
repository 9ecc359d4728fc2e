"""What a study's scores say: estimates, pooled differences, curves, equal lengths."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from groundtune.bench.run import read_scores
from groundtune.bench.summary import all_estimates, estimate_all, pool
from groundtune.pipeline.jobs import Done
from groundtune.pipeline.measure import BASE, with_seed
from groundtune.pipeline.world.pooling import equal_over_seeds
from groundtune.pipeline.world.steps import SELF_KNOWLEDGE
from groundtune.pipeline.world.study.settings import TWIN, Plan, StudySettings, Variant, variants
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model

Runs = dict[str, list[Score]]
"""The scores of each model, by its name."""


class StudyPoint(Record):
    """A point of a curve: some runs that differ in their seeds only, pooled."""

    x: float
    runs: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]


class StudyTables(Record):
    """What study.json holds."""

    bases: tuple[Estimate, ...]
    """Of the bases and the clean twin, with what each knows of what it invents."""
    pooled: tuple[Estimate, ...]
    """Of each way of learning, over the seeds of the main result."""
    differences: tuple[Difference, ...]
    """Each way of learning minus the base, pooled over seeds."""
    other_bases: tuple[Difference, ...]
    """The same on the bases from other seeds: `model` is "WAY on BASE"."""
    per_run: tuple[Estimate, ...]
    """Of each run alone."""
    corrections: tuple[StudyPoint, ...]
    """x: the number of corrections."""
    errors: tuple[StudyPoint, ...]
    """x: the annotator's error rate."""
    length: dict[str, model.LengthControl]
    """Each way of learning beside the base at equal length, greedy captions."""
    seconds: dict[str, float]


def study_tables(
    settings: StudySettings, out: Path, plan: Plan, runs: Runs, steps: Mapping[str, Done]
) -> StudyTables:
    """All that is computed of the scores."""
    every = variants(settings)
    main = {
        way: [v for v in every if _main(v, settings) and v.way == way] for way in settings.learn
    }
    measured = [*settings.bases, *([TWIN] if settings.clean_twin else [])]
    known = [e for name in measured for e in _self_knowledge(out / plan.scores[name])]
    return StudyTables(
        bases=tuple([e for name in measured for e in estimate_all(runs[name])] + known),
        pooled=tuple(e for way, some in main.items() for e in pooled_estimates(some, runs, way)),
        differences=tuple(d for way, some in main.items() for d in _against_base(some, runs, way)),
        other_bases=tuple(_elsewhere(settings, every, runs)),
        per_run=tuple(e for variant in every for e in estimate_all(runs[variant.name])),
        corrections=_curve(settings, every, runs, lambda v: v.corrections),
        errors=_curve(settings, every, runs, lambda v: v.error_rate),
        length={way: equal_pooled(some, runs, way) for way, some in main.items()},
        seconds={name: done.seconds for name, done in steps.items()},
    )


def _main(variant: Variant, settings: StudySettings) -> bool:
    """Whether a run belongs to the main result."""
    whole = (BASE, settings.corrections, 0.0)
    return (variant.base, variant.corrections, variant.error_rate) == whole and (
        variant.seed in settings.seeds
    )


def _self_knowledge(folder: Path) -> list[Estimate]:
    scores = folder / SELF_KNOWLEDGE
    return all_estimates(read_scores(scores)) if scores.exists() else []


def pooled_estimates(some: Sequence[Variant], runs: Runs, name: str) -> list[Estimate]:
    """The same over several runs; an image is resampled with its answers of all runs."""
    return estimate_all([s for v in some for s in with_seed(runs[v.name], name, v.seed)])


def _against_base(
    some: Sequence[Variant], runs: Runs, name: str, base: str = BASE
) -> list[Difference]:
    names = [(variant.name, variant.base) for variant in some]
    scores = [
        score for each in dict.fromkeys(n for pair in names for n in pair) for score in runs[each]
    ]
    return pool(names, scores, model=name, against=base)


def _elsewhere(settings: StudySettings, every: Sequence[Variant], runs: Runs) -> list[Difference]:
    made: list[Difference] = []
    for base in settings.other_bases:
        for way in settings.learn:
            some = [v for v in every if (v.base, v.way) == (base, way)]
            made += _against_base(some, runs, f"{way} on {base}", base)
    return made


def _curve(
    settings: StudySettings,
    every: Sequence[Variant],
    runs: Runs,
    x: Callable[[Variant], float],
) -> tuple[StudyPoint, ...]:
    """Points over what `x` tells of a run, all else as in the main result; seeds pooled."""
    whole = Variant(BASE, settings.headline, 0, settings.corrections, 0.0)
    points: dict[float, list[Variant]] = {}
    for variant in every:
        alike = variant._replace(seed=0) == whole
        varied = x(variant) != x(whole) and (variant.base, variant.way) == whole[:2]
        if variant.seed in settings.curve_seeds and (alike or varied):
            points.setdefault(x(variant), []).append(variant)
    return tuple(
        StudyPoint(
            x=value,
            runs=tuple(v.name for v in some),
            estimates=tuple(pooled_estimates(some, runs, settings.headline)),
            differences=tuple(_against_base(some, runs, settings.headline)),
        )
        for value, some in sorted(points.items())
    )


def equal_pooled(some: Sequence[Variant], runs: Runs, name: str) -> model.LengthControl:
    """Greedy captions of a way of learning and of the base at equal length, over all seeds."""
    return equal_over_seeds([(v.seed, runs[v.name], runs[v.base]) for v in some], name)
