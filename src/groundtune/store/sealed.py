"""Records as JSON files that end with their own sha256, so that a changed byte is detected.

The sum is in the file, not next to it, because such a file is replaced as a whole.
"""

import hashlib
import re
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from groundtune.store.checksums import RERUN, DamageError
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of

R = TypeVar("R", bound=BaseModel)

_SEALED = re.compile(rb'(.*\S),\n "sha256": "([0-9a-f]{64})"\n}\n', re.DOTALL)


def write_sealed(path: Path, record: BaseModel) -> None:
    """Write a record as a JSON object with its sum as the last member.

    Raises:
        UserError: a value is not a number, the disk is full or the folder can't be written.
    """
    content = json_of(record, where=str(path), indent=1).encode().removesuffix(b"\n}")
    sha256 = hashlib.sha256(content).hexdigest()
    write_atomic(path, content + f',\n "sha256": "{sha256}"\n}}\n'.encode())


def read_sealed(path: Path, record_type: type[R], fix: str = RERUN) -> R:
    """Return the record of a file that `write_sealed` wrote.

    Raises:
        DamageError: its bytes have changed.
        FileNotFoundError: there is no such file.
        ValidationError: it is another record.
    """
    data = path.read_bytes()
    match = _SEALED.fullmatch(data)
    if b'"sha256": ' not in data:
        what = f"The file is not a {path.name} of this version: it has no checksum."
        raise DamageError(what, str(path), fix)
    if match is None or hashlib.sha256(match[1]).hexdigest().encode() != match[2]:
        raise DamageError("The file is damaged, or was edited by hand.", str(path), fix)
    return record_type.model_validate_json(match[1] + b"\n}")
