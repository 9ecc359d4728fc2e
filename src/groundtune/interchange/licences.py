"""What a data set's licence forbids, as far as its name tells; licences of files of JSON.

Parquet files of ours name their rows' licences in the metadata. Beside a file of JSON, which has no
place for them, lies FILE.licences.json.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from groundtune.errors import UserError
from groundtune.store.files import write_atomic

_NON_COMMERCIAL = re.compile(r"(?<![a-z])(nc|non-?commercial)(?![a-z])", re.IGNORECASE)


def forbids_commercial_use(licence: str) -> bool:
    """Whether the licence's name says non-commercial: cc-by-nc-4.0, "non-commercial use only".

    False for an empty or unknown name, which permits nothing either: it only says nothing.
    """
    return _NON_COMMERCIAL.search(licence) is not None


def sidecar(rows: Path) -> str | None:
    """The licence that the file beside a file of rows names; None if there is no such file.

    Raises:
        UserError: it can't be read.
    """
    path = _beside(rows)
    try:
        found = json.loads(path.read_bytes())
        licences = cast("list[str]", found["licences"])
        return " AND ".join(filter(None, licences))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            "The rows' licences can't be read.",
            str(path),
            'Mend the file, {"licences": ["..."]}, or remove it and give --licence.',
        ) from error


def write_sidecar(rows: Path, licences: Sequence[str]) -> None:
    """Names the licences beside a file of rows.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    named = [each for each in licences if each]
    write_atomic(_beside(rows), json.dumps({"licences": named}).encode() + b"\n")


def _beside(rows: Path) -> Path:
    return rows.with_name(f"{rows.name}.licences.json")
