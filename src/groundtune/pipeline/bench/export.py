"""Stage "bench export": stored scores as other evaluators' logs, one per model and benchmark."""

from pathlib import Path
from typing import Literal

from groundtune.bench.files import foreign_logs
from groundtune.bench.run.run import read_scores
from groundtune.bench.stats.sums import tabulate, value_of
from groundtune.bench.summary import benchmark_of, split_mode, total_groups
from groundtune.pipeline.bench.result import file_name, slug_of
from groundtune.store.files import write_atomic
from groundtune.store.lock import one_writer
from groundtune.store.rows import json_rows

Layout = Literal["lmms-eval", "inspect"]


@one_writer()
def export_scores(run: Path, out: Path, layout: Layout) -> list[Path]:
    """Writes OUT/MODEL-BENCHMARK-DECODING_samples_BENCHMARK.jsonl, or .json for Inspect.

    Raises:
        UserError: the folder has no scores, or the disk is full.
    """
    paths: list[Path] = []
    for (model, name, decoding), scores in total_groups(read_scores(run)).items():
        benchmark = benchmark_of(name)
        verdict = foreign_logs.verdict_of(scores, benchmark.metrics, benchmark.headline)
        questions = _questions(run, model, name, decoding)
        slug = file_name(model, name.replace("/", "."), decoding)
        if layout == "lmms-eval":
            task = file_name(name.replace("/", "."))
            path = out / f"{slug}_samples_{task}.jsonl"
            lines = foreign_logs.lmms_samples(scores, verdict, questions, benchmark.log_fields)
            write_atomic(path, "".join(f"{line}\n" for line in lines).encode())
        else:
            table = tabulate(scores)
            values = {metric.name: value_of(table, metric) for metric in benchmark.metrics}
            valid_values = {key: value for key, value in values.items() if value is not None}
            fields = benchmark.log_fields
            log = foreign_logs.inspect_log(scores, verdict, valid_values, name, questions, fields)
            path = foreign_logs.write_log(out / f"{slug}.json", log)
        paths.append(path)
    return paths


def _questions(run: Path, model: str, benchmark: str, decoding: str) -> dict[str, str]:
    """The questions in the file of items, by item; {} without such a file."""
    name, mode = split_mode(benchmark.partition("/")[0])
    mode = mode or benchmark_of(name).modes[0]
    path = run / "items" / f"{slug_of(model, name, mode, decoding)}.jsonl"
    if not path.is_file():
        return {}
    rows = [row.fields for row in json_rows(path)]
    return {str(row["item"]): str(row["question"]) for row in rows if "question" in row}
