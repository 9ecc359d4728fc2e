"""`groundtune bench run`, `bench score` and `bench list`."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    from groundtune.pipeline.bench.score_files import FileResults
    from groundtune.records import Estimate


def run(
    model: str,
    *names: str,
    out: Path,
    data: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    mode: Literal["official", "strict"] = "official",
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
        mode: official (the official code's numbers, its faults included) or strict.
        judging: The judge.
        world: The world's items.
        seed: Seed of the questions and of what is drawn.
        label: What the model is called in the results.
        loading: How the model is loaded.
        knowing: Also ask the model about each object that its captions of the world name.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.data import sources_with_official
    from groundtune.pipeline.bench.run import BenchParams, run_benchmarks
    from groundtune.pipeline.bench.run_files import sources

    params = BenchParams(
        model=model,
        benchmarks=names or ("world",),
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
        found = sources_with_official(params.benchmarks, sources(data, images), progress)
        estimates, made = run_benchmarks(
            params,
            out,
            progress,
            sources=found,
            scoring=lambda: replace(judging.scoring(out, progress), mode=mode),
            final=world.final,
            notebook=world.notebook,
            command=sys.argv,
        )
    _finish(estimates, out, json, made)


def score(
    name: str,
    answers: Path,
    *,
    data: tuple[Path, ...] = (),
    mode: Literal["official", "strict"] = "official",
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
            samples of lmms-eval; for the world a folder of `bench run` or `sample`, or JSON lines
            of scene, question and answer.
        data: File or folder of the benchmark's questions, labels and lists; may be repeated. The
            word official stands for what `groundtune bench data` fetches.
        mode: official (the official code's numbers, its faults included) or strict.
        judging: The judge.
        out: Folder for scores, items and summary.json; beside the answers if it isn't given.
        label: What the model is called in the results; the answers' name if empty.
        world: The world's items.
        seed: Of the resampling; the world's questions were made with it too.
        decoding: The world's: what the decoding of JSON lines is called.
        json: One JSON object instead of lines.
    """
    from groundtune.bench.registry import is_file_benchmark

    if not is_file_benchmark(name):
        _score_world(
            name, answers, out, world, seed=seed, label=label, decoding=decoding, json=json
        )
        return
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.data import with_official
    from groundtune.pipeline.bench.score_files import FileParams, score_file

    params = FileParams(name=name, answers=answers, data=data, mode=mode, label=label, seed=seed)
    target = out or params.default_out
    with open_progress(silent=json) as progress:
        params = params.model_copy(update={"data": with_official(name, data, progress)})
        made = score_file(params, target, progress, scoring=judging.scoring(target, progress))
    _finish_file(made, target, json)


def _score_world(
    name: str,
    answers: Path,
    out: Path | None,
    world: WorldOptions,
    *,
    seed: int,
    label: str,
    decoding: str,
    json: bool,
) -> None:
    """The same for answers about the embedded world."""
    from groundtune.bench.item import Wanted
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.score_world import read_results, score_answers

    target = out or (answers if answers.is_dir() else answers.with_suffix(""))
    with open_progress(silent=json) as progress:
        estimates = score_answers(
            [name],
            answers,
            target,
            progress,
            wanted=Wanted(split=world.split, n=world.n, seed=seed),
            label=label,
            decoding=decoding,
            final=world.final,
            notebook=world.notebook,
            command=sys.argv,
        )
    own = [each for each in read_results(target) if each["benchmark"] == name] if json else []
    _finish(estimates, target, json, told=own[0] if own else {})


def list_(*, json: bool = False) -> None:
    """Name the benchmarks, with what they ask and how answers are read.

    Args:
        json: One JSON object instead of lines.
    """
    from groundtune.bench.registry import load, names
    from groundtune.bench.summary import BENCHMARKS, SUITES
    from groundtune.cli.finish import finish
    from groundtune.pipeline.bench.data import official_data

    ours = {name: load(name) for name in names()}
    there = BENCHMARKS | ours
    places = {name: official_data(each) for name, each in ours.items()}
    next_command = "groundtune bench run world:base world --out runs/bench"
    if json:
        found = {name: each.protocol.model_dump() for name, each in there.items()}
        for name, place in places.items():
            found[name]["data"] = place.as_json()
        finish({"suites": SUITES, "benchmarks": found}, next_command=next_command, json=True)
        return
    lines: dict[str, object] = {name: "all of " + ", ".join(of) for name, of in SUITES.items()}
    for name, each in there.items():
        told = each.protocol
        place = f"; data: {places[name].summary}" if name in places else ""
        lines[name] = f"{told.label}: {told.counted} ({told.source}){place}"
    finish(lines, next_command=next_command)


def _finish(
    estimates: "list[Estimate]",
    out: Path,
    json: bool,
    made: "Sequence[FileResults]" = (),
    told: "Mapping[str, object] | None" = None,
) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table

    if not json:
        if estimates:
            print_table([("metric", "value", "95% interval", "n"), *_rows(estimates)])
        for each in made:
            _print_file(each)
    rows: dict[str, object] = dict(told or {})
    if json:
        rows["rows"] = [each.model_dump() for each in estimates]
    if json and made:
        rows["benchmarks"] = [each.as_json() for each in made]
    finish(
        rows,
        wrote=out / "summary.json",
        next_command=f"groundtune report {shlex.quote(str(out))}",
        json=json,
    )


def _finish_file(made: "FileResults", out: Path, json: bool) -> None:
    from groundtune.cli.finish import finish

    told = made.as_json() if json else {}
    if not json:
        _print_file(made)
    next_command = f"groundtune report {shlex.quote(str(out))}"
    finish(told, wrote=made.path, next_command=next_command, json=json)


def _print_file(made: "FileResults") -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table
    from groundtune.pipeline.bench.tables import mode_note, score_table

    print_table(score_table(made))
    told = {f"note {i}": note for i, note in enumerate([*mode_note(made), *made.notes], 1)}
    told |= {f"data {i}": f"{each.path}: {each.revision}" for i, each in enumerate(made.data, 1)}
    finish(told | {"official": made.benchmark.revision, "items": str(made.items)})


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
