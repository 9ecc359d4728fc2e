"""Files of any length that are whole or absent."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from groundtune.store.files import disk_error


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """A file to write into, which takes its name when the block ends without an error.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error
