"""What a command writes where: results on stdout, all else on stderr.

With `--json`, stdout gets one JSON object and nothing more, whatever other libraries print.
"""

import logging
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from groundtune.store.json_writing import json_of

_results: list[TextIO] = []
"""Where the JSON object goes while everything else goes to stderr."""


@contextmanager
def only_json() -> Generator[None, None, None]:
    """Send what anybody prints to stderr; `print_json` alone writes to stdout."""
    with _apart(sys.stdout) as stdout, redirect_stdout(sys.stderr):
        _results.append(stdout)
        try:
            yield
        finally:
            _results.pop()


@contextmanager
def _apart(stdout: TextIO) -> Generator[TextIO, None, None]:
    """Yield stdout under another descriptor: child processes and compiled code print to 1."""
    if not (_is_at(stdout, 1) and _is_at(sys.stderr, 2)):
        yield stdout
        return
    stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding=stdout.encoding, errors=stdout.errors) as apart:
        os.dup2(2, 1)
        try:
            yield apart
        finally:
            os.dup2(apart.fileno(), 1)


def _is_at(stream: TextIO | None, descriptor: int) -> bool:
    try:
        return stream is not None and stream.fileno() == descriptor
    except (OSError, ValueError):  # a test's stream, or a closed one
        return False


def print_json(values: Mapping[str, object]) -> None:
    """Print one JSON object on one line of stdout."""
    print(json_of(values), file=_stdout(), flush=True)


def discard_stdout() -> None:
    """Send stdout nowhere: its reader is gone, and Python flushes it once more as it leaves."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _stdout().fileno())


def _stdout() -> TextIO:
    return _results[-1] if _results else sys.stdout


def log_to_stderr(level: int) -> None:
    """Write log messages of this level and above to stderr as `warning: text`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Words())
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("huggingface_hub").propagate = False  # it writes its messages itself, too


class _Words(logging.Formatter):
    """A message after its level in lower case; one of another library is after its name too."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        library = record.name.partition(".")[0]
        where = "" if library == "groundtune" else f"{library}: "
        return f"{record.levelname.lower()}: {where}{text}"
