"""Stages "import" and "export": foreign layouts into a run's folder, and pairs out of one."""

import logging
from collections.abc import Sequence
from pathlib import Path

from groundtune.interchange import rlhf_v
from groundtune.pipeline.folder import RunFolder, read_some
from groundtune.protocols import Progress
from groundtune.records import Record

log = logging.getLogger(__name__)


class ImportSettings(Record):
    """What was read, and how."""

    layout: str
    file: str
    skip_bad: bool = False


class ImportSummary(Record):
    """What became of a file's rows."""

    rows: int
    pairs: int
    """Rows that are pairs now, imported now or before."""
    unchanged: int
    """Of these, those whose two answers are equal: nothing is learnt from them."""
    skipped: tuple[str, ...]
    """Bad rows that were left out, each with what and where."""


class ExportSummary(Record):
    """What was written."""

    rows: int
    non_commercial: tuple[str, ...]
    """Licences of the rows that forbid commercial use."""


def import_rlhf_v(
    file: Path,
    out: Path,
    progress: Progress,
    *,
    skip_bad: bool = False,
    command: Sequence[str] = (),
) -> ImportSummary:
    """Imports a file in RLHF-V's layout: pairs, prompts and pictures into the folder `out`.

    Raises:
        UserError: as `rlhf_v.read` does, and when the disk is full.
    """
    target = RunFolder(out)
    rows = rlhf_v.row_count(file)
    known_prompts, known_pairs = target.prompts.keys(), target.pairs.keys()
    pairs = unchanged = 0
    skipped: list[str] = []
    progress.start("import", total=rows)
    for batch in rlhf_v.read(file, target.images, skip_bad=skip_bad):
        target.prompts.append([row for row in batch.prompts if row.key not in known_prompts])
        target.pairs.append([row for row in batch.pairs if row.key not in known_pairs])
        known_prompts.update(row.key for row in batch.prompts)
        for error in batch.skipped:
            log.warning("skipped: %s: %s", error.where, error.what)
            skipped.append(f"{error.where}: {error.what}")
        pairs += len(batch.pairs)
        unchanged += sum(row.chosen == row.rejected for row in batch.pairs)
        progress.advance(len(batch.pairs) + len(batch.skipped))
    target.note(
        target.pairs,
        settings=ImportSettings(layout=rlhf_v.LAYOUT, file=file.name, skip_bad=skip_bad),
        inputs={},
        seeds={},
        command=list(command),
    )
    return ImportSummary(rows=rows, pairs=pairs, unchanged=unchanged, skipped=tuple(skipped))


def export_rlhf_v(source: Path, out: Path, progress: Progress) -> ExportSummary:
    """Exports the pairs of the folder `source` to one file in RLHF-V's layout.

    Raises:
        UserError: there are no pairs, and as `rlhf_v.write` does.
    """
    folder = RunFolder(source)
    pairs = read_some(folder.pairs)
    progress.start("export", total=len(pairs))
    written = rlhf_v.write(
        out,
        pairs,
        folder.prompts_by_key(),
        folder.images,
        models={answer.key: answer.producer.name for answer in folder.answers.read()},
    )
    progress.advance(len(pairs))
    for licence in written.non_commercial:
        log.warning("%s: the licence %s forbids commercial use", out, licence)
    return ExportSummary(rows=written.rows, non_commercial=written.non_commercial)
