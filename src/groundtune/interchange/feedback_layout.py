"""Layouts of feedback: prompts, answers, and annotators' feedback, not yet pairs."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from groundtune.errors import UserError
from groundtune.interchange.registry import FEEDBACK_TARGETS, FeedbackLayoutName
from groundtune.records import Answer, Comparison, Correction, Prompt


class Feedback(NamedTuple):
    """The records of one row of a file, or the error of a skipped row."""

    prompts: tuple[Prompt, ...] = ()
    answers: tuple[Answer, ...] = ()
    corrections: tuple[Correction, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    skipped: tuple[UserError, ...] = ()


class FeedbackFormat(Protocol):
    """Reads and writes whole files in a layout of feedback."""

    def read(
        self, path: Path, *, licence: str | None = None, skip_bad: bool = False
    ) -> Iterator[Feedback]:
        """Yield the records of each row; `licence` replaces that of the published set.

        Raises:
            UserError: the file can't be read; or, naming the row, a row is bad. With `skip_bad`
                such a row is skipped, and its error is in `skipped`.
        """
        ...

    def write(
        self,
        path: Path,
        prompts: Iterable[Prompt],
        answers: Iterable[Answer],
        corrections: Iterable[Correction],
        comparisons: Iterable[Comparison],
    ) -> int:
        """Write the rows, completely or not at all, and return their number.

        Raises:
            UserError: the layout can't hold the feedback, or the file can't be written.
        """
        ...


def load_feedback_format(name: FeedbackLayoutName) -> FeedbackFormat:
    """Return the layout with this name."""
    module = importlib.import_module(f"groundtune.interchange.layouts.{FEEDBACK_TARGETS[name]}")
    return cast("FeedbackFormat", module)
