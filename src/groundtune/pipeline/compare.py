"""Compares models item by item: differences with intervals, and what got worse."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.bench.run import read_scores
from groundtune.bench.summary import Summary, summarise
from groundtune.errors import UserError
from groundtune.pipeline.demo import write_rows
from groundtune.pipeline.world_report import (
    BESIDE,
    HEADLINE,
    all_metric_specs,
    benchmark_specs,
    label,
    shown,
)
from groundtune.pipeline.world_specs import WORLD_NOTE
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.page import write_report
from groundtune.report.verdict import tone_of


class Comparisons(Record):
    """What the models' scores say of each beside the first."""

    models: tuple[str, ...]
    """By the order of the folders; the first is what the others are compared with."""
    summary: Summary
    better: tuple[Difference, ...]
    """Differences whose interval excludes zero, for the better."""
    worse: tuple[Difference, ...]
    """The regressions: the same for the worse."""
    changed: tuple[Difference, ...]
    """The same of metrics that are neither good nor bad (length, yes-rate)."""
    unclear: int
    """Differences whose interval includes zero."""


def compare(folders: Sequence[Path]) -> Comparisons:
    """Compares every model of these folders with the first one, paired by picture.

    A folder is what `groundtune bench run` wrote, or a demo's or study's, whose models are all
    taken.

    Raises:
        UserError: a folder without scores, fewer than two models, or models that have not answered
            the same items.
    """
    named = models_of(folders)
    if len(named) < 2:
        raise UserError(
            f"There is one model to compare: {next(iter(named), 'none')}.",
            ", ".join(str(folder) for folder in folders),
            "Give the folders of two runs or more.",
        )
    summary = summarise(each for scores in named.values() for each in scores)
    specs = {spec.name: spec for spec in all_metric_specs()}
    groups: dict[str, list[Difference]] = {}
    for difference in summary.differences:
        tone = tone_of(shown(difference), specs[difference.metric])
        groups.setdefault(tone, []).append(difference)
    return Comparisons(
        models=tuple(named),
        summary=summary,
        better=tuple(groups.get("better", ())),
        worse=tuple(groups.get("worse", ())),
        changed=tuple(groups.get("changed", ())),
        unclear=len(groups.get("unclear", ())),
    )


def models_of(folders: Sequence[Path]) -> dict[str, list[Score]]:
    """The scores of each model; models of one name in two folders are told apart by the folder's.

    Raises:
        UserError: a folder without scores.
    """
    found: dict[str, list[Score]] = {}
    for folder in folders:
        for name, scores in _by_model(scores_in(folder)).items():
            if name not in found:
                found[name] = scores
            elif {s.key for s in scores} != {s.key for s in found[name]}:
                other = f"{name} ({folder})"
                found[other] = [s.model_copy(update={"model": other}) for s in scores]
    return found


def scores_in(folder: Path) -> list[Score]:
    """The scores of a benchmark's, demo's or study's folder.

    Raises:
        UserError: it holds none.
    """
    inside = sorted(each.parent for each in folder.glob("evaluation/*/scores"))
    if (folder / "scores").is_dir() or not inside:
        return read_scores(folder)
    base_first = sorted(inside, key=lambda path: not path.name.startswith("base"))
    return [score for each in base_first for score in read_scores(each)]


def _by_model(scores: Iterable[Score]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.model, []).append(score)
    return found


def comparison_page(
    models: Sequence[str],
    estimates: Sequence[Estimate],
    differences: Sequence[Difference],
    *,
    title: str,
    run: model.RunFacts | None = None,
) -> model.ReportInput:
    """The report of models beside the first one; the headline is that of the second."""
    return model.ReportInput(
        title=title,
        models=tuple(model.ModelSpec(name=name, label=label(name)) for name in models),
        metrics=all_metric_specs(),
        benchmarks=benchmark_specs(estimates),
        headline=model.Headline(
            **HEADLINE.model_dump(),
            model=models[min(1, len(models) - 1)],
            against=models[0],
            beside=BESIDE,
        ),
        estimates=tuple(estimates),
        differences=tuple(shown(each) for each in differences),
        run=run or model.RunFacts(),
        notes=(WORLD_NOTE,),
    )


def write_comparison(compared: Comparisons, out: Path) -> Path:
    """Writes report.html, summary.json and differences.json, and returns the report's path."""
    summary = compared.summary
    write_rows(out / "summary.json", summary.estimates)
    write_rows(out / "differences.json", summary.differences)
    page = comparison_page(
        compared.models, summary.estimates, summary.differences, title="Models compared"
    )
    return write_report(out / "report.html", page)


def difference_rows(
    differences: Sequence[Difference], specs: Mapping[str, model.MetricSpec] | None = None
) -> list[list[str]]:
    """Differences as texts: what, of which model, by how much, with the interval."""
    from groundtune.report.figures import signed_range_text, signed_text

    specs = specs or {spec.name: spec for spec in all_metric_specs()}
    rows: list[list[str]] = []
    for each in differences:
        spec = specs[each.metric]
        interval = signed_range_text(each.low, each.high, spec)
        share = "" if each.relative is None else f"{each.relative:+.0%}"
        what = f"{each.benchmark}: {spec.label}"
        rows.append([what, each.model, signed_text(each.value, spec), f"[{interval}]", share])
    return rows
