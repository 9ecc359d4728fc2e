"""Stage "bench calibrate": compares one judge's scores with another's, for the same answers."""

from collections.abc import Mapping
from pathlib import Path

from groundtune.bench.judge.calibrate import Calibration
from groundtune.bench.judge.calibrate import calibrate as calibration_of
from groundtune.bench.run.run import read_scores
from groundtune.bench.summary import benchmark_of, total_groups
from groundtune.errors import UserError
from groundtune.pipeline.bench.result import file_name
from groundtune.records import Record, Score
from groundtune.store.json_writing import write_object
from groundtune.store.lock import one_writer


class JudgeCalibration(Record):
    """A judge compared with another on one model's answers to one benchmark."""

    benchmark: str
    model: str
    column: str
    """The compared value; "" for the extracted text."""
    calibration: Calibration


@one_writer()
def calibrate(
    run: Path, against: Path, out: Path, *, column: str = "", seed: int = 0
) -> list[JudgeCalibration]:
    """Compare the scores of two folders of `bench score`, benchmark by benchmark.

    Each is written to OUT/calibration/MODEL-BENCHMARK.json. A model may be called otherwise in the
    other folder where that has one only. `column` names the value that is the verdict, if not the
    benchmark's own.

    Raises:
        UserError: a folder has no scores, they have no benchmark in common, the judges saw
            different answers, no answer has a verdict of both, or there is no such value.
    """
    first, other = _by_benchmark(run), _by_benchmark(against)
    calibrations: list[JudgeCalibration] = []
    for name, models in first.items():
        for model, scores in models.items():
            other_scores = _of(model, len(models), other.get(name, {}))
            if other_scores is None:
                continue
            value = column or benchmark_of(name).verdict
            _refuse_missing(value, scores, run, chosen=bool(column))
            _refuse_missing(value, other_scores, against, chosen=bool(column))
            calibration = calibration_of(scores, other_scores, column=value, seed=seed)
            calibrations.append(
                JudgeCalibration(benchmark=name, model=model, column=value, calibration=calibration)
            )
    if not calibrations:
        raise UserError(
            f"The folders have no model's benchmark in common: {_names(first)} here, "
            f"{_names(other)} there.",
            f"{run}, {against}",
            "Score the same answers with both judges, in one --mode and under one --label.",
        )
    for row in calibrations:
        path = out / "calibration" / f"{file_name(row.model, row.benchmark)}.json"
        write_object(path, row, indent=1)
    return calibrations


def _by_benchmark(folder: Path) -> dict[str, dict[str, list[Score]]]:
    """Scores by benchmark (with its mode), then model."""
    groups: dict[str, dict[str, list[Score]]] = {}
    for (model, name, _), scores in total_groups(read_scores(folder)).items():
        groups.setdefault(name, {}).setdefault(model, []).extend(scores)
    return groups


def _of(model: str, models: int, other: Mapping[str, list[Score]]) -> list[Score] | None:
    """The same model's scores; with one model on each side, the other's under any name."""
    if models == len(other) == 1:
        return next(iter(other.values()))
    return other.get(model)


def _refuse_missing(column: str, scores: list[Score], where: Path, *, chosen: bool) -> None:
    columns = sorted({name for score in scores for name in score.values})
    if chosen and column not in columns:
        raise UserError(
            f"No score has a value {column!r}; there are {', '.join(columns) or 'none'}.",
            str(where),
            "Name one of these with --column, or leave it out.",
        )


def _names(folder: Mapping[str, Mapping[str, object]]) -> str:
    return ", ".join(f"{name} of {model}" for name, models in folder.items() for model in models)
