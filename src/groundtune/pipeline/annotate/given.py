"""What a project is filled from, besides a run: files of answers, of other tools' too.

    .jsonl .json .csv .tsv .xlsx   a row per answer, as `pipeline/sample/given.py` reads it; a
                                   corrected text or marks, if the rows have them
    .json of Label Studio          tasks with labels of the text, and a text area for a correction
    .jsonl .json of Potato         instances with span annotations
    .parquet                       RLHF-V

Corrections and marks of a file become suggestions: people look at them again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast, get_args
from urllib.parse import parse_qs, unquote, urlsplit

from groundtune.bench.files.answers import ANSWER_COLUMNS
from groundtune.errors import UserError
from groundtune.feedback.corrections import correction_from_texts
from groundtune.feedback.offsets import OffsetMark, in_characters, unit_of
from groundtune.interchange.layouts.corrections import NAMES
from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.exchange.run import import_layout
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.given import (
    GivenAnswer,
    GivenFile,
    add_given,
    given_answers,
    is_file,
)
from groundtune.protocols import Progress
from groundtune.records import Correction, Producer, Span, SpanKind, check_apart
from groundtune.store.annotations.records import Task
from groundtune.store.rows import Fields, Row, plain
from groundtune.store.sheets import rows_of

DEFAULT_QUESTION = "Describe the image."
PARQUET = ".parquet"
_CORRECTED = ("corrected answer", "corrected_answer", "corrected", *NAMES["corrected answer"])
_MARKS = ("marks", "spans", "segments")
_IMAGES = ("image", "img", "image_url", "url")
_TEXTS = ("answer", "text", "caption", "response", "description", "output")
_KINDS: dict[str, SpanKind] = {kind: kind for kind in cast("tuple[SpanKind]", get_args(SpanKind))}


class AnswerOrigin(NamedTuple):
    """What a row says of its answer, besides the text."""

    row: Row
    marks: Sequence[Mapping[str, Any]] | None
    """Each with start, end, and if known text and kind; None where the row has no marks."""
    corrected: str


def run_of_file(file: Path, folder: Path, images: Path | None, progress: Progress) -> Path:
    """Read a file of answers into the folder of a run, and return the folder.

    Raises:
        UserError: the file can't be read or has no answers, an image is missing, or a mark doesn't
            fit its answer.
    """
    if file.suffix.lower() == PARQUET:
        import_layout("rlhf-v", file, folder, progress, images=images)
        return folder
    target = RunFolder(folder)
    progress.start("read answers", total=None)
    origins = [_understood(row, images or file.parent) for row in rows_of(file)]
    how = GivenFile(file, target, images, DEFAULT_QUESTION, needs_image=False)
    answers = list(given_answers((each.row for each in origins), how))
    if not answers:
        raise UserError("The file holds no answers.", str(file), "Give one with a row per answer.")
    add_given(answers, target)
    target.corrections.add(list(_corrections(origins, answers, file)))
    progress.advance(len(answers))
    return folder


def add_answers(
    project: Project, source: Path, task: Task, progress: Progress, *, images: Path | None = None
) -> int:
    """Add the answers of a run or a file to a project as items, and return how many were new.

    Raises:
        UserError: as `run_of_file` and `Project.add_run`.
    """
    if source.suffix.lower() != PARQUET and not is_file(str(source)):
        return project.add_run(source, task)
    with TemporaryDirectory(prefix="groundtune-") as folder:
        return project.add_run(run_of_file(source, Path(folder), images, progress), task)


def _corrections(
    origins: Sequence[AnswerOrigin], answers: Sequence[GivenAnswer], file: Path
) -> Iterator[Correction]:
    by = Producer(kind="person", name=file.name)
    answers_with_marks = [
        (each, answer, mark)
        for each, (_, _, answer) in zip(origins, answers, strict=True)
        for mark in each.marks or ()
    ]
    marks = [_offset_mark(mark, answer.text, each.row) for each, answer, mark in answers_with_marks]
    unit = unit_of(marks)
    if isinstance(unit, OffsetMark):
        row = answers_with_marks[marks.index(unit)][0].row
        raise UserError(
            f"The mark [{unit.start}, {unit.end}) is not at its text {unit.words!r}.",
            row.where,
            "Count characters of the exact answer, the end not included.",
        )
    for each, (_, _, answer) in zip(origins, answers, strict=True):
        if each.marks is None and not each.corrected:
            continue
        spans: list[Span] = []
        for mark in each.marks or ():
            place = in_characters(_offset_mark(mark, answer.text, each.row), unit)
            if place is None:
                raise UserError("A mark leaves its answer.", each.row.where, "Fix the row.")
            spans.append(_span(mark, place, by.name))
        row = correction_from_texts(answer, each.corrected or answer.text, by)
        yield row.model_copy(
            update={
                "marks": _apart(spans, answer.text, each.row),
                "verdict": "wrong" if spans or row.spans else "nothing_wrong",
            }
        )


def _apart(spans: Iterable[Span], text: str, row: Row) -> tuple[Span, ...]:
    ordered = tuple(sorted(spans, key=lambda span: (span.start, span.end)))
    try:
        check_apart(text, ordered)
    except ValueError as error:
        raise UserError(
            f"Two marks can't be kept: {error}.", row.where, "Leave one of them."
        ) from error
    return ordered


def _offset_mark(mark: Mapping[str, Any], text: str, row: Row) -> OffsetMark:
    start, end, words = mark.get("start"), mark.get("end"), mark.get("text")
    if not isinstance(start, int) or not isinstance(end, int):
        raise UserError("A mark has no start or no end.", row.where, "Give both, as numbers.")
    return OffsetMark(text, start, end, words if isinstance(words, str) else None)


def _span(mark: Mapping[str, Any], place: tuple[int, int], by: str) -> Span:
    label = plain(mark.get("kind"))
    kind = _KINDS.get(label.lower(), "other")
    return Span(start=place[0], end=place[1], kind=kind, label=label[:100], by=by)


def _understood(row: Row, images: Path) -> AnswerOrigin:
    fields = row.fields
    if isinstance(fields.get("data"), dict):
        return _of_label_studio(row, images)
    if "displayed_text" in fields or "span_annotations" in fields:
        return _of_potato(row)
    corrected = next((plain(fields[name]).strip() for name in _CORRECTED if name in fields), "")
    marks = next((fields[name] for name in _MARKS if isinstance(fields.get(name), list)), None)
    return AnswerOrigin(row, cast("Sequence[Mapping[str, Any]] | None", marks), corrected)


def _of_label_studio(row: Row, images: Path) -> AnswerOrigin:
    """A task: its data, and the results of its newest annotation that wasn't cancelled."""
    data = cast("Fields", row.fields["data"])
    text = next((data[name] for name in _TEXTS if isinstance(data.get(name), str)), None)
    if text is None:
        raise UserError(
            f"The task has no text: none of {', '.join(_TEXTS)} is in its data.",
            row.where,
            "Name the answer's text like one of these.",
        )
    annotations = cast("list[Fields]", row.fields.get("annotations") or [])
    finished = [each for each in annotations if not each.get("was_cancelled")]
    results = cast("list[Fields]", finished[-1].get("result") or []) if finished else []
    marks: list[Fields] = []
    corrected = ""
    for result in results:
        value = cast("Fields", result.get("value") or {})
        if result.get("type") == "textarea":
            corrected = "\n".join(map(plain, cast("list[object]", value.get("text") or [])))
        elif "start" in value and result.get("type") in ("labels", "hypertextlabels"):
            labels = cast("list[object]", value.get("labels") or value.get("hypertextlabels") or [])
            marks.append({**value, "kind": plain(labels[0]) if labels else ""})
    fields = {
        **{name: value for name, value in data.items() if name not in (*_IMAGES, *ANSWER_COLUMNS)},
        "answer": text,
        "image": [
            _local(plain(data[name]), images) for name in _IMAGES if plain(data.get(name, ""))
        ][:1],
    }
    return AnswerOrigin(Row(row.where, row.number, fields), marks if finished else None, corrected)


def _local(address: str, images: Path) -> str:
    """The file that an address of Label Studio stands for: uploads have a random prefix."""
    parts = urlsplit(address)
    inside = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    name = PurePosixPath(inside).name
    candidates = (inside.lstrip("/"), name, name.partition("-")[2])
    return next((each for each in candidates if each and (images / each).is_file()), name)


def _of_potato(row: Row) -> AnswerOrigin:
    fields = row.fields
    text = next((fields[n] for n in ("displayed_text", "text") if n in fields), "")
    spans = cast("list[Fields]", fields.get("span_annotations") or [])
    marks = [
        {**span, "text": span.get("span"), "kind": span.get("annotation") or span.get("label")}
        for span in spans
    ]
    others = {name: value for name, value in fields.items() if name not in ANSWER_COLUMNS}
    return AnswerOrigin(Row(row.where, row.number, {**others, "answer": text}), marks, "")
