"""Stage "import" of examples: prompts with the answers to learn, into a run's folder."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from groundtune.interchange.examples import ReadExample, load_example_layout, read_examples
from groundtune.interchange.licences import forbids_commercial_use
from groundtune.interchange.registry import ExampleLayoutName
from groundtune.pipeline.exchange.noted_rows import NotedRows
from groundtune.pipeline.exchange.run import ImportSettings, nothing_read
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.lock import one_writer

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Rows that become one part: what an interrupted import loses at most."""


class ExamplesSummary(Record):
    """What became of a file's rows of examples."""

    rows: int
    examples: int
    """Dialogues, imported now or before."""
    rounds: int
    """Answers in them, those of earlier rounds included."""
    left_out: dict[str, int]
    """Rows of which the layout makes no example, by reason."""
    skipped: tuple[str, ...]
    """Bad rows that were left out, each with what and where."""


@one_writer()
def import_examples(
    layout: ExampleLayoutName,
    file: Path,
    out: Path,
    progress: Progress,
    *,
    images: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    command: Sequence[str] = (),
) -> ExamplesSummary:
    """Import examples: prompts, answers and images into `out`.

    Raises:
        ChangedError: a row is not what it was when it was imported before, or is gone.
        UserError: as `read_examples` does, no row is an example, or the disk is full.
    """
    target, reader = RunFolder(out), load_example_layout(layout)
    rows = NotedRows(target.answers, file)
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    skipped: list[str] = []
    waiting: list[ReadExample] = []
    progress.start("import", total=None)
    examples = read_examples(
        reader, file, target.images, folder=images, licence=licence, skip_bad=skip_bad
    )
    for row in examples:
        counts["rows"] += 1
        progress.advance()
        if row.error is not None:
            log.warning("skipped: %s: %s", row.error.where, row.error.what)
            skipped.append(f"{row.error.where}: {row.error.what}")
        elif row.prompt is None:
            left_out[row.left_out] += 1
        else:
            counts["examples"] += 1
            replies = sum(message.role == "assistant" for message in row.prompt.messages)
            counts["rounds"] += 1 + replies
            waiting.append(row)
        if len(waiting) == AT_ONCE:
            _add(waiting, target, rows)
            waiting = []
    if not counts["examples"]:
        raise nothing_read(file, counts["rows"], skipped, "example", left_out)
    _add(waiting, target, rows)
    rows.refuse_missing()
    rows_licence = reader.licence if licence is None else licence
    if forbids_commercial_use(rows_licence):
        log.warning("%s: the licence %s forbids commercial use", out, rows_licence)
    target.note(
        target.answers,
        settings=ImportSettings(layout=layout, file=file.name, licence=licence, skip_bad=skip_bad),
        inputs={},
        seeds={},
        command=list(command),
    )
    return ExamplesSummary(
        rows=counts["rows"],
        examples=counts["examples"],
        rounds=counts["rounds"],
        left_out=dict(sorted(left_out.items())),
        skipped=tuple(skipped),
    )


def _add(rows: Sequence[ReadExample], target: RunFolder, noted_rows: NotedRows) -> None:
    """Add the records of some rows."""
    prompts = {row.prompt.key: row.prompt for row in rows if row.prompt is not None}
    answers = [row.answer for row in rows if row.answer is not None]
    noted_rows.add(
        {row.number: [each for each in (row.prompt, row.answer) if each] for row in rows}
    )
    target.prompts.add(list(prompts.values()))
    target.answers.add(answers)
