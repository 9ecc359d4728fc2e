"""The tables and the page of a study of methods."""

from collections.abc import Mapping, Sequence

from groundtune.bench.metric import Metric
from groundtune.bench.summary import estimate_all, pool
from groundtune.pipeline.methods_study.choosing import ArmSearch, SettingResult, ref_of
from groundtune.pipeline.methods_study.seeds import (
    SeedResult,
    seed_results,
    seed_rows,
    unchanged,
)
from groundtune.pipeline.methods_study.settings import ArmRun, ArmsSettings, StudyOutcome, Values
from groundtune.pipeline.methods_study.study import Study
from groundtune.pipeline.models.measure import BASE, with_seed
from groundtune.pipeline.runs.provenance import provenance_of
from groundtune.records import Difference, Estimate, Record, Score
from groundtune.report import model
from groundtune.report.figures import quantity, signed_text, signed_with_interval, with_interval
from groundtune.report.page import write_report
from groundtune.report.tried import tried_text
from groundtune.report.verdict import verdict_text
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of, write_object

Scores = Mapping[str, Sequence[Score]]


class ArmResult(Record):
    """An arm with its chosen setting, pooled over seeds."""

    name: str
    recipe: str
    note: str
    setting: Values
    """The chosen overrides; empty if every setting failed."""
    settings_tried: int
    seeds: tuple[int, ...]
    """Those that the figures are from."""
    failed: dict[str, str]
    """Why runs failed, by their names."""


class MethodsTables(Record):
    """The content of study.json."""

    split: str
    """Of the figures."""
    arms: tuple[ArmResult, ...]
    choices: dict[str, ArmSearch]
    estimates: tuple[Estimate, ...]
    """Of what is only measured, and of each arm, pooled over seeds."""
    by_seed: tuple[SeedResult, ...]
    """Of each arm's runs, where there are several seeds."""
    differences: tuple[Difference, ...]
    """From the base, from the first arm, and of the pairs in `compare`."""


def report_study(
    study: Study,
    choices: Mapping[str, ArmSearch],
    runs: Sequence[ArmRun],
    scores: Scores,
    tested: Scores,
    others: Sequence[str],
) -> StudyOutcome:
    """Write study.json, study.md and report.html."""
    used_scores = tested or scores
    tables = _tables(study, choices, runs, used_scores, others, "test" if tested else "development")
    page = _page(study, tables, others)
    names = [ref_of(study.measure, name) for name in study.settings.shown or [""]]
    refs = names if study.settings.shown else list(study.measure.columns)
    table = _table(page, tables, refs, others)
    write_object(study.out / "study.json", tables, indent=1)
    text = _markdown(study, page, tables, table, refs)
    write_atomic(study.out / "study.md", text.encode())
    return StudyOutcome(
        report=write_report(study.out, page),
        results=study.out / "study.json",
        markdown=study.out / "study.md",
        verdict=verdict_text(page),
        table=table,
        failed=dict(study.failed),
    )


def _tables(
    study: Study,
    choices: Mapping[str, ArmSearch],
    runs: Sequence[ArmRun],
    scores: Scores,
    others: Sequence[str],
    split: str,
) -> MethodsTables:
    settings, metrics = study.settings, study.measure.metrics
    runs_by_arm = {
        arm: [run for run in runs if run.arm == arm and run.name in scores] for arm in settings.arms
    }
    estimates = [e for name in others for e in estimate_all(scores[name], metrics=metrics)]
    for arm, arm_runs in runs_by_arm.items():
        pooled = [s for run in arm_runs for s in with_seed(scores[run.name], arm, run.seed)]
        estimates += estimate_all(pooled, metrics=metrics)
    differences = [
        row
        for one, other in _compared(settings, others)
        for row in _difference(study, one, other, runs_by_arm, scores)
    ]
    return MethodsTables(
        split=split,
        arms=tuple(
            _result(settings, arm, choices[arm], runs_by_arm[arm], study.failed)
            for arm in runs_by_arm
        ),
        choices=dict(choices),
        estimates=tuple(estimates),
        by_seed=seed_results(
            [run for arm_runs in runs_by_arm.values() for run in arm_runs],
            scores,
            study.measure,
            scores[BASE] if BASE in others else (),
        )
        if len(settings.seeds) > 1
        else (),
        differences=tuple(differences),
    )


def _compared(settings: ArmsSettings, others: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of names: each arm with each model that is only measured, and with the first."""
    first, *rest = settings.arms
    pairs = [(arm, other) for other in others for arm in settings.arms]
    pairs += [(arm, first) for arm in rest]
    return list(dict.fromkeys([*pairs, *settings.compare]))


def _difference(
    study: Study, one: str, other: str, runs_by_arm: Mapping[str, Sequence[ArmRun]], scores: Scores
) -> list[Difference]:
    """Return the paired differences over the seeds that both have."""
    if other in runs_by_arm:
        seeds = {run.seed: run.name for run in runs_by_arm[other]}
        runs = [(run.name, seeds[run.seed]) for run in runs_by_arm[one] if run.seed in seeds]
    else:
        runs = [(run.name, other) for run in runs_by_arm[one]]
    if not runs:
        return []
    scores_of_runs = [
        score for name in {n for pair in runs for n in pair} for score in scores[name]
    ]
    return pool(runs, scores_of_runs, model=one, against=other, metrics=study.measure.metrics)


def _result(
    settings: ArmsSettings,
    arm: str,
    choice: ArmSearch,
    runs: Sequence[ArmRun],
    failed: Mapping[str, str],
) -> ArmResult:
    arm_settings, values = settings.arms[arm], settings.tried(arm)
    names = [
        ArmRun(arm, number, seed).name for number in range(len(values)) for seed in settings.seeds
    ]
    return ArmResult(
        name=arm,
        recipe=arm_settings.recipe or settings.arms[arm_settings.like].recipe,
        note=arm_settings.note,
        setting={} if choice.number is None else values[choice.number],
        settings_tried=0 if arm_settings.like else len(values),
        seeds=tuple(run.seed for run in runs),
        failed={name: failed[name] for name in names if name in failed},
    )


def _page(study: Study, tables: MethodsTables, others: Sequence[str]) -> model.ReportInput:
    settings = study.settings
    against = BASE if BASE in others else next(iter(settings.arms))
    measured = {estimate.model for estimate in tables.estimates}
    arms = [arm for arm in tables.arms if arm.name in measured]
    rows = [d for d in tables.differences if d.against == against]
    subject = study.measure.subject(tables.estimates, len(settings.seeds))
    warnings = [f"{name} failed: {why}" for name, why in study.failed.items()]
    warnings += [*_lost(settings, tables), *unchanged(tables.by_seed)]
    notes = tuple(model.Note(kind="warning", text=text) for text in warnings)
    changes: dict[str, object] = {"notes": (*notes, *subject.notes)}
    if settings.choose.metric and subject.headline:  # what settings were chosen by comes first
        changes["headline"] = ref_of(study.measure, settings.choose.metric)
        changes["companions"] = (subject.headline, *subject.companions)
    subject = subject.model_copy(update=changes)
    models = [model.ModelSpec(name=name, label=name.capitalize()) for name in others]
    models += [model.ModelSpec(name=arm.name, label=arm.name, note=_how(arm)) for arm in arms]
    if not models:
        models = [model.ModelSpec(name=against, label=against, note="it failed")]
    leads = [arm.name for arm in arms if arm.name != against]
    return model.ReportInput(
        title=f"Study of {len(settings.arms)} arms",
        summary=f"{_description(settings, tables)} {_tried(settings)}",
        models=tuple(sorted(models, key=lambda each: each.name != against)),
        subject=subject,
        headline=subject.lead(leads[0], against) if leads and against in measured else None,
        estimates=tables.estimates,
        differences=tuple(rows),
        provenance=provenance_of(study.out, study.steps),
    )


def _lost(settings: ArmsSettings, tables: MethodsTables) -> list[str]:
    """Return what to say of arms in which no setting kept enough."""
    return [
        f"No setting of {arm} kept enough ({settings.choose.keep}): the one that lost least "
        "was chosen."
        for arm, choice in tables.choices.items()
        if choice.lost
    ]


def _how(arm: ArmResult) -> str:
    chosen = ", ".join(f"{key}={json_of(value)}" for key, value in arm.setting.items())
    return "; ".join(text for text in (arm.note, f"recipe {arm.recipe}", chosen) if text)


def _tried(settings: ArmsSettings) -> str:
    return tried_text(
        {arm: len(settings.tried(arm)) for arm in settings.arms if not settings.arms[arm].like}
    )


def _description(settings: ArmsSettings, tables: MethodsTables) -> str:
    seeds = quantity(len(settings.seeds), "seed")
    return (
        f"Every arm starts from {settings.model}. Settings were chosen on the development split "
        f"by seed {settings.seeds[0]}, then trained with {seeds}; "
        f"figures are of the {tables.split} split. Intervals of differences are from images and "
        "seeds resampled."
    )


def _table(
    page: model.ReportInput,
    tables: MethodsTables,
    refs: Sequence[model.MetricRef],
    others: Sequence[str],
) -> list[list[str]]:
    """Return a row per model and arm; failed arms have their reason."""
    rows = [["arm", "n", "settings tried", *_labels(page, refs)]]
    for name in others:
        rows.append(_row(name, "", tables, refs, page))
    for arm in tables.arms:
        if arm.seeds:
            number = str(arm.settings_tried or "as chosen")
            rows.append(_row(arm.name, number, tables, refs, page))
        else:
            why = next(iter(arm.failed.values()), "it has no figures")
            blank = [""] * (len(refs) - 1)
            rows.append([arm.name, "0", str(arm.settings_tried), f"failed: {why}", *blank])
    return rows


def _labels(page: model.ReportInput, refs: Sequence[model.MetricRef]) -> list[str]:
    """Return the metrics' labels; those of several benchmarks' figures name the benchmark."""
    labels = [page.metric(ref).label for ref in refs]
    return [
        f"{label} ({ref.benchmark})" if labels.count(label) > 1 else label
        for label, ref in zip(labels, refs, strict=True)
    ]


def _row(
    name: str,
    settings_tried: str,
    tables: MethodsTables,
    refs: Sequence[model.MetricRef],
    page: model.ReportInput,
) -> list[str]:
    estimates = [model.find_estimate(tables.estimates, name, ref) for ref in refs]
    n = max((each.n for each in estimates if each), default=0)
    return [
        name,
        f"{n:,}",
        settings_tried,
        *(with_interval(e, page.metric(ref)) for e, ref in zip(estimates, refs, strict=True)),
    ]


def _markdown(
    study: Study,
    page: model.ReportInput,
    tables: MethodsTables,
    table: Sequence[Sequence[str]],
    refs: Sequence[model.MetricRef],
) -> str:
    """Return the tables for the documentation."""
    parts = [f"# {page.title}, {tables.split} split\n\n{page.summary}\n", _lines(table)]
    rows = [["arm", "against", *_labels(page, refs)]]
    for one, other in dict.fromkeys((d.model, d.against) for d in tables.differences):
        differences = [d for d in tables.differences if (d.model, d.against) == (one, other)]
        row = [model.find_difference(differences, one, ref) for ref in refs]
        cells = [
            signed_with_interval(d, page.metric(ref)) if d else "-"
            for d, ref in zip(row, refs, strict=True)
        ]
        rows.append([one, other, *cells])
    parts += ["## Paired differences, 95% intervals\n", _lines(rows)]
    if tables.by_seed:
        specs = [(ref, page.metric(ref)) for ref in refs]
        by_seed = seed_rows(tables.by_seed, specs, _labels(page, refs))
        parts += [f"## Each seed, {tables.split} split\n", _lines(by_seed)]
        parts += [f"{text}\n" for text in unchanged(tables.by_seed)]
    parts += ["## Settings tried, development split\n", _lines(_tried_rows(study, page, tables))]
    if losses := _lost(study.settings, tables):
        parts += [" ".join(losses) + "\n"]
    failures = [f"- {name}: {why}" for arm in tables.arms for name, why in arm.failed.items()]
    if failures:
        parts += ["## Failed\n", "\n".join(failures) + "\n"]
    return "\n".join(parts)


def _tried_rows(study: Study, page: model.ReportInput, tables: MethodsTables) -> list[list[str]]:
    """Return a row per setting: what is chosen by, and what must be kept, against the base."""
    settings, rule = study.settings, study.settings.choose
    spec = page.metric(ref_of(study.measure, rule.metric))
    kept_spec = page.metric(ref_of(study.measure, rule.keep)) if rule.keep else None
    kept_label = [f"{kept_spec.label}: better than the base's by"] if kept_spec else []
    rows = [["arm", "setting", spec.label, *kept_label, "chosen"]]
    for arm in settings.arms:
        choice = tables.choices[arm]
        for each in choice.tried if not settings.arms[arm].like else ():
            value = f"failed: {each.failed}" if each.failed else with_interval(each.value, spec)
            change = [_kept_text(each, kept_spec)] if kept_spec else []
            chosen = "yes" if choice.number == each.number else ""
            setting = json_of(settings.tried(arm)[each.number])
            rows.append([arm, f"`{setting}`", value, *change, chosen])
    return rows


def _kept_text(result: SettingResult, spec: Metric) -> str:
    return "-" if result.kept is None else signed_text(result.kept, spec)


def _lines(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
