"""Stage "bench score" for answers in files: read, check, score, sum up; no model is loaded.

OUT/items/LABEL-NAME-MODE.jsonl     one row an item: answer, what was read in it, values, why
OUT/results/LABEL-NAME-MODE.json    what --json prints
OUT/scores/                         Score records, for `groundtune compare` and `groundtune report`
OUT/summary.json                    rows {model, benchmark, metric, value, low, high, n}

Scores of mode strict are kept under the name NAME:strict, so that no two models are compared by
different rules. Scoring the same name, mode and label again replaces what was there.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groundtune.bench.benchmark import FileBenchmark, Scoring
from groundtune.bench.files.checks import finding
from groundtune.bench.files.foreign_logs import questions_of
from groundtune.bench.files.revisions import DataFile, describe
from groundtune.bench.files.thoughts import as_read, notes_on_thoughts
from groundtune.bench.item import MODES, FileAnswer, Mode
from groundtune.bench.registry import load
from groundtune.bench.results import (
    Results,
    differing,
    item_lines,
    notes_of,
    results_of,
    results_of_tables,
    values_of,
    values_of_table,
)
from groundtune.errors import UserError
from groundtune.protocols import Progress
from groundtune.records import Estimate, Record, Score
from groundtune.store.files import write_atomic

LARGE_NOTE = (
    "The file is large: its items are a Parquet table, which stands for the scores, and intervals "
    "resample at most 1,024 groups of pictures."
)
BY_SIMILARITY = "by_similarity"
"""The value of a score whose nouns were compared: 1 by a similarity, 0 by equality alone."""
NOTHING = Results(n=0, unparsed=0, metrics={}, estimates={}, strata={})


class FileParams(Record):
    """Which answers are scored with which data, and how."""

    name: str
    answers: Path
    data: tuple[Path, ...] = ()
    mode: Mode = "official"
    label: str = ""
    """What the model is called; the answers' name if empty."""
    seed: int = 0
    """Of the resampling."""

    @property
    def model(self) -> str:
        """The label, or the answers' name without its ending."""
        return self.label or (self.answers.name if self.answers.is_dir() else self.answers.stem)

    @property
    def default_out(self) -> Path:
        """Beside the answers."""
        return self.answers.parent / f"{self.answers.stem}-scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResults:
    """The results of one mode, and what stands beside them."""

    benchmark: FileBenchmark[Any]
    params: FileParams
    results: Results
    other: Results
    """Of the other mode."""
    items: Path
    path: Path
    """Of the JSON object."""
    data: tuple[DataFile, ...]
    notes: tuple[str, ...]
    judge: dict[str, str]
    similarity: dict[str, str]
    """By what nouns were compared; empty where none were."""

    @property
    def differing(self) -> list[str]:
        """The metrics in which the two modes differ by more than the interval."""
        return differing(self.results, self.other)

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        made = self.results
        told: dict[str, Any] = {
            "benchmark": self.benchmark.name,
            "mode": self.params.mode,
            "model": self.params.model,
            "n": made.n,
            "unparsed": made.unparsed,
            "metrics": made.metrics,
            "intervals": {name: [e.low, e.high] for name, e in made.estimates.items()},
            "strata": made.strata,
            "items": str(self.items),
            "revision": self.benchmark.revision,
            "data": [each.model_dump() for each in self.data],
            "notes": list(self.notes),
        }
        if self.judge:
            told["judge"] = self.judge
        if self.similarity:
            told["similarity"] = self.similarity
        if self.differing:
            mode = other_mode(self.params.mode)
            values = {name: self.other.metrics[name] for name in self.differing}
            told["other"] = {"mode": mode, "unparsed": self.other.unparsed, "metrics": values}
        return told


def other_mode(mode: Mode) -> Mode:
    """The mode that isn't this one."""
    return MODES[1 - MODES.index(mode)]


def score_file(
    params: FileParams,
    out: Path,
    progress: Progress,
    *,
    scoring: Scoring | None = None,
) -> FileResults:
    """Scores a file or folder of answers in both modes and keeps the results of the one meant.

    `scoring` brings a judge or a similarity; its mode and model are those of `params`.

    Raises:
        UserError: no such benchmark, data or answers that can't be read or don't fit each other, a
            judge that is missing, or a full disk.
    """
    benchmark = load(params.name)
    if scoring is not None and scoring.judge is not None and not _is_judged(benchmark):
        raise UserError(
            f"{benchmark.name} is scored by rules alone and has no judge.",
            "--judge",
            "Leave the judge out.",
        )
    if scoring is not None and scoring.similarity is not None and not benchmark.vectors:
        raise UserError(
            f"{benchmark.name} compares no nouns by their vectors.",
            "--similarity",
            "Leave it out.",
        )
    progress.start(f"read {benchmark.name}")
    if benchmark.large is not None and (made := _score_large(benchmark, params, out)) is not None:
        return made
    with finding() as found:
        data = benchmark.read_data(params.data)
    answers = benchmark.read_answers(params.answers, data)
    return score_answers(
        benchmark, data, answers, params, out, progress, scoring=scoring, found=found
    )


def score_answers(
    benchmark: FileBenchmark[Any],
    data: Any,
    answers: Sequence[FileAnswer],
    params: FileParams,
    out: Path,
    progress: Progress,
    *,
    scoring: Scoring | None = None,
    found: Sequence[Path] | None = None,
) -> FileResults:
    """The same for answers that were read, in the order of the data.

    `found` are the files that the data were read from; None reads them again to tell which.
    """
    how = replace(scoring or Scoring(), mode=params.mode, model=params.model)
    progress.start(f"score {benchmark.name}")
    scores = benchmark.score(data, as_read(answers, how.mode), how)
    if not scores:
        raise UserError("There is nothing to score.", str(params.answers), "Give some answers.")
    progress.start(f"sum up {benchmark.name}")  # a judge has counted its own steps since
    results = results_of(benchmark, scores, seed=params.seed)
    if benchmark.strata is not None:
        further = benchmark.strata(data, scores, params.mode)
        results = replace(results, strata=results.strata | further)
    other = _other(benchmark, data, answers, how)
    notes = notes_of(results, scores) + notes_on_thoughts(answers, how.mode)
    notes += benchmark.notes(data, answers, scores) if benchmark.notes else []
    similarity = _similarity_of(how) if any(BY_SIMILARITY in s.values for s in scores) else {}
    if "sha256" in similarity:
        told = "Nouns are compared by {name} ({file}, sha256 {sha256})."
        notes.append(told.format(**similarity))
    slug = file_name(params.model, benchmark.name, params.mode)
    made = FileResults(
        benchmark=benchmark,
        params=params,
        results=results,
        other=other,
        items=out / "items" / f"{slug}.jsonl",
        path=out / "results" / f"{slug}.json",
        data=_data_of(benchmark, params.data, found),
        notes=tuple(notes),
        judge=_judge_of(how) if _is_judged(benchmark) else {},
        similarity=similarity,
    )
    asked = questions_of(data, answers, scores)
    write_atomic(made.items, b"".join(item_lines(scores, _columns(benchmark, asked))))
    _keep(benchmark, scores, params.mode, out)
    write_atomic(made.path, (json.dumps(made.as_json(), ensure_ascii=False) + "\n").encode())
    return made


def _score_large(
    benchmark: FileBenchmark[Any], params: FileParams, out: Path
) -> FileResults | None:
    """A file with more answers than are kept as scores; None if this one isn't such."""
    assert benchmark.large is not None
    slug = file_name(params.model, benchmark.name, params.mode)
    items = out / "items" / f"{slug}.jsonl"
    scores = benchmark.large(params.data, params.answers, params.mode, items)
    if scores is None:
        return None
    other = other_mode(params.mode)
    there = Results(
        n=scores.n,
        unparsed=scores.unparsed[other],
        metrics=values_of_table(scores.tables[other], benchmark.metrics),
        estimates={},
        strata={},
    )
    made = FileResults(
        benchmark=benchmark,
        params=params,
        results=results_of_tables(benchmark, scores, params.mode, params.model, params.seed),
        other=there,
        items=scores.items,
        path=out / "results" / f"{slug}.json",
        data=tuple(describe(params.data)),
        notes=(LARGE_NOTE,),
        judge={},
        similarity={},
    )
    _forget(benchmark, params, out)
    _sum_up(
        [
            each.model_copy(update={"benchmark": f"{_kept_name(benchmark, params.mode)}/greedy"})
            for each in made.results.estimates.values()
        ],
        out,
    )
    write_atomic(made.path, (json.dumps(made.as_json(), ensure_ascii=False) + "\n").encode())
    return made


def _other(
    benchmark: FileBenchmark[Any],
    data: Any,
    answers: Sequence[FileAnswer],
    scoring: Scoring,
) -> Results:
    """The other mode's results; none where it refuses, as some official code does."""
    try:
        mode = other_mode(scoring.mode)
        scores = benchmark.score(data, as_read(answers, mode), replace(scoring, mode=mode))
    except UserError:
        return NOTHING
    return values_of(benchmark, scores)


def _is_judged(benchmark: FileBenchmark[Any]) -> bool:
    """Whether a judge is of any use to it."""
    return benchmark.judged or benchmark.protocol.judge != "none"


def _judge_of(scoring: Scoring) -> dict[str, str]:
    if scoring.judge is None:
        return {}
    from groundtune.bench.judge.judge import judging_of

    return judging_of(scoring.judge, "").provenance()


def _similarity_of(scoring: Scoring) -> dict[str, str]:
    from groundtune.pipeline.bench.similarity import WordVectors

    similarity = scoring.similarity
    if isinstance(similarity, WordVectors):
        return similarity.provenance()
    if similarity is None:
        return {"name": "equal nouns only"}
    return {"name": str(getattr(similarity, "__name__", type(similarity).__name__))}


def _data_of(
    benchmark: FileBenchmark[Any], paths: Sequence[Path], found: Sequence[Path] | None
) -> tuple[DataFile, ...]:
    if found is None and any(path.is_dir() for path in paths):
        with finding() as found:
            benchmark.read_data(paths)
    return tuple(describe(paths, found or ()))


def _columns(
    benchmark: FileBenchmark[Any], asked: Mapping[str, str]
) -> Callable[[Score], dict[str, object]]:
    """The benchmark's further columns of a row of items, and the question where it is known."""

    def columns(score: Score) -> dict[str, object]:
        told: dict[str, object] = {"question": asked[score.item]} if score.item in asked else {}
        return told | (benchmark.columns(score) if benchmark.columns else {})

    return columns


def _kept_name(benchmark: FileBenchmark[Any], mode: Mode) -> str:
    return benchmark.name if mode == "official" else f"{benchmark.name}:{mode}"


def _keep(benchmark: FileBenchmark[Any], scores: Sequence[Score], mode: Mode, out: Path) -> None:
    name = _kept_name(benchmark, mode)
    renamed = [
        score.model_copy(update={"benchmark": name + score.benchmark[len(benchmark.name) :]})
        for score in scores
    ]
    from groundtune.bench.run import read_scores
    from groundtune.bench.summary import estimate_all

    put(renamed, out)
    _sum_up(estimate_all(read_scores(out)), out)


def _sum_up(estimates: Sequence[Estimate], out: Path) -> None:
    """Writes these rows of summary.json; others that are there stay, but of the same benchmarks."""
    path, new = out / "summary.json", {_place(each) for each in estimates}
    old = estimates_in(path) if path.exists() else []
    rows = [each.model_dump() for each in old if _place(each) not in new]
    rows += [each.model_dump() for each in estimates]
    write_atomic(path, (json.dumps(rows, indent=1) + "\n").encode())


def estimates_in(path: Path) -> list[Estimate]:
    """The rows of a summary.json; none if it is no such file."""
    try:
        return [Estimate.model_validate(row) for row in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError):
        return []  # it is written anew from what the folder holds


def _forget(benchmark: FileBenchmark[Any], params: FileParams, out: Path) -> None:
    """Takes away scores that are there of the same model, benchmark and mode."""
    if (out / "scores").is_dir():
        put([], out, gone={(params.model, _kept_name(benchmark, params.mode))})


def put(
    scores: Sequence[Score], out: Path, gone: AbstractSet[tuple[str, str]] = frozenset()
) -> None:
    """Keeps scores in OUT/scores; those of the same models and benchmarks that are there go.

    `gone` are further (model, benchmark) to go.
    """
    from groundtune.store.dataset import RecordSet

    kept = RecordSet(out / "scores", Score)
    old = kept.parts()
    new = {_place(score) for score in scores} | gone
    others = [score for score in kept.read() if _place(score) not in new]
    kept.append([*others, *scores])
    for part in old:
        part.unlink()


def _place(score: Score | Estimate) -> tuple[str, str]:
    return score.model, score.benchmark.partition("/")[0]


def file_name(*words: str) -> str:
    """Words as one name of a file; whatever isn't plain becomes "_"."""
    return "-".join(re.sub(r"[^\w.:=+-]+", "_", word) for word in words)
