"""`groundtune bench run`, `bench score` and `bench list`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundtune.cli.bench.dry_run import print_dry_run
from groundtune.cli.bench.options import (
    ITEMS,
    NO_JUDGE,
    ItemOptions,
    JudgeOptions,
)
from groundtune.cli.model_options import MODEL, ModelOptions

if TYPE_CHECKING:
    from groundtune.pipeline.bench.result import BenchmarkResult, Measurement
    from groundtune.records import Estimate


def run(
    model: str,
    /,
    *benchmarks: str,
    out: Path,
    data: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    mode: Literal["official", "strict"] | None = None,
    judging: JudgeOptions = NO_JUDGE,
    items: ItemOptions = ITEMS,
    seed: int = 0,
    label: str = "",
    loading: ModelOptions = MODEL,
    self_knowledge: bool = False,
    allow_training_images: bool = False,
    json: bool = False,
) -> None:
    """Generate answers to benchmarks and score them.

    Answers are generated with greedy decoding; for the embedded world also at temperature 1. A
    command that was stopped resumes when you run it again.

    For example:

        groundtune bench run world:base world --n 100 --out runs/before
        groundtune bench run llava-hf/llava-1.5-7b-hf pope --data official --images val2014 \
--out runs/pope
        groundtune bench run runs/reward/model vl_rewardbench --data vl_rewardbench.parquet \
--out runs/vl-rewardbench

    Args:
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL. For
            vl_rewardbench also the folder of a reward model, reward:NAME for an installed reward,
            or reward:URL for a server's.
        benchmarks: Names of benchmarks, from `groundtune bench list` (default world).
        out: Folder for answers, scores and summary.json.
        data: Questions of a benchmark: a file, a folder, or "official" for what
            `groundtune bench data` downloads. With several benchmarks NAME=PATH, once for each.
        images: Folder with the benchmark's images. With several benchmarks NAME=PATH, once for
            each.
        mode: official gives the numbers of the official code, including its errors; strict
            corrects them (default: the benchmark's own, mostly official).
        judging: The judge.
        items: Items of benchmarks that make their own.
        seed: Random seed of questions and sampling.
        label: Name of the model in the results.
        loading: How the model is loaded and asked.
        self_knowledge: Also ask the model about each object that its captions of the embedded
            world name.
        allow_training_images: Evaluate on images that the model was trained on; they are counted.
        json: Print the result as one JSON object.
    """
    from groundtune.bench.registry import DEFAULT
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.data_paths import data_paths
    from groundtune.pipeline.bench.run import BenchSettings, run_bench
    from groundtune.recipe_loading import load

    options: dict[str, object] = {
        "model": model,
        "benchmarks": benchmarks or DEFAULT,
        "mode": mode,
        "label": label,
        "split": items.split,
        "n": items.n,
        "start": items.start,
        "seed": seed,
        "self_knowledge": self_knowledge,
        "allow_training_images": allow_training_images,
    }
    params = load(None, (), BenchSettings, options=options | loading.settings())
    with print_dry_run(out, json):
        with open_progress(silent=json) as progress:
            measurement = run_bench(
                params,
                out,
                progress,
                data_paths=data_paths(data, images),
                scoring=judging.scoring(out, progress),
                final=items.final,
                notebook=items.notebook,
                command=sys.argv,
            )
        _finish(measurement, out, json)


def score(
    name: str,
    answers: Path,
    /,
    *,
    data: tuple[Path, ...] = (),
    mode: Literal["official", "strict"] | None = None,
    judging: JudgeOptions = NO_JUDGE,
    out: Path | None = None,
    label: str = "",
    items: ItemOptions = ITEMS,
    seed: int = 0,
    decoding: str = "greedy",
    json: bool = False,
) -> None:
    """Score answers that you have; no model is loaded.

    For example:

        groundtune bench score world-captions runs/before --n 100
        groundtune bench score pope answers.jsonl --data official --out runs/pope

    Args:
        name: Name of a benchmark, from `groundtune bench list`.
        answers: File or folder in the benchmark's official layout, a VLMEvalKit table or lmms-eval
            samples. For the embedded world: a folder that `groundtune bench run` or sample wrote,
            or rows of scene, question and answer.
        data: File or folder with the benchmark's questions and labels, or "official" for what
            `groundtune bench data` downloads. Can be given several times.
        mode: official gives the numbers of the official code, including its errors; strict
            corrects them (default: the benchmark's own, mostly official).
        judging: The judge.
        out: Folder for scores, items and summary.json (default: next to the answers).
        label: Name of the model in the results (default: the name of the answers).
        items: Items of benchmarks that make their own.
        seed: Random seed of the bootstrap, and of the embedded world's questions.
        decoding: Name of the decoding for answers without one.
        json: Print the result as one JSON object.
    """
    from groundtune.bench.run.opening import opening_of
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.score import ScoreSettings, score_bench
    from groundtune.recipe_loading import load

    options: dict[str, object] = {
        "name": name,
        "answers": answers,
        "data": data,
        "selection": {"split": items.split, "n": items.n, "start": items.start, "seed": seed},
        "mode": mode,
        "label": label,
        "decoding": decoding,
        "seed": seed,
    }
    params = load(None, (), ScoreSettings, options=options)
    target = out or params.default_out
    with print_dry_run(target, json):
        with open_progress(silent=json) as progress:
            measurement = score_bench(
                params,
                target,
                progress,
                scoring=judging.scoring(target, progress),
                opening=opening_of(target, items.final, items.notebook, sys.argv),
            )
        if len(measurement.results) > 1:
            _finish(measurement, target, json)
        else:
            _finish_one(measurement, target, json)


def list_(*, json: bool = False) -> None:
    """List the benchmarks, with what they ask and how answers are read.

    For example:

        groundtune bench list

    Args:
        json: Print the result as one JSON object.
    """
    from groundtune.bench.registry import SUITES, load, names
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.data import official_data

    benchmarks = {name: load(name) for name in names()}
    next_command = ["groundtune", "bench", "run", "world:base", "world", "--n", "100"]
    next_command += ["--out", "runs/bench"]
    if json:
        output = {name: each.protocol.model_dump() for name, each in benchmarks.items()}
        for name, each in benchmarks.items():
            if each.read_data is not None:
                output[name]["data"] = official_data(each).as_json()
        finish({"suites": SUITES, "benchmarks": output}, next_command=next_command, json=True)
        return
    lines: dict[str, object] = {name: "all of " + ", ".join(of) for name, of in SUITES.items()}
    for name, each in benchmarks.items():
        protocol = each.protocol
        place = f"; data: {official_data(each).summary}" if each.read_data is not None else ""
        lines[name] = f"{protocol.label}: {protocol.counted} ({protocol.source}){place}"
    finish(lines, next_command=next_command)


def _finish(measurement: "Measurement", out: Path, json: bool) -> None:
    """Print several results; as JSON, the rows of summary.json and an object per result."""
    from groundtune.cli.finish import finish

    output: dict[str, object] = {}
    if json:
        output["rows"] = [each.model_dump() for each in measurement.estimates]
        output["benchmarks"] = [each.as_json() for each in measurement.results]
    else:
        _print(measurement)
    report = ["groundtune", "report", out]
    finish(output, path=out / "summary.json", next_command=report, json=json)


def _finish_one(measurement: "Measurement", out: Path, json: bool) -> None:
    from groundtune.cli.finish import finish

    (result,) = measurement.results
    if not json:
        _print(measurement)
    report = ["groundtune", "report", out]
    output = result.as_json() if json else {}
    finish(output, path=result.path, next_command=report, json=json)


def _print(measurement: "Measurement") -> None:
    """Print one table for the benchmarks without a total, and one per benchmark with a total."""
    from groundtune.cli.table import print_table

    totals = [each for each in measurement.results if each.benchmark.has_total]
    parts = [row for row in measurement.estimates if not any(each.has(row) for each in totals)]
    if parts:
        print_table([("metric", "value", "95% interval", "n"), *_rows(parts)])
    for each in totals:
        _print_total(each)


def _print_total(result: "BenchmarkResult") -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.bench.tables import mode_note, score_table

    print_table(score_table(result))
    notes = [*mode_note(result), *result.notes]
    lines = {f"note {i}": note for i, note in enumerate(notes, 1)}
    lines |= {f"data {i}": f"{each.path}: {each.revision}" for i, each in enumerate(result.data, 1)}
    finish(lines | {"rules": result.benchmark.revision, "items": str(result.items)})


def _rows(estimates: "list[Estimate]") -> list[tuple[str, str, str, str]]:
    """Headline metrics, then cost metrics."""
    from groundtune.bench.summary import metric_of

    several = len({estimate.model for estimate in estimates}) > 1
    rows: list[tuple[str, str, str, str]] = []
    for estimate in estimates:
        metric = metric_of(estimate.benchmark, estimate.metric)
        bounds = (estimate.value, estimate.low, estimate.high)
        value, low, high = (f"{metric.scale * x:.{metric.decimals}f}" for x in bounds)
        unit = f" {metric.unit}".replace(" %", "%").rstrip()
        model = f"{estimate.model}: " if several else ""
        name = f"{model}{estimate.benchmark} {estimate.metric}"
        rows.append((name, value + unit, f"{low} to {high}", str(estimate.n)))
    return rows
