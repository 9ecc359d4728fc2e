"""Readers of judge replies, in the layouts of each benchmark's official code and of `replies.py`.

    MMHal-Bench     a list of chat completions by position, or the answers with "gpt4_review"
    HallusionBench  the answers with "gpt4v_output_gpt_check" ("0", "1", "2") and "same"
    LLaVA-Bench     lines with "content" and "tuple"; the older text reviews with "score"
    SHR             judgement.json: run, image, "raw_judgement"
    RefoMB          a list with "review", or (the hallucination score) "review_res"
    any             OpenAI's batch output: lines with "custom_id" (the item) and "response"

Rows may also be in an object: under one key as a list, or by item; so may texts alone.

An archive of HallusionBench holds parsed verdicts instead of replies. Each becomes a word that
parses to the same verdict.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from groundtune.bench.judge.replies import GIVE, RecordedReply, not_a_reply
from groundtune.errors import UserError
from groundtune.store.rows import Fields, Row, beginning, json_file, json_rows

_Reader = Callable[[int, Fields], list[RecordedReply]]
"""Returns the replies of a row, given its position (from 0) and fields."""

VERDICTS = {"0": "incorrect", "1": "correct", "2": "unclear"}
SAMENESS = {"0": "different", "1": "same"}


def hallusion_id(row: Mapping[str, Any]) -> str:
    """Return the id of a HallusionBench question: category, subcategory, set, figure, question."""
    names = ("category", "subcategory", "set_id", "figure_id", "question_id")
    return "_".join(str(row[name]) for name in names)


def read_replies(path: Path) -> list[RecordedReply]:
    """Return the replies of a file, or of all .json and .jsonl files in a folder.

    Raises:
        UserError: the file does not exist or has an unknown layout.
    """
    if path.is_dir():
        files = [p for p in sorted(path.iterdir()) if p.suffix in (".json", ".jsonl")]
        return [reply for file in files for reply in read_replies(file)]
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        return []
    reader = next((reader for name, reader in _READERS if name in first.fields), None)
    if reader is None:
        raise _unknown_layout(path)
    return [
        reply
        for position, row in enumerate(chain([first], rows))
        for reply in _read_row(reader, position, row)
    ]


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSON list, of JSON lines, or of a file with a single object."""
    rows = json_rows(path, GIVE)
    first = next(rows, None)
    if first is None:
        return iter(())
    if isinstance(first.content, UserError) and beginning(path).startswith("{"):
        first, rows = Row(str(path), 1, _object(json_file(path, GIVE))), iter(())
    second = next(rows, None)
    if second is None and not any(name in first.fields for name, _ in _READERS):
        return _unwrap(path, first)
    return chain([first], [second] if second else [], rows)


def _unwrap(path: Path, only: Row) -> Iterator[Row]:
    """Yield the rows in a file's one object: a list, rows or texts by item, or SHR's runs."""
    fields = only.fields
    lists = [cast("list[object]", value) for value in fields.values() if isinstance(value, list)]
    if len(lists) == 1:
        for number, value in enumerate(lists[0], 1):
            yield Row(f"{path}, row {number}", number, _object(value))
    elif fields and all(isinstance(value, str) for value in fields.values()):
        for number, (item, text) in enumerate(fields.items(), 1):
            yield Row(f"{path}, {item}", number, {"id": item, "reply": text})
    elif fields and all(map(_object, fields.values())):
        first = _object(next(iter(fields.values())))
        is_run = not any(name in first for name, _ in _READERS)
        yield from _runs(path, fields) if is_run else _runs(path, {"": fields})
    else:
        yield only


def _object(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}


def _runs(path: Path, runs: Fields) -> Iterator[Row]:
    """Yield SHR's judgements of several runs, one row per image."""
    for repeat, (name, run) in enumerate(runs.items()):
        for position, (image, judgement) in enumerate(_object(run).items(), 1):
            row = {"image": image, "custom_id": image, "repeat": repeat, **_object(judgement)}
            where = ", ".join(word for word in (str(path), name, image) if word)
            yield Row(where, position, row)


def _read_row(reader: _Reader, position: int, row: Row) -> list[RecordedReply]:
    try:
        return reader(position, row.fields)
    except ValidationError as error:
        raise not_a_reply(error, row.where) from error
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(
            f"The row lacks a field of this layout ({type(error).__name__}: {error}).",
            row.where,
            "Give the file as the benchmark's official code wrote it.",
        ) from error


def _recorded(position: int, row: Fields) -> list[RecordedReply]:
    return [RecordedReply.model_validate(row)]


def _completion(position: int, row: Fields) -> list[RecordedReply]:
    choice = row["choices"][0]
    return [
        RecordedReply(
            id=str(row.get("custom_id", position)),
            reply=_text(choice["message"]["content"]),
            model=row.get("model", ""),
            finish=choice.get("finish_reason") or "",
        )
    ]


def _text(content: Any) -> str:
    """Return the text of a message, which some servers send in parts."""
    if not isinstance(content, list):
        return content  # the record refuses anything but text
    parts = [_object(part) for part in cast("list[object]", content)]
    return "".join(str(part["text"]) for part in parts if part.get("type", "text") == "text")


def _batched(position: int, row: Fields) -> list[RecordedReply]:
    return _completion(position, {**row["response"]["body"], "custom_id": row["custom_id"]})


def _mmhal_merged(position: int, row: Fields) -> list[RecordedReply]:
    return [
        RecordedReply(id=str(position), reply=row["gpt4_review"], answer=row.get("model_answer"))
    ]


def _refomb(position: int, row: Fields) -> list[RecordedReply]:
    is_swapped = row.get("modelB") == "GPT-4V"
    part = "swapped" if is_swapped else ""
    return [RecordedReply(id=str(row.get("image", position)), part=part, reply=row["review"])]


def _refomb_hallucination(position: int, row: Fields) -> list[RecordedReply]:
    # These rows are in order of completion: only the review identifies them.
    return [RecordedReply(part="hallucination", reply=row["review_res"], answer=row["review_text"])]


def _hallusion(position: int, row: Fields) -> list[RecordedReply]:
    name, answer = hallusion_id(row), row.get("model_prediction")
    replies = [
        RecordedReply(id=name, reply=VERDICTS[str(row["gpt4v_output_gpt_check"])], answer=answer)
    ]
    if "same" in row:
        same = SAMENESS[str(row["same"])]
        replies.append(RecordedReply(id=name, part="same", reply=same, answer=answer))
    return replies


def _shr(position: int, row: Fields) -> list[RecordedReply]:
    # The two copies of the official script spell the answer field differently.
    answer = row.get("model_response", row.get("mode_response"))
    reply = row["raw_judgement"]
    return [RecordedReply(id=row["image"], repeat=row["repeat"], reply=reply, answer=answer)]


def _review_line(position: int, row: Fields) -> list[RecordedReply]:
    reply = row["content"] if "content" in row else row["text"]
    stored = row["tuple"] if "tuple" in row else row.get("score", ())
    model = row.get("reviewer_id", "")
    return [
        RecordedReply(id=str(row["question_id"]), reply=reply, stored=tuple(stored), model=model)
    ]


_READERS: tuple[tuple[str, _Reader], ...] = (
    ("choices", _completion),
    ("gpt4_review", _mmhal_merged),
    ("review_res", _refomb_hallucination),
    ("review", _refomb),
    ("gpt4v_output_gpt_check", _hallusion),
    ("raw_judgement", _shr),
    ("reply", _recorded),
    ("question_id", _review_line),
    ("custom_id", _batched),
)
"""Readers by a column of the first row; the first match is used."""


def _unknown_layout(path: Path) -> UserError:
    return UserError(
        "The layout of the judge replies is unknown.",
        str(path),
        'Give JSON lines of {"id": ..., "reply": ...}, or the file that the benchmark\'s official '
        "code wrote.",
    )
