"""Answers in files of any layout: JSON lines, JSON lists, tables, other evaluators' files.

`store/sheets.py` reads the rows. lmms-eval's sample files (`*_samples_*.jsonl`) have the question
in "doc", the true answer in "target", and the model's answer in "filtered_resps" or "resps".
`inspect_logs.py` reads Inspect's logs.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

from groundtune.bench.files.inspect_logs import inspect_answers, is_inspect_log
from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError
from groundtune.store.rows import Fields, Row, first_of, plain, text_field
from groundtune.store.sheets import rows_of

ANSWER_COLUMNS = ("prediction", "answer", "text", "response", "output", "caption")
"""Columns of an answer's text, by priority, unless a benchmark has others.

In tables of questions (`has_truth`) it is only "prediction".
"""
ITEM_COLUMNS = ("question_id", "id", "index")
SAMPLE_COLUMNS = {"doc", "target"}


def answers_of(
    path: Path,
    *,
    text: Sequence[str] = ANSWER_COLUMNS,
    item: Sequence[str] = ITEM_COLUMNS,
) -> Iterator[ItemAnswer]:
    """The answers of a file, also of lmms-eval's samples and Inspect's .json logs.

    The text is the first of the columns `text` that the first row has, the id likewise ("" if there
    is none); in a table of questions (`has_truth`) the text is "prediction", in upper or lower
    case. All other columns except lists and objects become `extra`, as text; for a sample these are
    the fields of its "doc", and "target".

    Raises:
        UserError: a row has no answer, or one that is not text.
    """
    if is_inspect_log(path):
        yield from inspect_answers(path)
        return
    chosen: tuple[str, str] | None = None
    for row in rows_of(path):
        fields = row.fields
        if fields.keys() >= SAMPLE_COLUMNS:
            yield _sample(row, item)
            continue
        if chosen is None:
            chosen = _choose(row, text), next((n for n in item if n in fields), "")
        text_column, item_column = chosen
        yield ItemAnswer(
            text=text_field(row, text_column),
            item=plain(fields.get(item_column, "")) if item_column else "",
            row=row.number,
            extra=_extra(fields, text_column),
        )


def has_truth(names: Iterable[str]) -> bool:
    """Whether columns are those of a table of questions, whose "answer" is the true one.

    VLMEvalKit's have "index" with "question" or "answer", lmms-eval's data "category" with
    "answer". No official layout of answers has these together, except HallusionBench's rows, whose
    truth is "gt_answer".
    """
    heads = {name.strip().lower() for name in names}
    if "index" in heads:
        return not heads.isdisjoint({"question", "answer"})
    return heads >= {"category", "answer"} and "gt_answer" not in heads


def _choose(row: Row, text: Sequence[str]) -> str:
    if has_truth(row.fields):
        for name in sorted(row.fields, reverse=True):  # small letters before capitals
            if name.strip().lower() == "prediction":
                return name
        raise UserError(
            'This is a table of questions without "prediction": its "answer" is the true one.',
            row.where,
            'Give the table with the model\'s answers, in a column named "prediction".',
        )
    for name in text:
        if name in row.fields:
            return name
    raise UserError(
        f"The row has no answer: it has none of the columns {', '.join(text)}.",
        row.where,
        f"It has {', '.join(row.fields) or 'no columns'}.",
    )


def _sample(row: Row, item: Sequence[str]) -> ItemAnswer:
    doc_value: object = row.fields["doc"]
    doc: Fields = cast("Fields", doc_value) if isinstance(doc_value, dict) else {}
    answer = _innermost(row.fields.get("filtered_resps"))
    answer = _innermost(row.fields.get("resps")) if answer is None else answer
    if answer is None:
        raise UserError(
            'Neither "filtered_resps" nor "resps" has an answer.',
            row.where,
            "Give a sample file that lmms-eval wrote with --log_samples.",
        )
    item_id = first_of(doc, item) or plain(row.fields.get("doc_id", ""))
    extra = _extra(doc, "") | {"target": plain(row.fields["target"])}
    return ItemAnswer(text=answer, item=item_id, row=row.number, extra=extra)


def _innermost(value: object) -> str | None:
    """The first text in lists of lists; lmms-eval nests answers by request and repeat."""
    while isinstance(value, list) and value:
        value = cast("list[object]", value)[0]
    return value if isinstance(value, str) else None


def _extra(fields: Fields, without: str) -> dict[str, str]:
    return {
        name: plain(value)
        for name, value in fields.items()
        if name != without and isinstance(value, str | int | float)
    }
