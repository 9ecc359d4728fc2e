"""`groundtune bench run`, `bench score` and `bench list`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from groundtune.cli.bench.options import (
    MODEL,
    NO_JUDGE,
    WORLD,
    JudgeOptions,
    ModelOptions,
    WorldOptions,
)

if TYPE_CHECKING:
    from groundtune.pipeline.bench.result import BenchmarkResult, Measurement
    from groundtune.records import Estimate


def run(
    model: str,
    *names: str,
    out: Path,
    data: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    mode: Literal["official", "strict"] | None = None,
    judging: JudgeOptions = NO_JUDGE,
    world: WorldOptions = WORLD,
    seed: int = 0,
    label: str = "",
    loading: ModelOptions = MODEL,
    knowing: bool = False,
    json: bool = False,
) -> None:
    """Generate answers and score them: the world's greedily and at temperature 1, others greedily.

    Run again with the same --out, it goes on where it stopped.

    Args:
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL.
        names: Benchmarks, as `groundtune bench list` names them (world).
        out: Folder for answers, scores and summary.json.
        data: Questions of a benchmark: a file or folder, or NAME=PATH; may be repeated. The word
            official stands for what `groundtune bench data` fetches.
        images: Folder of a benchmark's pictures, or NAME=PATH; may be repeated.
        mode: official (the official code's numbers, its faults included) or strict; the
            benchmark's first, mostly official, if it isn't given.
        judging: The judge.
        world: The world's items.
        seed: Seed of the questions and of what is drawn.
        label: What the model is called in the results.
        loading: How the model is loaded.
        knowing: Also ask the model about each object that its captions of the world name.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.run import BenchParams, run_bench
    from groundtune.pipeline.bench.sources import sources

    params = BenchParams(
        model=model,
        benchmarks=names or ("world",),
        mode=mode,
        label=label,
        adapter=str(loading.adapter or ""),
        revision=loading.revision,
        split=world.split,
        n=world.n,
        seed=seed,
        knowing=knowing,
        batch_size=loading.batch_size,
        device=loading.device,
        dtype=loading.dtype,
    )
    with open_progress(silent=json) as progress:
        made = run_bench(
            params,
            out,
            progress,
            sources=sources(data, images),
            scoring=judging.scoring(out, progress),
            final=world.final,
            notebook=world.notebook,
            command=sys.argv,
        )
    _finish(made, out, json)


def score(
    name: str,
    answers: Path,
    *,
    data: tuple[Path, ...] = (),
    mode: Literal["official", "strict"] | None = None,
    judging: JudgeOptions = NO_JUDGE,
    out: Path | None = None,
    label: str = "",
    world: WorldOptions = WORLD,
    seed: int = 0,
    decoding: str = "greedy",
    json: bool = False,
) -> None:
    """Score answers that exist; no model is loaded.

    Args:
        name: A benchmark, as `groundtune bench list` names it.
        answers: File or folder in the official layout of the benchmark, a table of VLMEvalKit, or
            samples of lmms-eval; for the world a folder of `bench run` or `sample`, or rows of
            scene, question and answer.
        data: File or folder of the benchmark's questions, labels and lists; may be repeated. The
            word official stands for what `groundtune bench data` fetches.
        mode: official (the official code's numbers, its faults included) or strict; the
            benchmark's first, mostly official, if it isn't given.
        judging: The judge.
        out: Folder for scores, items and summary.json; beside the answers if it isn't given.
        label: What the model is called in the results; the answers' name if empty.
        world: The world's items.
        seed: Of the resampling; the world's questions were made with it too.
        decoding: What the decoding is called, of answers that don't say it.
        json: One JSON object instead of lines.
    """
    from groundtune.bench.item import Wanted
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.run import opening_of
    from groundtune.pipeline.bench.score import ScoreParams, score_bench

    params = ScoreParams(
        name=name,
        answers=answers,
        data=data,
        wanted=Wanted(split=world.split, n=world.n, seed=seed),
        mode=mode,
        label=label,
        decoding=decoding,
        seed=seed,
    )
    target = out or params.default_out
    with open_progress(silent=json) as progress:
        made = score_bench(
            params,
            target,
            progress,
            scoring=judging.scoring(target, progress),
            opening=opening_of(target, world.final, world.notebook, sys.argv),
        )
    if len(made.results) > 1:
        _finish(made, target, json)
    else:
        _finish_one(made, target, json)


def list_(*, json: bool = False) -> None:
    """Name the benchmarks, with what they ask and how answers are read.

    Args:
        json: One JSON object instead of lines.
    """
    from groundtune.bench.registry import SUITES, load, names
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.data import official_data

    there = {name: load(name) for name in names()}
    next_command = "groundtune bench run world:base world --out runs/bench"
    if json:
        found = {name: each.protocol.model_dump() for name, each in there.items()}
        for name, each in there.items():
            if each.read_data is not None:
                found[name]["data"] = official_data(each).as_json()
        finish({"suites": SUITES, "benchmarks": found}, next_command=next_command, json=True)
        return
    lines: dict[str, object] = {name: "all of " + ", ".join(of) for name, of in SUITES.items()}
    for name, each in there.items():
        told = each.protocol
        place = f"; data: {official_data(each).summary}" if each.read_data is not None else ""
        lines[name] = f"{told.label}: {told.counted} ({told.source}){place}"
    finish(lines, next_command=next_command)


def _finish(made: "Measurement", out: Path, json: bool) -> None:
    """Several results: their rows of summary.json, and each one's object."""
    from groundtune.cli.finish import finish

    rows: dict[str, object] = {}
    if json:
        rows["rows"] = [each.model_dump() for each in made.estimates]
        rows["benchmarks"] = [each.as_json() for each in made.results]
    else:
        _print(made)
    finish(
        rows,
        wrote=out / "summary.json",
        next_command=f"groundtune report {shlex.quote(str(out))}",
        json=json,
    )


def _finish_one(made: "Measurement", out: Path, json: bool) -> None:
    from groundtune.cli.finish import finish

    (one,) = made.results
    if not json:
        _print(made)
    next_command = f"groundtune report {shlex.quote(str(out))}"
    finish(one.as_json() if json else {}, wrote=one.path, next_command=next_command, json=json)


def _print(made: "Measurement") -> None:
    """A table for all benchmarks that are told by part, and one each for the others."""
    from groundtune.cli.table import print_table

    totals = [each for each in made.results if each.benchmark.has_total]
    parts = [row for row in made.estimates if not any(each.has(row) for each in totals)]
    if parts:
        print_table([("metric", "value", "95% interval", "n"), *_rows(parts)])
    for each in totals:
        _print_total(each)


def _print_total(made: "BenchmarkResult") -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.bench.tables import mode_note, score_table

    print_table(score_table(made))
    told = {f"note {i}": note for i, note in enumerate([*mode_note(made), *made.notes], 1)}
    told |= {f"data {i}": f"{each.path}: {each.revision}" for i, each in enumerate(made.data, 1)}
    finish(told | {"rules": made.benchmark.revision, "items": str(made.items)})


def _rows(estimates: "list[Estimate]") -> list[tuple[str, str, str, str]]:
    """What stands first of each benchmark, and what it may have been bought with."""
    from groundtune.bench.summary import metric_of

    several = len({estimate.model for estimate in estimates}) > 1
    rows: list[tuple[str, str, str, str]] = []
    for made in estimates:
        metric = metric_of(made.benchmark, made.metric)
        value, low, high = (
            f"{metric.scale * x:.{metric.decimals}f}" for x in (made.value, made.low, made.high)
        )
        unit = f" {metric.unit}".replace(" %", "%").rstrip()
        who = f"{made.model}: " if several else ""
        rows.append(
            (f"{who}{made.benchmark} {made.metric}", value + unit, f"{low} to {high}", str(made.n))
        )
    return rows
