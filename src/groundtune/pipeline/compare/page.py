"""The report of models compared with the first one, on any benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from groundtune.bench import registry
from groundtune.bench.summary import benchmark_of, family_of
from groundtune.pipeline.compare.flips import EmbeddedImage, flip_examples
from groundtune.pipeline.compare.parts import substitutes
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Difference, Estimate, Prompt, Score
from groundtune.report import model
from groundtune.report.bench_parts import BenchParts
from groundtune.report.examples import NO_EXAMPLES, ItemView
from groundtune.report.specs import benchmark_spec, model_label, model_spec, subject_of

MOST_COMPANIONS = 3
"""Maximum of further headlines in the verdict."""
MOST_WARNED = 3
"""Maximum of benchmarks whose warnings are at the top of the page; a table has all."""
MOST_WARNINGS = 4
"""Maximum of warnings for each of these."""


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
    asked; `results` are what `bench score` kept next to the scores: data, revisions, notes.
    """
    names = list(dict.fromkeys(row.benchmark for row in estimates))
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
    tested_metrics = {test.benchmark: test.metric for test in tests if test.model == ends["model"]}
    for name in names:
        benchmark = benchmark_of(name)
        if benchmark.companions and name == f"{benchmark.name}/{benchmark.decodings[0]}":
            companions = (model.MetricRef(benchmark=b, metric=m) for b, m in benchmark.companions)
            return model.Headline(
                benchmark=name, metric=benchmark.headline, companions=tuple(companions), **ends
            )
    wholes = [n for n in names if n.count("/") == 1] or list(names)
    refs = [
        model.MetricRef(
            benchmark=name, metric=tested_metrics.get(name) or benchmark_of(name).headline
        )
        for name in wholes
    ]
    if not refs:
        return None
    first, *others = refs
    fixed = "Each benchmark's own headline; the first one given comes first."
    return model.Headline(
        **first.model_dump(), companions=tuple(others[:MOST_COMPANIONS]), fixed=fixed, **ends
    )


def _with_data(
    provenance: model.Provenance, results: Sequence[Mapping[str, Any]]
) -> model.Provenance:
    """The same, with the data files' hashes and revisions."""
    files = [
        cast("Mapping[str, object]", entry)
        for result in results
        for entry in cast("Sequence[object]", result.get("data", ()))
    ]
    file_notes = {
        Path(str(f["path"])).name: f"{f['revision']}; sha256 {f['sha256']}" for f in files
    }
    return provenance.model_copy(update={"inputs": {**provenance.inputs, **file_notes}})


def _result_notes(results: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The results' own notes, one line per benchmark."""
    lines: list[str] = []
    for result in results:
        notes = [str(note) for note in cast("Sequence[object]", result.get("notes", ()))]
        if notes:
            lines.append(f"{result.get('benchmark')}, {result.get('model')}: {' '.join(notes)}")
    return tuple(dict.fromkeys(lines))


def _stand_in_notes(bench: BenchParts | None) -> tuple[model.Note, ...]:
    """A note per headline that another metric replaces."""
    replacements = substitutes(bench) if bench else []
    return tuple(
        model.Note(text=f"{benchmark_spec(name).label}: {text}") for name, text in replacements
    )


def _warning_notes(bench: BenchParts | None) -> tuple[model.Note, ...]:
    """A note per benchmark with its warnings, for the first benchmarks."""
    texts: dict[str, list[str]] = {}
    for warning in bench.warnings if bench else ():
        texts.setdefault(warning.benchmark, []).append(
            f"{model_label(warning.model)}: {warning.text}"
        )
    notes = [
        model.Note(
            kind="warning",
            text=f"{benchmark_spec(name).label}: {' '.join(warnings[:MOST_WARNINGS])}",
        )
        for name, warnings in list(texts.items())[:MOST_WARNED]
    ]
    first = list(texts.values())[:MOST_WARNED]
    rest = sum(map(len, texts.values())) - sum(len(warnings[:MOST_WARNINGS]) for warnings in first)
    if rest:
        notes.append(model.Note(text=f"{rest} more warnings stand under \u201cBehaviour\u201d."))
    return tuple(notes)


def images_in(folders: Sequence[Path]) -> EmbeddedImage:
    """Return a function that finds an item's prompt and images in folders of `bench run`.

    Items of two benchmarks may share a name, so a prompt is found by its benchmark and item; a
    prompt of another dataset (the embedded world) by the item or the image alone. Where several
    prompts fit, the result has their images alone.
    """
    benchmarks = set(registry.names())
    prompts_of: dict[tuple[str, str], list[tuple[RunFolder, Prompt]]] = {}
    for run in map(RunFolder, folders):
        for prompt in run.prompts.read() if run.prompts.parts() else []:
            dataset = prompt.source.dataset.partition("/")[0]
            key = (dataset if dataset in benchmarks else "", prompt.source.row)
            prompts_of.setdefault(key, []).append((run, prompt))

    def find(score: Score) -> ItemView | None:
        candidates = prompts_of.get((family_of(score.benchmark), score.item))
        candidates = (
            candidates or prompts_of.get(("", score.item)) or prompts_of.get(("", score.image))
        )
        if not candidates:
            return None
        run, prompt = candidates[0]
        available = (
            image_hash for image_hash in prompt.images if run.images.path(image_hash).is_file()
        )
        images = tuple(run.images.read(sha256) for sha256 in available)
        alone = len({image_hash.key for _, image_hash in candidates}) == 1
        if not alone:
            return ItemView(images=images)
        name = "" if prompt.source.dataset.partition("/")[0] in benchmarks else prompt.source.name
        return ItemView(images=images, prompt=prompt.question, name=name)

    return find
