"""Thumbs about single answers: the server's log of them, and pairs of it for the method kto.

The folder of a log holds

    thumbs.jsonl    one checked line per thumb: prompt, answer, thumb, time; only appended to
    images/         images by sha256
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.errors import UserError
from groundtune.feedback.pairs import PairCounts
from groundtune.feedback.thumbs import pairs_from_thumbs, thumb_of
from groundtune.pipeline.feedback.no_pairs import no_pairs
from groundtune.pipeline.feedback.pairs import PairSettings
from groundtune.pipeline.runs.folder import RunFolder, hash_of
from groundtune.protocols import Progress
from groundtune.records import Answer, Producer, Prompt, Record, Thumb
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.store.lines import CheckedLines, read_lines
from groundtune.store.lock import one_writer

LOG = "thumbs.jsonl"
_FIX = "Restore the file from a backup, or cut it before this line: what follows can't be trusted."


class LoggedThumb(Record):
    """A line of the log."""

    prompt: Prompt
    answer: Answer
    thumb: Thumb
    at: float
    """Seconds since 1970."""


class ThumbLog:
    """The log of a folder, to append to. Thread-safe; one process at a time (`store/lock.py`)."""

    def __init__(self, folder: Path) -> None:
        """Open the log, or make one.

        Raises:
            UserError: a line is damaged, or the folder can't be written.
        """
        path = folder / LOG
        rows = read_lines(path, _FIX)
        self.count = len(rows)
        """Thumbs so far."""
        self.images = ImageStore(folder / "images")
        self._lines = CheckedLines(path, rows)
        self._lock = threading.Lock()

    def add(
        self,
        prompt: Prompt,
        text: str,
        *,
        model: str,
        good: bool,
        images: Iterable[bytes] = (),
        person: str = "",
        note: str = "",
    ) -> Thumb:
        """Append a person's word on a model's answer, after its images; return it.

        Raises:
            UserError: the disk is full, or an image can't be read.
        """
        producer = Producer(kind="model", name=model)
        answer = Answer(
            key=key_of("thumb's answer", prompt.key, text, producer),
            prompt=prompt.key,
            text=text,
            producer=producer,
        )
        by = Producer(kind="person", name=person or "anonymous")
        thumb = thumb_of(answer, good=good, by=by, note=note)
        row = LoggedThumb(prompt=prompt, answer=answer, thumb=thumb, at=round(time.time(), 3))
        for image in images:
            self.images.add(image)
        with self._lock:
            self._lines.append(row.model_dump(mode="json"))
            self.count += 1
        return thumb


def read_log(folder: Path) -> list[LoggedThumb]:
    """Return a log's lines; of a person's thumbs about one answer the last.

    Raises:
        UserError: there is no log, or it is damaged.
    """
    if not (folder / LOG).is_file():
        raise UserError(
            "The folder holds no thumbs.",
            str(folder),
            "Give a folder that groundtune serve --thumbs wrote.",
        )
    rows = [LoggedThumb.model_validate(row) for row in read_lines(folder / LOG, _FIX)]
    return list({(row.answer.key, row.thumb.by.name): row for row in rows}.values())


@one_writer()
def make_thumb_pairs(
    source: Path,
    out: Path,
    settings: PairSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> PairCounts:
    """Make pairs of the thumbs in a server's log into `out`, which may be `source`.

    Again after more thumbs it adds what is new; pairs of thumbs that were turned go.

    Raises:
        UserError: there are no thumbs, or none makes a pair.
    """
    rows = read_log(source)
    thumbs = [row.thumb for row in rows]
    progress.start("pairs", total=len(thumbs))
    counts = write_thumb_pairs(
        thumbs,
        {row.prompt.key: row.prompt for row in rows},
        {row.answer.key: row.answer for row in rows},
        RunFolder(source),
        RunFolder(out),
        settings,
        command=command,
    )
    progress.advance(len(thumbs))
    return counts


def write_thumb_pairs(
    thumbs: Sequence[Thumb],
    prompts: Mapping[str, Prompt],
    answers: Mapping[str, Answer],
    source: RunFolder,
    target: RunFolder,
    settings: PairSettings,
    *,
    command: Sequence[str] = (),
) -> PairCounts:
    """Write the pairs of thumbs, with what they are about; the images are in `source`.

    Raises:
        UserError: none makes a pair.
    """
    paired = pairs_from_thumbs(thumbs, prompts, cap=settings.cap, seed=settings.seed)
    if not paired.pairs:
        why = {name: n for name, n in paired.counts.model_dump().items() if n}
        raise no_pairs(why, str(source.path), "Give thumbs to more answers.")
    judged = [prompts[key] for key in sorted({each.prompt for each in thumbs})]
    target.take_prompts(source, judged)
    target.prompts.add(judged)
    target.answers.add([answers[key] for key in sorted({each.answer for each in thumbs})])
    target.thumbs.replace(thumbs)
    target.pairs.replace(paired.pairs)
    target.note(
        target.pairs,
        settings=settings,
        inputs={"thumbs": hash_of(target.thumbs)},
        seeds={"pairs": settings.seed},
        command=list(command),
    )
    return paired.counts
