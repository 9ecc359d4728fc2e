"""Stages "import" and "export": foreign layouts into a run's folder, and pairs out of one."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.interchange.feedback_layout import Feedback, load_feedback_format
from groundtune.interchange.layout import Batch
from groundtune.interchange.layouts.marks import write_marks
from groundtune.interchange.licences import forbids_commercial_use
from groundtune.interchange.loading import load
from groundtune.interchange.registry import FeedbackLayoutName, LayoutName, MarksLayoutName
from groundtune.pipeline.exchange.noted_rows import NotedRows
from groundtune.pipeline.runs.folder import RunFolder, read_some
from groundtune.protocols import Progress
from groundtune.records import Pair, Prompt, Record, Source
from groundtune.store.dataset import RecordSet
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.lock import one_writer
from groundtune.store.rows import json_file
from groundtune.store.tables import read_parquet

log = logging.getLogger(__name__)

SUMMARY = "import.json"
"""In the folder of an import: what became of the file's rows."""


class ImportSettings(Record):
    """What was read, and how."""

    layout: str
    file: str
    licence: str | None = None
    skip_bad: bool = False
    all_rows: bool = False


class ImportSummary(Record):
    """What became of a file's rows."""

    rows: int
    pairs: int
    """Pairs of these rows, imported now or before."""
    unchanged: int
    """Of these, those whose two answers are equal: nothing is learnt from them."""
    from_elsewhere: int = 0
    """Pairs that the folder has besides: of other files, or of copies of this one."""
    left_out: dict[str, int]
    """Rows of which the layout makes no pair, by reason."""
    skipped: tuple[str, ...]
    """Bad rows that were left out, each with what and where."""


class FeedbackSummary(Record):
    """What became of a file's rows of feedback."""

    rows: int
    corrections: int
    comparisons: int
    skipped: tuple[str, ...]
    """Bad rows that were left out, each with what and where."""


class ExportSummary(Record):
    """What was written."""

    rows: int
    non_commercial: tuple[str, ...]
    """Licences of the rows that forbid commercial use."""


@one_writer()
def import_layout(
    layout: LayoutName,
    file: Path,
    out: Path,
    progress: Progress,
    *,
    images: Path | None = None,
    licence: str | None = None,
    skip_bad: bool = False,
    all_rows: bool = False,
    display_name: str = "",
    command: Sequence[str] = (),
) -> ImportSummary:
    """Imports a file in a foreign layout: pairs, prompts and images into the folder `out`.

    Rows that were imported before must have stayed as they are; new ones may come.

    `images` is where the paths of images start, if not at the file. `licence` is that of the
    rows, if not the one that the file or the published set has. `all_rows` also reads rows that
    the layout's own code leaves out. `display_name` is what the run notes as the file, if not its
    name. The summary is also written to OUT/import.json.

    Raises:
        ChangedError: a row is not what it was when it was imported before, or is gone.
        UserError: as the layout's `read` does, and when the disk is full.
    """
    target, foreign = RunFolder(out), load(layout, all_rows=all_rows)
    known_prompts, known_pairs = target.prompts.keys(), target.pairs.keys()
    rows_of_pairs, others = NotedRows(target.pairs, file), set(known_pairs)
    rows = pairs = unchanged = 0
    left_out: Counter[str] = Counter()
    skipped: list[str] = []
    progress.start("import", total=foreign.row_count(file))
    batches = foreign.read(file, target.images, folder=images, licence=licence, skip_bad=skip_bad)
    for batch in batches:
        rows_of_pairs.add(batch.by_row)
        _add(batch, target, known_prompts, known_pairs)
        others.difference_update(pair.key for pair in batch.pairs)
        for error in batch.skipped:
            log.warning("skipped: %s: %s", error.where, error.what)
            skipped.append(f"{error.where}: {error.what}")
        rows += batch.rows
        left_out.update(batch.left_out)
        pairs += len(batch.pairs)
        unchanged += sum(row.chosen == row.rejected for row in batch.pairs)
        progress.advance(batch.rows)
    if not pairs:
        raise nothing_read(file, rows, skipped, "pair", left_out)
    rows_of_pairs.refuse_missing()
    target.note(
        target.pairs,
        settings=ImportSettings(
            layout=layout,
            file=display_name or file.name,
            licence=licence,
            skip_bad=skip_bad,
            all_rows=all_rows,
        ),
        inputs={},
        seeds={},
        command=list(command),
    )
    summary = ImportSummary(
        rows=rows,
        pairs=pairs,
        unchanged=unchanged,
        from_elsewhere=len(others),
        left_out=dict(sorted(left_out.items())),
        skipped=tuple(skipped),
    )
    text = json_of(summary, where=str(out / SUMMARY), indent=1)
    write_atomic(out / SUMMARY, text.encode() + b"\n")
    return summary


@one_writer()
def import_feedback(
    layout: FeedbackLayoutName,
    file: Path,
    out: Path,
    progress: Progress,
    *,
    licence: str | None = None,
    skip_bad: bool = False,
    command: Sequence[str] = (),
) -> FeedbackSummary:
    """Import people's feedback: prompts, answers, corrections and comparisons into `out`.

    Raises:
        ChangedError: a row is not what it was when it was imported before, or is gone.
        UserError: as the layout's `read` does, and when the disk is full.
    """
    target = RunFolder(out)
    progress.start("import", total=None)
    feedback = load_feedback_format(layout).read(file, licence=licence, skip_bad=skip_bad)
    rows: list[Feedback] = []
    for row in feedback:
        rows.append(row)
        progress.advance()
    skipped = [error for row in rows for error in row.skipped]
    for error in skipped:
        log.warning("skipped: %s: %s", error.where, error.what)
    corrections = [each for row in rows for each in row.corrections]
    comparisons = [each for row in rows for each in row.comparisons]
    if not corrections and not comparisons:
        reasons = [f"{error.where}: {error.what}" for error in skipped]
        raise nothing_read(file, len(rows), reasons, "correction or comparison")
    noted_rows = NotedRows(target.corrections, file)
    noted_rows.add(
        {
            number: (*row.prompts, *row.answers, *row.corrections, *row.comparisons)
            for number, row in enumerate(rows)
            if not row.skipped
        }
    )
    noted_rows.refuse_missing()
    target.prompts.add([each for row in rows for each in row.prompts])
    target.answers.add([each for row in rows for each in row.answers])
    target.corrections.add(corrections)
    target.comparisons.add(comparisons)
    target.note(
        target.corrections,
        settings=ImportSettings(layout=layout, file=file.name, licence=licence, skip_bad=skip_bad),
        inputs={},
        seeds={},
        command=list(command),
    )
    return FeedbackSummary(
        rows=len(rows),
        corrections=len(corrections),
        comparisons=len(comparisons),
        skipped=tuple(f"{error.where}: {error.what}" for error in skipped),
    )


@one_writer(is_file=True)
def export_feedback(
    layout: FeedbackLayoutName, source: Path, out: Path, progress: Progress
) -> ExportSummary:
    """Export the corrections and comparisons of the folder `source` to one file.

    Raises:
        UserError: there is no feedback, and as the layout's `write` does.
    """
    folder = RunFolder(source)
    prompts = read_some(folder.prompts)
    progress.start("export", total=None)
    rows = load_feedback_format(layout).write(
        out,
        prompts,
        folder.answers.read(),
        read_some(folder.corrections),
        folder.comparisons.read(),
    )
    return ExportSummary(rows=rows, non_commercial=non_commercial(prompts))


@one_writer(is_file=True)
def export_marks(layout: MarksLayoutName, source: Path, out: Path) -> ExportSummary:
    """Export what the corrections of the folder `source` mark as wrong to one file.

    Raises:
        UserError: there are no corrections, or the file can't be written.
    """
    folder = RunFolder(source)
    corrections = read_some(folder.corrections)
    prompts = folder.prompts_by_key()
    answers = {answer.key: answer for answer in read_some(folder.answers)}
    rows = write_marks(layout, out, prompts, answers, corrections)
    return ExportSummary(rows=rows, non_commercial=non_commercial(prompts.values()))


def read_summary(out: Path) -> ImportSummary | None:
    """What became of the rows of the last import into a folder; None if there was none.

    Raises:
        UserError: the file is not what an import writes.
    """
    path = out / SUMMARY
    if not path.exists():
        return None
    try:
        return ImportSummary.model_validate(json_file(path))
    except ValidationError as error:
        raise UserError(
            "The file is not the summary of an import.", str(path), "Import again, or delete it."
        ) from error


def nothing_read(
    file: Path,
    rows: int,
    skipped: Sequence[str],
    what: str,
    left_out: Mapping[str, int] = MappingProxyType({}),
) -> UserError:
    """The error of a file without a single good row."""
    first = f", the first: {skipped[0].rstrip('.')}" if skipped else ""
    reasons = "".join(f", {count} left out: {why}" for why, count in sorted(left_out.items()))
    return UserError(
        f"No {what} could be read: {rows} rows{reasons}, {len(skipped)} skipped{first}.",
        str(file),
        "Give a file with at least one good row, or another layout.",
    )


def non_commercial(prompts: Iterable[Prompt]) -> tuple[str, ...]:
    """Licences of the prompts that forbid commercial use."""
    licences = {prompt.source.licence for prompt in prompts}
    return tuple(sorted(each for each in licences if forbids_commercial_use(each)))


def _add(batch: Batch, target: RunFolder, prompts: set[str], pairs: set[str]) -> None:
    """Adds what isn't there yet."""
    target.prompts.append([row for row in batch.prompts if row.key not in prompts])
    target.pairs.append([row for row in batch.pairs if row.key not in pairs])
    prompts.update(row.key for row in batch.prompts)
    pairs.update(row.key for row in batch.pairs)


class _StoredPairs:
    """A folder's pairs, each once; a part at a time is in memory."""

    def __init__(self, data: RecordSet[Pair], progress: Progress) -> None:
        self._data = data
        self._progress = progress

    def __iter__(self) -> Iterator[Pair]:
        keys: set[str] = set()
        for part in self._data.parts():
            for pair in read_parquet(part, Pair):
                if pair.key not in keys:
                    keys.add(pair.key)
                    yield pair
            self._progress.advance()


def _to_correct(folder: RunFolder) -> list[Pair]:
    """Return each answer once, as a pair whose better answer is still empty."""
    prompts = folder.prompts_by_key()
    answers = {(answer.prompt, answer.text): answer for answer in folder.answers.read()}
    return [
        Pair(
            key=answer.key,
            prompt=answer.prompt,
            chosen="",
            rejected=answer.text,
            origin="correction",
            parents=(answer.key,),
            source=_with_file(prompts[answer.prompt].source),
        )
        for answer in answers.values()
    ]


def _with_file(source: Source) -> Source:
    """Return the source of a table's row: its image has the name by which people know it."""
    file = source.extra.get("file", "")
    paths = {"paths": json_of([file], compact=True)} if file else {}
    return Source(dataset=source.dataset, licence=source.licence, extra=paths)


@one_writer(is_file=True)
def export_layout(layout: LayoutName, source: Path, out: Path, progress: Progress) -> ExportSummary:
    """Exports the pairs of the folder `source` to one file in a foreign layout.

    A folder that has answers and no pairs gives, in the layout `corrections`, a table for people to
    fill in: the corrected answers are empty.

    Raises:
        UserError: there are no pairs, and as the layout's `write` does.
    """
    folder = RunFolder(source)
    pairs: Iterable[Pair] = _StoredPairs(folder.pairs, progress)
    if not folder.pairs.parts():
        is_table = layout == "corrections" and folder.answers.parts()
        pairs = _to_correct(folder) if is_table else read_some(folder.pairs)
    # They are read twice: for the file's schema and licences, then for its rows.
    progress.start("export", total=2 * len(folder.pairs.parts()))
    file = load(layout).write(
        out,
        pairs,
        folder.prompts_by_key(),
        folder.images,
        models={answer.key: answer.producer.name for answer in folder.answers.read()},
    )
    for licence in file.non_commercial:
        log.warning("%s: the licence %s forbids commercial use", out, licence)
    return ExportSummary(rows=file.rows, non_commercial=file.non_commercial)
