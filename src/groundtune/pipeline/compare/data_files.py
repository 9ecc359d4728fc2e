"""Warnings if two models' answers were scored with different data files.

Items are paired by name, and two files of questions may have the same row numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from groundtune.bench.stats.behaviour import BehaviourWarning
from groundtune.pipeline.bench.kept import name_of, results_in

OTHER_DATA = "other_data"
"""Name of the guard."""


def data_warnings(folders: Sequence[Path], models: Sequence[str]) -> Iterator[BehaviourWarning]:
    """A warning per benchmark whose data differ from those of the first of `models`.

    Data are equal if one model has all files of the other; a result without files has none.
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
    for (model, benchmark), model_files in files.items():
        first = files.get((models[0], benchmark), {})
        if (
            model != models[0]
            and model_files.keys() - first.keys()
            and first.keys() - model_files.keys()
        ):
            yield BehaviourWarning(
                model=model,
                benchmark=benchmark,
                guard=OTHER_DATA,
                value=0,
                limit=0,
                n=numbers[model, benchmark],
                text=f"scored with other data than {models[0]}: {_file_names(model_files, first)}. "
                "Items are paired by name and may differ: score both with the same files.",
            )


def _files_of(result: Mapping[str, Any]) -> dict[str, str]:
    """The names of a result's data files by their sha256."""
    rows = cast("Sequence[Mapping[str, object]]", result.get("data") or ())
    return {str(row.get("sha256", "")): Path(str(row.get("path", ""))).name for row in rows}


def _file_names(model_files: Mapping[str, str], first: Mapping[str, str]) -> str:
    alone = [
        [f"{name} ({mark[:8]})" for mark, name in mapping.items()]
        for mapping in (model_files, first)
    ]
    return " and ".join(", ".join(names) for names in alone)
