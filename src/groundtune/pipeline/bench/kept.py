"""Files that `bench run` and `bench score` write next to the scores: summary.json and results.

OUT/summary.json    rows {model, benchmark, metric, value, low, high, n}
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

from groundtune.bench.run.replaced import scores_but
from groundtune.bench.summary import estimate_all, further_estimates
from groundtune.errors import UserError
from groundtune.records import Estimate
from groundtune.store import checksums
from groundtune.store.json_writing import json_of
from groundtune.store.rows import json_file


def sum_up(
    out: Path,
    further: Sequence[Estimate] = (),
    measured: Collection[tuple[str, str, str]] = (),
) -> list[Estimate]:
    """Write summary.json from the scores of the folder and further estimates; return both.

    `measured` are the (model, benchmark, decoding) of which the estimates are among `further`:
    their scores are not read. Rows that are there already stay where the folder has no scores of
    their model and benchmark.
    """
    scores = scores_but(out, measured)
    rows = [*estimate_all(scores), *further_estimates(scores), *further]
    path, new = out / "summary.json", set(map(_place, rows))
    old = [row for row in estimates_in(path) if _place(row) not in new]
    checksums.write(path, json_of([*old, *rows], where=str(path), indent=1).encode() + b"\n")
    return rows


def estimates_in(path: Path) -> list[Estimate]:
    """The rows of a summary.json; [] if it isn't one.

    Raises:
        DamageError: its bytes don't match its recorded checksum.
    """
    checksums.refuse_damage(path)
    try:
        rows = cast("list[object]", json_file(path))
        return [Estimate.model_validate(row) for row in rows]
    except (UserError, ValueError, TypeError):
        return []  # it is written anew from what the folder holds


def _place(estimate: Estimate) -> tuple[str, str]:
    return estimate.model, estimate.benchmark.partition("/")[0]


def judges_in(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The judges by (model, benchmark), from FOLDER/results/*.json; other files are ignored."""
    judges: dict[tuple[str, str], dict[str, str]] = {}
    for result in results_in(folder):
        judge = result.get("judge")
        if isinstance(judge, dict):
            facts = {str(k): str(v) for k, v in cast("dict[object, object]", judge).items()}
            judges[str(result.get("model", "")), name_of(result)] = facts
    return judges


def results_in(folder: Path) -> list[dict[str, Any]]:
    """The results of `bench score` in FOLDER/results/, by file name.

    Raises:
        DamageError: the bytes of one don't match its recorded checksum.
    """
    return [result for path in sorted(folder.glob("results/*.json")) if (result := _object(path))]


def name_of(result: dict[str, Any]) -> str:
    """The name in a result's scores."""
    return str(result.get("name") or result.get("benchmark", ""))


def _object(path: Path) -> dict[str, Any]:
    checksums.refuse_damage(path)
    try:
        content = json_file(path)
    except UserError:
        return {}  # another tool's file: it only lacks what would be shown next to the figures
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}
