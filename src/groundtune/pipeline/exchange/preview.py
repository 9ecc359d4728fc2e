"""A preview of an import: the first pairs of a file with their changed words marked."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundtune.feedback.corrections import pair_from_correction
from groundtune.interchange.feedback_layout import load_feedback_format
from groundtune.interchange.layout import Batch
from groundtune.interchange.loading import load
from groundtune.interchange.registry import AnyLayoutName, is_feedback
from groundtune.pipeline.exchange.run import nothing_read
from groundtune.records import Pair, Prompt, Record, Span
from groundtune.store.images import ImageStore

PREVIEWED = 3
"""Pairs of a preview."""


class PairPreview(Record):
    """A pair as text: `[-words-]` are only in the rejected answer, `{+words+}` in the chosen."""

    row: int
    """The number of its row; headers are not counted."""
    images: tuple[str, ...]
    """Names of the images, or their sha256 if the file has no names."""
    question: str
    rejected: str
    chosen: str


class ImportPreview(Record):
    """The first pairs of a file, and what became of the rows up to the last of them."""

    rows: int
    """Rows that were read for the preview; those after them were not."""
    pairs: tuple[PairPreview, ...]
    left_out: dict[str, int]
    """Rows of which the layout makes no pair, by reason."""
    skipped: tuple[str, ...]
    """Bad rows, each with what and where."""


def preview_import(
    layout: AnyLayoutName,
    file: Path,
    *,
    images: Path | None = None,
    all_rows: bool = False,
    number: int = PREVIEWED,
) -> ImportPreview:
    """Return the first pairs of a file. Writes nothing; bad rows are listed, not refused.

    Raises:
        UserError: the file as a whole can't be read, or has no pair.
    """
    previews: list[PairPreview] = []
    skipped: list[str] = []
    left_out: Counter[str] = Counter()
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        for batch in _batches(layout, file, ImageStore(Path(folder)), images, all_rows):
            rows += batch.rows
            left_out.update(batch.left_out)
            skipped += [f"{error.where}: {error.what}" for error in batch.skipped]
            prompts = {prompt.key: prompt for prompt in batch.prompts}
            previews += [_preview(pair, prompts[pair.prompt], rows) for pair in batch.pairs]
            if len(previews) >= number:
                break
    if not previews:
        raise nothing_read(file, rows, skipped, "pair", left_out)
    return ImportPreview(
        rows=rows,
        pairs=tuple(previews[:number]),
        left_out=dict(sorted(left_out.items())),
        skipped=tuple(skipped),
    )


def _batches(
    layout: AnyLayoutName, file: Path, store: ImageStore, images: Path | None, all_rows: bool
) -> Iterator[Batch]:
    """The file's pairs, a row at a time."""
    if not is_feedback(layout):
        foreign = load(layout, all_rows=all_rows)
        yield from foreign.read(file, store, folder=images, skip_bad=True, rows=1)
        return
    for row in load_feedback_format(layout).read(file, skip_bad=True):
        sources = {prompt.key: prompt.source for prompt in row.prompts}
        pairs = [pair_from_correction(each, sources[each.prompt]) for each in row.corrections]
        pairs_of_row = tuple(each for each in pairs if isinstance(each, Pair))
        reasons = Counter(each for each in pairs if not isinstance(each, Pair))
        yield Batch(row.prompts, pairs_of_row, row.skipped, 1, reasons)


def _preview(pair: Pair, prompt: Prompt, row: int) -> PairPreview:
    paths: list[str | None] = json.loads(pair.source.extra.get("paths", "[]"))
    names = paths[: len(prompt.images)] or [None] * len(prompt.images)
    return PairPreview(
        row=row,
        images=tuple(name or sha256 for name, sha256 in zip(names, prompt.images, strict=True)),
        question=prompt.question,
        rejected=marked(pair.rejected, pair.rejected_spans, "[-", "-]"),
        chosen=marked(pair.chosen, pair.chosen_spans, "{+", "+}"),
    )


def marked(text: str, spans: Sequence[Span], opening: str, closing: str) -> str:
    """The text with a sign before and after each span that has any text."""
    pieces: list[str] = []
    position = 0
    for span in spans:
        words = text[span.start : span.end]
        pieces += [text[position : span.start], f"{opening}{words}{closing}" if words else ""]
        position = span.end
    return "".join([*pieces, text[position:]])
