"""Stage "bench score" for answers about the embedded world: read, score, sum up.

OUT/items/ results/       as `score_files.py` writes them, by model, benchmark and decoding
OUT/scores/ summary.json  as `groundtune bench run` writes them
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from groundtune.bench.benchmark import Benchmark
from groundtune.bench.item import Given, Item, Wanted
from groundtune.bench.opening import refuse_closed_split, write_down
from groundtune.bench.results import item_lines, results_of
from groundtune.bench.run import keep, read_scores
from groundtune.bench.summary import resolve
from groundtune.errors import UserError
from groundtune.pipeline.bench.run import estimates_of, opening_of
from groundtune.pipeline.bench.score_files import file_name
from groundtune.pipeline.folder import RunFolder, write_rows
from groundtune.protocols import Progress
from groundtune.records import Answer, Estimate, Score
from groundtune.store.files import write_atomic


def score_answers(
    names: Sequence[str],
    answers: Path,
    out: Path,
    progress: Progress,
    *,
    wanted: Wanted,
    label: str = "",
    decoding: str = "greedy",
    final: bool = False,
    notebook: Path | None = None,
    command: Sequence[str] = (),
) -> list[Estimate]:
    """Scores answers about the world that exist; no model is loaded.

    `answers` is a folder that `groundtune bench run` or `groundtune sample` wrote, or JSON lines of
    {"scene", "question", "answer"}: the scene's key and the exact question. A part of a benchmark
    of which no item is answered is left out; one of which only some are is an error. `label` and
    `decoding` are those of JSON lines; a folder's answers say their own, unless `label` is given.

    Raises:
        UserError: nothing or only a part of the items is answered, the file can't be read, or the
            test split without `final`.
    """
    benchmarks = resolve(names)
    opening = opening_of(out, final, notebook, command)
    refuse_closed_split(wanted, opening)
    given = _folder_answers(answers, label) if answers.is_dir() else None
    given = given or _jsonl_answers(answers, label or answers.stem, decoding)
    progress.start("score", total=len(benchmarks))
    scores: list[Score] = []
    for benchmark in benchmarks:
        items = benchmark.load(wanted, RunFolder(out).images)
        scores += _score_all(benchmark, items, given, str(answers))
        progress.advance()
    if not scores:
        raise UserError(
            f"None of the answers is to an item of {', '.join(names)}.",
            str(answers),
            "Use the --split, --n and --seed that the questions were made with.",
        )
    keep(scores, out)
    if opening is not None and wanted.split == "test":
        write_down(benchmarks, scores, opening)
    estimates = estimates_of(read_scores(out))
    write_rows(out / "summary.json", estimates)
    for benchmark in benchmarks:
        _tell(benchmark, scores, out)
    return estimates


def _tell(benchmark: Benchmark, scores: Sequence[Score], out: Path) -> None:
    """Writes the results of one of the world's benchmarks as those of any other are written."""
    for model, decoding in dict.fromkeys((score.model, score.decoding) for score in scores):
        own = [
            score
            for score in scores
            if (score.model, score.decoding) == (model, decoding)
            and score.benchmark.partition("/")[0] == benchmark.name
        ]
        if not own:
            continue
        slug = file_name(model, benchmark.name, decoding)
        items, results = out / "items" / f"{slug}.jsonl", results_of(benchmark, own)
        told = {
            "benchmark": benchmark.name,
            "mode": "strict",
            "model": model,
            "decoding": decoding,
            "n": results.n,
            "unparsed": results.unparsed,
            "metrics": results.metrics,
            "intervals": {name: [e.low, e.high] for name, e in results.estimates.items()},
            "strata": results.strata,
            "items": str(items),
        }
        write_atomic(items, b"".join(item_lines(own)))
        write_atomic(world_results(out) / f"{slug}.json", (json.dumps(told) + "\n").encode())


def world_results(out: Path) -> Path:
    """Where each model's and benchmark's results are."""
    return out / "results"


def read_results(out: Path) -> list[dict[str, object]]:
    """The results that were written, in the order of their names."""
    return [json.loads(path.read_bytes()) for path in sorted(world_results(out).glob("*.json"))]


Told = dict[tuple[str, str], dict[tuple[str, str], Given]]
"""By (model, decoding), then by (scene, question)."""


def _score_all(benchmark: Benchmark, items: Sequence[Item], told: Told, where: str) -> list[Score]:
    scores: list[Score] = []
    for name in dict.fromkeys(item.benchmark for item in items):
        own = [item for item in items if item.benchmark == name]
        for (model, decoding), by_question in told.items():
            found = [
                (item, by_question[place])
                for item in own
                if (place := (item.image, item.prompt.question)) in by_question
            ]
            if found and len(found) < len(own):
                raise UserError(
                    f"Only {len(found)} of {len(own)} items of {name} are answered by {model} "
                    f"({decoding}).",
                    where,
                    "Answer all, or use the --split, --n and --seed that the questions have.",
                )
            scores += [benchmark.score(item, given) for item, given in found]
    return scores


def _folder_answers(path: Path, label: str) -> Told:
    folder = RunFolder(path)
    prompts = folder.prompts_by_key()
    told: Told = {}
    for answer in folder.answers.read():
        prompt = prompts.get(answer.prompt)
        if prompt is None or answer.index > 0:
            continue
        given = Given(
            text=answer.text,
            model=label or answer.producer.name,
            decoding=decoding_of(answer),
            cut=answer.finish == "length",
        )
        place = (prompt.source.row, prompt.question)
        told.setdefault((given.model, given.decoding), {})[place] = given
    return told


def decoding_of(answer: Answer) -> str:
    """What its temperature is called: "greedy" for 0 or where nobody noted it, "t1" for 1."""
    sampling = answer.producer.sampling
    temperature = sampling.temperature if sampling else 0
    return f"t{temperature:g}" if temperature else "greedy"


def _jsonl_answers(path: Path, model: str, decoding: str) -> Told:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The answers can't be read.",
            str(path),
            "Give JSON lines, or a folder of groundtune bench run or sample.",
        ) from error
    told: dict[tuple[str, str], Given] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            scene, question, answer = _row(line, f"{path}:{number}")
            told[scene, question] = Given(text=answer, model=model, decoding=decoding)
    return {(model, decoding): told}


def _row(line: str, where: str) -> tuple[str, str, str]:
    try:
        found: object = json.loads(line)
    except json.JSONDecodeError:
        found = None
    row = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    values = [row.get(name) for name in ("scene", "question", "answer")]
    if not all(isinstance(value, str) for value in values):
        raise UserError(
            "The line is not an answer.",
            where,
            'Write {"scene": "development/0", "question": "...", "answer": "..."}.',
        )
    scene, question, answer = (str(value) for value in values)
    return scene, question, answer
