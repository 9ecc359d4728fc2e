"""MHumanEval: answers in which people marked hallucinations, by kind.

Yu et al. 2023, arXiv 2312.00849, section 4.1: 146 items, the 96 questions of MMHal-Bench and 50 of
Object HalBench. People mark hallucinated segments as object, position, number or other; reported is
the share of answers with at least one mark, by kind and over all kinds. The 50 items, the
annotators' guide and the code are not public, so mode official follows the paper; mode strict is
the same. An answer that nobody has annotated is unparsed in both.

Marked answers come as JSON lines or a list,

    {"id": "17", "answer": "Two cats.", "marks": [{"start": 0, "end": 3, "kind": "number"}]}

with characters of the exact answer, half open, or {"text": "Two", "kind": "number"} for the first
occurrence of these words. If a mark has both, its text is checked: offsets in UTF-16 units or bytes
are recognised, and refused if nothing fits. Or they are the corrections/ of a Groundtune folder,
whose spans are the marks. "marks": null is an answer without annotation yet. Rows may name their
"model": then each model is scored separately. Our kinds attribute and action count as other.

--data is not needed: the items are those of the answers. If it is given (JSON lines with an id
each), exactly its items must be answered.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.files.checks import by_id, refuse_duplicates, refuse_second_answers
from groundtune.bench.item import ItemAnswer
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.errors import UserError
from groundtune.feedback.offsets import OffsetMark, Unit, in_characters, is_ambiguous, unit_of
from groundtune.records import Correction, Score, Span, SpanKind
from groundtune.store.dataset import RecordSet
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Row, first_of
from groundtune.store.sheets import rows_of

log = logging.getLogger(__name__)

NAME = "mhumaneval"
ITEMS = 146
KINDS = ("object", "position", "number", "other")
"""The paper's; its "other" holds our attribute and action."""
_ID = ("id", "item", "question_id", "index", "key")
_TEXT = ("answer", "text", "response", "prediction")
_MARKS = ("marks", "spans", "segments")
_NAMES: dict[str, SpanKind] = {
    **{kind: kind for kind in cast("tuple[SpanKind, ...]", get_args(SpanKind))},
    "objects": "object",
    "count": "number",
    "numbers": "number",
    "relation": "position",
    "positions": "position",
    "others": "other",
}


@dataclass(frozen=True, slots=True)
class MarkedItems:
    """The ids of the items; empty if the answers define them."""

    ids: tuple[str, ...] = ()


def read_data(paths: Sequence[Path]) -> MarkedItems:
    """The ids of JSON lines or a table; without paths there is no restriction."""
    ids: list[str] = []
    for path in paths:
        for row in rows_of(path):
            item_id = first_of(row.fields, _ID)
            if not item_id:
                raise UserError(f"The row has none of {', '.join(_ID)}.", row.where, "Name it.")
            ids.append(item_id)
    refuse_duplicates(ids, ", ".join(map(str, paths)))
    return MarkedItems(tuple(ids))


def read_answers(path: Path, data: MarkedItems) -> list[ItemAnswer]:
    """Marked answers of a file, or the corrections of a Groundtune folder.

    Raises:
        UserError: a mark is outside its answer, does not fit its text or has no known kind, an item
            is missing, unknown or repeated, or there are no answers.
    """
    answers = _corrections(path) if path.is_dir() else _marked_rows(path)
    if not answers:
        raise UserError(
            "There are no marked answers.", str(path), "Give JSON lines of id, answer and marks."
        )
    models = dict.fromkeys(answer.model for answer in answers)
    of_models = [[answer for answer in answers if answer.model == model] for model in models]
    for model_answers in of_models:
        refuse_second_answers(model_answers, path)
    if not data.ids:
        return answers
    return [
        answer for model_answers in of_models for answer in by_id(model_answers, data.ids, path)
    ]


def _corrections(folder: Path) -> list[ItemAnswer]:
    at = folder / "corrections" if (folder / "corrections").is_dir() else folder
    return [
        ItemAnswer(
            text=correction.text,
            item=correction.prompt,
            row=number,
            extra=marks_of(correction.marks or correction.spans, correction.prompt),
        )
        for number, correction in enumerate(RecordSet(at, Correction).read(), 1)
    ]


def marks_of(spans: Sequence[Span] | None, image: str) -> dict[str, str]:
    """Return the marks in an answer's `extra`; None if nobody has annotated it yet."""
    rows = None if spans is None else [span.model_dump(exclude_none=True) for span in spans]
    return {"marks": json_of(rows, ascii=True), "image": image}


def _marked_rows(path: Path) -> list[ItemAnswer]:
    rows = list(rows_of(path))
    marks = [(row, mark) for row in rows for mark in _offset_marks(row)]
    unit = unit_of([mark for _, mark in marks])
    if isinstance(unit, OffsetMark):
        row = next(row for row, mark in marks if mark is unit)
        raise UserError(
            f"The mark [{unit.start}, {unit.end}) is not at its text {unit.words!r}, whether in "
            "characters, UTF-16 units or UTF-8 bytes.",
            row.where,
            "Count characters of the exact answer, the end not included.",
        )
    if unit != "characters":
        log.warning("%s: the marks' offsets are %s, as their texts prove", path, unit)
    elif ambiguous := sum(is_ambiguous(mark) for _, mark in marks):
        log.warning(
            "%s: %d marks name no text behind characters that are not ASCII: their offsets are "
            "read as characters",
            path,
            ambiguous,
        )
    return [_answer_with_marks(row, unit) for row in rows]


def _offset_marks(row: Row) -> list[OffsetMark]:
    """The marks of a row that have both offsets; `_answer_with_marks` reports errors in others."""
    text = next((row.fields[name] for name in _TEXT if name in row.fields), None)
    marks = next((row.fields[name] for name in _MARKS if name in row.fields), None)
    if not isinstance(text, str) or not isinstance(marks, list):
        return []
    offset_marks: list[OffsetMark] = []
    for mark in cast("list[object]", marks):
        fields = cast("dict[str, object]", mark) if isinstance(mark, dict) else {}
        start, end, words = fields.get("start"), fields.get("end"), fields.get("text")
        if isinstance(start, int) and isinstance(end, int):
            offset_marks.append(
                OffsetMark(text, start, end, words if isinstance(words, str) else None)
            )
    return offset_marks


def _answer_with_marks(row: Row, unit: Unit) -> ItemAnswer:
    fields, where = row.fields, row.where
    item, text = first_of(fields, _ID), next((fields[n] for n in _TEXT if n in fields), None)
    if not item or not isinstance(text, str):
        raise UserError(
            "The row has no id or no answer.", where, 'Write {"id": "...", "answer": "...", ...}.'
        )
    name = next((column for column in _MARKS if column in fields), None)
    if name is None:
        raise UserError(
            'The row has no "marks".',
            where,
            "Write [] for an answer without errors, null for one not yet checked.",
        )
    marks = cast("object", fields[name])
    spans = (
        None
        if marks is None
        else [_span(column, text, where, unit) for column in _list(marks, where)]
    )
    return ItemAnswer(
        text=text,
        item=item,
        row=row.number,
        extra=marks_of(spans, first_of(fields, ("image", "image_id")) or item),
        model=first_of(fields, ("model",)) or "",
    )


def _list(marks: object, where: str) -> list[object]:
    if not isinstance(marks, list):
        raise UserError('"marks" is no list.', where, "Write a list of marks, [] for none.")
    return cast("list[object]", marks)


def _span(mark: object, text: str, where: str, unit: Unit) -> Span:
    fields = cast("dict[str, object]", mark) if isinstance(mark, dict) else {}
    kind = _NAMES.get(str(fields.get("kind", fields.get("type", "other"))).lower())
    start, end = fields.get("start"), fields.get("end")
    if start is None and isinstance(words := fields.get("text"), str) and words:
        start, unit = text.find(words), "characters"
        end = start + len(words)
        if start < 0:
            raise UserError(
                f"The marked text {words[:60]!r} is not in the answer.",
                where,
                "Give the text exactly as the answer has it, or start and end.",
            )
    if kind is None or not isinstance(start, int) or not isinstance(end, int):
        raise UserError(
            f"A mark can't be parsed: {json.dumps(mark)[:60]}.",
            where,
            f"Give start and end, or text, and a kind: {', '.join(get_args(SpanKind))}.",
        )
    place = in_characters(OffsetMark(text, start, end), unit)
    if place is None:
        raise UserError(
            f"A mark [{start}, {end}) is outside its answer of {len(text)} characters.",
            where,
            "Count characters of the exact answer, the end not included.",
        )
    if place[0] == place[1] and fields.get("text") != "":  # of an insertion, as we export it
        raise UserError(
            f"The mark [{start}, {end}) is empty: it marks nothing.",
            where,
            "Give the characters that are wrong, or remove the mark.",
        )
    return Span(start=place[0], end=place[1], kind=kind)


def score(data: MarkedItems, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """One score per answer; its spans are the marks."""
    return [_score(answer, scoring) for answer in answers]


def _score(answer: ItemAnswer, scoring: Scoring) -> Score:
    rows = cast("list[dict[str, Any]] | None", json.loads(answer.extra.get("marks", "null")))
    spans = tuple(Span.model_validate(row) for row in rows or ())
    kinds = [span.kind if span.kind in KINDS else "other" for span in spans]
    values = {
        "marked": float(bool(spans)),
        "marks": float(len(spans)),
        "words": float(len(answer.text.split())),
        **{kind: float(kind in kinds) for kind in KINDS},
    }
    return Score(
        key=score_key(MHUMANEVAL, answer.item, answer.text + answer.extra["marks"], scoring),
        benchmark=NAME,
        item=answer.item,
        image=answer.extra.get("image") or answer.item,
        model=scoring.model,
        answer=answer.text,
        values={} if rows is None else values,
        extracted=tuple(answer.text[span.start : span.end] for span in spans),
        why="not annotated yet" if rows is None else "",
        spans=spans,
        status="unparsed" if rows is None else "scored",
    )


def notes(data: MarkedItems, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """Notes that these are not the paper's items, and on the small number of items."""
    sentences = [
        "People made the marks; the file does not record who they were or their instructions."
    ]
    if len(answers) != ITEMS:
        sentences.append(f"There are {len(answers):,} answers; the paper has {ITEMS} items.")
    return sentences


def _rate(name: str, label: str, value: str) -> Metric:
    return Metric(
        name=name, label=label, numerator={value: 1}, denominator={"scored": 1}, better="lower"
    )


MHUMANEVAL = Benchmark(
    name=NAME,
    protocol=Protocol(
        label="MHumanEval",
        prompt="the questions of MMHal-Bench and 50 of Object HalBench",
        parser="none: people mark what is hallucinated",
        counted="answers with at least one mark, by kind and in all",
        source="Yu et al. 2023, arXiv 2312.00849",
        max_new_tokens=512,
        items="146; 50 of them are not public",
    ),
    revision="none was published; arXiv 2312.00849, section 4.1",
    metrics=(
        _rate("hallucination_rate", "Answers with anything marked", "marked"),
        *(_rate(f"{kind}_rate", f"Answers with a wrong {kind}", kind) for kind in KINDS[:3]),
        _rate("other_rate", "Answers with something else wrong", "other"),
        Metric(
            name="marks",
            label="Marks per answer",
            numerator={"marks": 1},
            denominator={"scored": 1},
            better="lower",
            unit="marks",
            scale=1,
            decimals=2,
        ),
        Metric(
            name="words",
            label="Words per answer",
            numerator={"words": 1},
            denominator={"scored": 1},
            role="cost",
            unit="words",
            scale=1,
        ),
        unparsed_metric(),
    ),
    headline="hallucination_rate",
    read_data=read_data,
    read_answers=read_answers,
    score=score,
    layouts="JSON lines of {id, answer, marks}, or a folder with corrections/",
    notes=notes,
)
