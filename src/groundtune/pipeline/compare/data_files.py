"""Warnings where two models' answers were scored with different files of data.

Items are paired by name, and two files of questions may number their rows alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from groundtune.bench.stats.behaviour import BehaviourWarning
from groundtune.pipeline.bench.kept import name_of, results_in

OTHER_DATA = "other_data"
"""The guard's name."""


def data_warnings(folders: Sequence[Path], models: Sequence[str]) -> Iterator[BehaviourWarning]:
    """A warning for each benchmark whose data are not those of the first of `models`.

    Data are the same if one model has all files of the other; a result without files has none.
    """
    files: dict[tuple[str, str], dict[str, str]] = {}
    numbers: dict[tuple[str, str], int] = {}
    for folder in folders:
        for result in results_in(folder):
            model, decoding = str(result.get("model", "")), str(result.get("decoding", ""))
            other = f"{model} ({folder})"
            key = (other if other in models else model, f"{name_of(result)}/{decoding}")
            files[key] = _files_of(result)
            numbers[key] = int(result.get("n", 0))
    for (model, benchmark), own in files.items():
        first = files.get((models[0], benchmark), {})
        if model != models[0] and own.keys() - first.keys() and first.keys() - own.keys():
            yield BehaviourWarning(
                model=model,
                benchmark=benchmark,
                guard=OTHER_DATA,
                value=0,
                limit=0,
                n=numbers[model, benchmark],
                text=f"scored with other data than {models[0]}: {_named(own, first)}. Items are "
                "paired by name and may differ: score both with the same files.",
            )


def _files_of(result: Mapping[str, Any]) -> dict[str, str]:
    """The names of a result's data files by their sha256."""
    rows = cast("Sequence[Mapping[str, object]]", result.get("data") or ())
    return {str(row.get("sha256", "")): Path(str(row.get("path", ""))).name for row in rows}


def _named(own: Mapping[str, str], first: Mapping[str, str]) -> str:
    alone = [[f"{name} ({mark[:8]})" for mark, name in each.items()] for each in (own, first)]
    return " and ".join(", ".join(some) for some in alone)
