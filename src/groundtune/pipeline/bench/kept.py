"""What `bench score` keeps next to the scores: results, and who judged."""

from pathlib import Path
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.store.rows import json_file


def judges_in(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Who judged, by (model, benchmark), as FOLDER/results/*.json say; files of others are left."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted(folder.glob("results/*.json")):
        told = _object(path)
        judge = told.get("judge")
        if isinstance(judge, dict):
            facts = {str(k): str(v) for k, v in cast("dict[object, object]", judge).items()}
            name, mode = str(told.get("benchmark", "")), str(told.get("mode", "official"))
            named = name if mode == "official" else f"{name}:{mode}"
            found[str(told.get("model", "")), named] = facts
    return found


def results_in(folder: Path) -> list[dict[str, Any]]:
    """What `bench score` kept in FOLDER/results/, in the order of the files' names."""
    return [told for path in sorted(folder.glob("results/*.json")) if (told := _object(path))]


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json_file(path)
    except UserError:
        return {}  # another tool's file: it only lacks what would be told beside the figures
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
