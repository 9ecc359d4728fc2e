"""Tables of a study from its scores: estimates, pooled differences, curves, equal lengths."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from groundtune.bench.run.run import read_scores
from groundtune.bench.summary import all_estimates, estimate_all, pool
from groundtune.pipeline.models.measure import BASE, with_seed
from groundtune.pipeline.runs.jobs import JobResult
from groundtune.pipeline.world.pooling import equal_over_seeds
from groundtune.pipeline.world.steps import SELF_KNOWLEDGE
from groundtune.pipeline.world.study.settings import (
    TWIN,
    StudyPlan,
    StudySettings,
    Variant,
    variants,
)
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model

Runs = dict[str, list[Score]]
"""The scores of each model, by its name."""


class StudyPoint(Record):
    """A point of a curve: runs that differ only in their seeds, pooled."""

    x: float
    runs: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    differences: tuple[Difference, ...]


class StudyTables(Record):
    """Content of study.json."""

    bases: tuple[Estimate, ...]
    """Of the bases and the clean twin, with their self-knowledge."""
    pooled: tuple[Estimate, ...]
    """Of each way of learning, pooled over the seeds of the main result."""
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
    """Each way of learning compared with the base at equal length, greedy captions."""
    seconds: dict[str, float]


def study_tables(
    settings: StudySettings, out: Path, plan: StudyPlan, runs: Runs, steps: Mapping[str, JobResult]
) -> StudyTables:
    """Compute all tables from the scores."""
    all_variants = variants(settings)
    main = {
        way: [v for v in all_variants if _main(v, settings) and v.way == way]
        for way in settings.learn
    }
    base_names = [*settings.bases, *([TWIN] if settings.clean_twin else [])]
    self_knowledge = [e for name in base_names for e in _self_knowledge(out / plan.scores[name])]
    return StudyTables(
        bases=tuple([e for name in base_names for e in estimate_all(runs[name])] + self_knowledge),
        pooled=tuple(
            e for way, members in main.items() for e in pooled_estimates(members, runs, way)
        ),
        differences=tuple(
            d for way, members in main.items() for d in _against_base(members, runs, way)
        ),
        other_bases=tuple(_elsewhere(settings, all_variants, runs)),
        per_run=tuple(e for variant in all_variants for e in estimate_all(runs[variant.name])),
        corrections=_curve(settings, all_variants, runs, lambda v: v.corrections),
        errors=_curve(settings, all_variants, runs, lambda v: v.error_rate),
        length={way: equal_pooled(members, runs, way) for way, members in main.items()},
        seconds={name: step.seconds for name, step in steps.items()},
    )


def _main(variant: Variant, settings: StudySettings) -> bool:
    """Whether a run belongs to the main result."""
    main_values = (BASE, settings.corrections, 0.0)
    return (variant.base, variant.corrections, variant.error_rate) == main_values and (
        variant.seed in settings.seeds
    )


def _self_knowledge(folder: Path) -> list[Estimate]:
    scores = folder / SELF_KNOWLEDGE
    return all_estimates(read_scores(scores)) if scores.exists() else []


def pooled_estimates(members: Sequence[Variant], runs: Runs, name: str) -> list[Estimate]:
    """The same over several runs; an image is resampled with its answers of all runs."""
    return estimate_all([s for v in members for s in with_seed(runs[v.name], name, v.seed)])


def _against_base(
    members: Sequence[Variant], runs: Runs, name: str, base: str = BASE
) -> list[Difference]:
    names = [(variant.name, variant.base) for variant in members]
    scores = [
        score
        for model_name in dict.fromkeys(n for pair in names for n in pair)
        for score in runs[model_name]
    ]
    return pool(names, scores, model=name, against=base)


def _elsewhere(
    settings: StudySettings, all_variants: Sequence[Variant], runs: Runs
) -> list[Difference]:
    differences: list[Difference] = []
    for base in settings.other_bases:
        for way in settings.learn:
            members = [v for v in all_variants if (v.base, v.way) == (base, way)]
            differences += _against_base(members, runs, f"{way} on {base}", base)
    return differences


def _curve(
    settings: StudySettings,
    all_variants: Sequence[Variant],
    runs: Runs,
    x: Callable[[Variant], float],
) -> tuple[StudyPoint, ...]:
    """Points over a property `x` of runs, with all else as in the main result; seeds are pooled."""
    main_variant = Variant(BASE, settings.headline, 0, settings.corrections, 0.0)
    points: dict[float, list[Variant]] = {}
    for variant in all_variants:
        alike = variant._replace(seed=0) == main_variant
        is_varied = (
            x(variant) != x(main_variant) and (variant.base, variant.way) == main_variant[:2]
        )
        if variant.seed in settings.curve_seeds and (alike or is_varied):
            points.setdefault(x(variant), []).append(variant)
    return tuple(
        StudyPoint(
            x=value,
            runs=tuple(v.name for v in members),
            estimates=tuple(pooled_estimates(members, runs, settings.headline)),
            differences=tuple(_against_base(members, runs, settings.headline)),
        )
        for value, members in sorted(points.items())
    )


def equal_pooled(members: Sequence[Variant], runs: Runs, name: str) -> model.LengthControl:
    """Greedy captions of a way of learning and of the base at equal length, over all seeds."""
    return equal_over_seeds([(v.seed, runs[v.name], runs[v.base]) for v in members], name)
