"""The report of models compared with the first one, on whatever benchmarks they did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from groundtune.bench import registry
from groundtune.bench.summary import benchmark_of, family_of
from groundtune.pipeline.compare.flips import EmbeddedImage, flip_examples
from groundtune.pipeline.compare.parts import substitutes
from groundtune.pipeline.folder import RunFolder
from groundtune.records import Difference, Estimate, Prompt, Score
from groundtune.report import model
from groundtune.report.bench_parts import BenchParts
from groundtune.report.examples import NO_EXAMPLES, ItemView
from groundtune.report.specs import benchmark_spec, model_label, model_spec, subject_of

MOST_BESIDE = 3
"""Further headlines that the verdict names."""
MOST_WARNED = 3
"""Benchmarks whose warnings stand at the top of the page; a table has all."""
MOST_WARNINGS = 4
"""Warnings of each of these."""


def comparison_page(
    models: Sequence[str],
    estimates: Sequence[Estimate],
    differences: Sequence[Difference],
    *,
    title: str,
    provenance: model.Provenance = model.UNKNOWN,
    bench: BenchParts | None = None,
    scores: Sequence[Score] = (),
    images: EmbeddedImage | None = None,
    strata: Sequence[model.StratumEstimate] = (),
    results: Sequence[Mapping[str, Any]] = (),
) -> model.ReportInput:
    """The page; the headline is that of the second model.

    `scores` are those that the changed items' answers are shown of, `images` finds what an item
    asked; `results` are what `bench score` kept beside the scores: data, revisions, notes.
    """
    names = list(dict.fromkeys(each.benchmark for each in estimates))
    subject = subject_of(names)
    notes = (*subject.notes, *_stand_in_notes(bench), *_warning_notes(bench))
    return model.ReportInput(
        title=title,
        models=tuple(map(model_spec, models)),
        subject=subject.model_copy(update={"notes": notes, "limits": _result_notes(results)}),
        headline=_headline(models, names, bench),
        estimates=tuple(estimates),
        differences=tuple(differences),
        bench=bench,
        strata=tuple(strata),
        examples=flip_examples(bench.tests, scores, images) if bench else NO_EXAMPLES,
        provenance=_with_data(provenance, results),
    )


def _headline(
    models: Sequence[str], names: Sequence[str], bench: BenchParts | None
) -> model.Headline | None:
    """The headline of a benchmark with companions if there is one, else of the first benchmark.

    Where a headline has no value for one of the two models, it is what was tested in its place.
    """
    ends = {"model": models[min(1, len(models) - 1)], "against": models[0]}
    tests = bench.tests if bench else ()
    tested = {test.benchmark: test.metric for test in tests if test.model == ends["model"]}
    for name in names:
        benchmark = benchmark_of(name)
        if benchmark.companions and name == f"{benchmark.name}/{benchmark.decodings[0]}":
            companions = (model.MetricRef(benchmark=b, metric=m) for b, m in benchmark.companions)
            return model.Headline(
                benchmark=name, metric=benchmark.headline, beside=tuple(companions), **ends
            )
    wholes = [n for n in names if n.count("/") == 1] or list(names)
    refs = [
        model.MetricRef(benchmark=name, metric=tested.get(name) or benchmark_of(name).headline)
        for name in wholes
    ]
    if not refs:
        return None
    first, *others = refs
    fixed = "Each benchmark's own headline; the first one given comes first."
    return model.Headline(
        **first.model_dump(), beside=tuple(others[:MOST_BESIDE]), fixed=fixed, **ends
    )


def _with_data(
    provenance: model.Provenance, results: Sequence[Mapping[str, Any]]
) -> model.Provenance:
    """The same with the data files' hashes and revisions."""
    files = [
        cast("Mapping[str, object]", each)
        for told in results
        for each in cast("Sequence[object]", told.get("data", ()))
    ]
    named = {Path(str(f["path"])).name: f"{f['revision']}; sha256 {f['sha256']}" for f in files}
    return provenance.model_copy(update={"inputs": {**provenance.inputs, **named}})


def _result_notes(results: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the results say of themselves, each benchmark's notes as one line."""
    lines: list[str] = []
    for told in results:
        notes = [str(note) for note in cast("Sequence[object]", told.get("notes", ()))]
        if notes:
            lines.append(f"{told.get('benchmark')}, {told.get('model')}: {' '.join(notes)}")
    return tuple(dict.fromkeys(lines))


def _stand_in_notes(bench: BenchParts | None) -> tuple[model.Note, ...]:
    """A note for each headline that another metric stands for."""
    told = substitutes(bench) if bench else []
    return tuple(model.Note(text=f"{benchmark_spec(name).label}: {text}") for name, text in told)


def _warning_notes(bench: BenchParts | None) -> tuple[model.Note, ...]:
    """A note a benchmark with its warnings, those of the first benchmarks."""
    told: dict[str, list[str]] = {}
    for each in bench.warnings if bench else ():
        told.setdefault(each.benchmark, []).append(f"{model_label(each.model)}: {each.text}")
    notes = [
        model.Note(
            kind="warning",
            text=f"{benchmark_spec(name).label}: {' '.join(said[:MOST_WARNINGS])}",
        )
        for name, said in list(told.items())[:MOST_WARNED]
    ]
    first = list(told.values())[:MOST_WARNED]
    rest = sum(map(len, told.values())) - sum(len(said[:MOST_WARNINGS]) for said in first)
    if rest:
        notes.append(model.Note(text=f"{rest} more warnings stand under \u201cBehaviour\u201d."))
    return tuple(notes)


def images_in(folders: Sequence[Path]) -> EmbeddedImage:
    """Finds what an item asked, and its images, in folders of `bench run`.

    Items of two benchmarks may share a name, so a prompt is found by its benchmark and item; a
    prompt of another dataset (the embedded world) by the item or the image alone. Where several
    prompts fit, the result has their images alone.
    """
    benchmarks = set(registry.names())
    asked: dict[tuple[str, str], list[tuple[RunFolder, Prompt]]] = {}
    for run in map(RunFolder, folders):
        for prompt in run.prompts.read() if run.prompts.parts() else []:
            dataset = prompt.source.dataset.partition("/")[0]
            key = (dataset if dataset in benchmarks else "", prompt.source.row)
            asked.setdefault(key, []).append((run, prompt))

    def find(score: Score) -> ItemView | None:
        found = asked.get((family_of(score.benchmark), score.item))
        found = found or asked.get(("", score.item)) or asked.get(("", score.image))
        if not found:
            return None
        run, prompt = found[0]
        there = (each for each in prompt.images if run.images.path(each).is_file())
        images = tuple(run.images.read(sha256) for sha256 in there)
        alone = len({each.key for _, each in found}) == 1
        if not alone:
            return ItemView(images=images)
        name = "" if prompt.source.dataset.partition("/")[0] in benchmarks else prompt.source.name
        return ItemView(images=images, prompt=prompt.question, name=name)

    return find
