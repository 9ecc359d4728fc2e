"""`groundtune bench run`, `bench score` and `bench list`."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundtune.records import Estimate


def run(
    model: str,
    *names: str,
    out: Path,
    split: str = "development",
    n: int = 500,
    seed: int = 0,
    label: str = "",
    adapter: Path | None = None,
    revision: str = "main",
    knowing: bool = False,
    final: bool = False,
    notebook: Path | None = None,
    batch_size: int = 16,
    device: str = "auto",
    dtype: str = "auto",
    json: bool = False,
) -> None:
    """Generate answers and score them, greedily and at temperature 1.

    Run again with the same --out, it goes on where it stopped.

    Args:
        model: A folder, a name on the Hugging Face hub, or world:base.
        names: Benchmarks, as `groundtune bench list` names them (world).
        out: Folder for answers, scores and summary.json.
        split: train, development or, with --final, test.
        n: Pictures.
        seed: Seed of the questions and of what is drawn.
        label: What the model is called in the results.
        adapter: Folder of a peft adapter on the model.
        revision: Branch, tag or commit on the hub.
        knowing: Also ask the model about each object that its captions name.
        final: Open the test split; a dated line in the notebook says so.
        notebook: That notebook (docs/notebook.md if there is one, else OUT/notebook.md).
        batch_size: Answers drawn at once.
        device: cpu, cuda, mps or auto.
        dtype: float32, bfloat16, float16 or auto.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench import BenchParams, run_bench

    params = BenchParams(
        model=model,
        benchmarks=names or ("world",),
        label=label,
        adapter=str(adapter) if adapter else "",
        revision=revision,
        split=split,
        n=n,
        seed=seed,
        knowing=knowing,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
    )
    with open_progress(silent=json) as progress:
        estimates = run_bench(
            params, out, progress, final=final, notebook=notebook, command=sys.argv
        )
    _finish(estimates, out, json)


def score(
    name: str,
    answers: Path,
    *,
    out: Path | None = None,
    split: str = "development",
    n: int = 500,
    seed: int = 0,
    label: str = "",
    decoding: str = "greedy",
    final: bool = False,
    notebook: Path | None = None,
    json: bool = False,
) -> None:
    """Score answers that exist; no model is loaded.

    Args:
        name: A benchmark, as `groundtune bench list` names it.
        answers: Folder of `bench run` or `sample`, or JSON lines of scene, question and answer.
        out: Folder for scores and summary.json; that of the answers, or for a file its name without
            the ending.
        split: train, development or, with --final, test.
        n: Pictures that were asked about.
        seed: Seed that the questions were made with.
        label: What the model is called in the results.
        decoding: What the decoding of JSON lines is called.
        final: Open the test split; a dated line in the notebook says so.
        notebook: That notebook (docs/notebook.md if there is one, else OUT/notebook.md).
        json: One JSON object instead of lines.
    """
    from groundtune.bench.benchmark import Wanted
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench import score_answers

    target = out or (answers if answers.is_dir() else answers.with_suffix(""))
    with open_progress(silent=json) as progress:
        estimates = score_answers(
            [name],
            answers,
            target,
            progress,
            wanted=Wanted(split=split, n=n, seed=seed),
            label=label,
            decoding=decoding,
            final=final,
            notebook=notebook,
            command=sys.argv,
        )
    _finish(estimates, target, json)


def list_(*, json: bool = False) -> None:
    """Name the benchmarks, with what they ask and how answers are read.

    Args:
        json: One JSON object instead of lines.
    """
    from groundtune.bench.summary import BENCHMARKS, SUITES
    from groundtune.cli.finish import finish

    next_command = "groundtune bench run world:base world --out runs/bench"
    if json:
        found = {name: each.protocol.model_dump() for name, each in BENCHMARKS.items()}
        finish({"suites": SUITES, "benchmarks": found}, next_command=next_command, json=True)
        return
    lines: dict[str, object] = {name: "all of " + ", ".join(of) for name, of in SUITES.items()}
    for name, each in BENCHMARKS.items():
        told = each.protocol
        lines[name] = f"{told.label}: {told.counted} ({told.source})"
    finish(lines, next_command=next_command)


def _finish(estimates: "list[Estimate]", out: Path, json: bool) -> None:
    from groundtune.cli.finish import finish
    from groundtune.cli.table import print_table

    if not json:
        print_table([("metric", "value", "95% interval", "n"), *_rows(estimates)])
    rows = {"rows": [estimate.model_dump() for estimate in estimates]} if json else {}
    finish(
        rows,
        wrote=out / "summary.json",
        next_command=f"groundtune report {shlex.quote(str(out))}",
        json=json,
    )


def _rows(estimates: "list[Estimate]") -> list[tuple[str, str, str, str]]:
    """What stands first of each benchmark, and what it may have been bought with."""
    from groundtune.bench.summary import all_metrics

    shown = {metric.name: metric for metric in all_metrics()}
    several = len({estimate.model for estimate in estimates}) > 1
    rows: list[tuple[str, str, str, str]] = []
    for made in estimates:
        metric = shown[made.metric]
        value, low, high = (
            f"{metric.scale * x:.{metric.decimals}f}" for x in (made.value, made.low, made.high)
        )
        unit = f" {metric.unit}".replace(" %", "%").rstrip()
        who = f"{made.model}: " if several else ""
        rows.append(
            (f"{who}{made.benchmark} {made.metric}", value + unit, f"{low} to {high}", str(made.n))
        )
    return rows
