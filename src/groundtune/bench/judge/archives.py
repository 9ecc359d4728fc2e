"""Judges' replies as each benchmark's own code archives them, and as `replies.py` does.

    MMHal-Bench     a list of chat completions by position, or the answers with "gpt4_review"
    HallusionBench  the answers with "gpt4v_output_gpt_check" ("0", "1", "2") and "same"
    LLaVA-Bench     lines with "content" and "tuple"; the older text reviews with "score"
    SHR             judgement.json: run, image, "raw_judgement"
    RefoMB          a list with "review", or (the hallucination score) "review_res"

An archive of HallusionBench holds what was read instead of the reply: it becomes the word that is
read the same way.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from groundtune.bench.judge.replies import GIVE, Recorded, no_reply
from groundtune.errors import UserError
from groundtune.store.rows import Fields, Row, beginning, json_file, json_rows

_Reader = Callable[[int, Fields], list[Recorded]]
"""Makes replies of a row and its place from 0."""

VERDICTS = {"0": "incorrect", "1": "correct", "2": "unclear"}
SAMENESS = {"0": "different", "1": "same"}


def hallusion_id(row: Mapping[str, Any]) -> str:
    """The id of a HallusionBench question: category, subcategory, set, figure, question."""
    names = ("category", "subcategory", "set_id", "figure_id", "question_id")
    return "_".join(str(row[name]) for name in names)


def read_replies(path: Path) -> list[Recorded]:
    """The replies of a file, or of all .json and .jsonl files in a folder.

    Raises:
        UserError: no such file, or a layout that isn't known.
    """
    if path.is_dir():
        inside = [p for p in sorted(path.iterdir()) if p.suffix in (".json", ".jsonl")]
        return [recorded for each in inside for recorded in read_replies(each)]
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        return []
    reader = next((reader for name, reader in _READERS if name in first.fields), None)
    if reader is None:
        raise _unknown(path)
    return [
        recorded
        for place, row in enumerate(chain([first], rows))
        for recorded in _made(reader, place, row)
    ]


def _rows(path: Path) -> Iterator[Row]:
    """The rows of a list or of lines, or of the one object that a file is."""
    rows = json_rows(path, GIVE)
    first = next(rows, None)
    if first is None:
        return iter(())
    if isinstance(first.found, UserError) and beginning(path).startswith("{"):
        first, rows = Row(str(path), 1, _object(json_file(path, GIVE))), iter(())
    second = next(rows, None)
    if second is None and first.fields and all(map(_object, first.fields.values())):
        return _runs(path, first.fields)
    return chain([first], [second] if second else [], rows)


def _object(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}


def _runs(path: Path, runs: Fields) -> Iterator[Row]:
    """SHR's judgements: of several runs, by image."""
    for repeat, (name, run) in enumerate(runs.items()):
        for place, (image, judged) in enumerate(_object(run).items(), 1):
            row = {"image": image, "repeat": repeat, **_object(judged)}
            yield Row(f"{path}, {name}, {image}", place, row)


def _made(reader: _Reader, place: int, row: Row) -> list[Recorded]:
    try:
        return reader(place, row.fields)
    except ValidationError as error:
        raise no_reply(error, row.where) from error
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(
            f"The row is unlike the others of this archive ({type(error).__name__}: {error}).",
            row.where,
            "Give the file as the benchmark's own code wrote it.",
        ) from error


def _own(place: int, row: Fields) -> list[Recorded]:
    return [Recorded.model_validate(row)]


def _completion(place: int, row: Fields) -> list[Recorded]:
    choice = row["choices"][0]
    return [
        Recorded(
            id=str(place),
            reply=choice["message"]["content"],
            model=row.get("model", ""),
            finish=choice.get("finish_reason") or "",
        )
    ]


def _mmhal_merged(place: int, row: Fields) -> list[Recorded]:
    return [Recorded(id=str(place), reply=row["gpt4_review"], answer=row.get("model_answer"))]


def _refomb(place: int, row: Fields) -> list[Recorded]:
    swapped = row.get("modelB") == "GPT-4V"
    part = "swapped" if swapped else ""
    return [Recorded(id=str(row.get("image", place)), part=part, reply=row["review"])]


def _refomb_hallucination(place: int, row: Fields) -> list[Recorded]:
    # These rows come in the order in which the calls ended: the review alone tells them apart.
    return [Recorded(part="hallucination", reply=row["review_res"], answer=row["review_text"])]


def _hallusion(place: int, row: Fields) -> list[Recorded]:
    name, answer = hallusion_id(row), row.get("model_prediction")
    made = [Recorded(id=name, reply=VERDICTS[str(row["gpt4v_output_gpt_check"])], answer=answer)]
    if "same" in row:
        same = SAMENESS[str(row["same"])]
        made.append(Recorded(id=name, part="same", reply=same, answer=answer))
    return made


def _shr(place: int, row: Fields) -> list[Recorded]:
    # The two copies of the official script spell the answer's field differently.
    answer = row.get("model_response", row.get("mode_response"))
    reply = row["raw_judgement"]
    return [Recorded(id=row["image"], repeat=row["repeat"], reply=reply, answer=answer)]


def _review_line(place: int, row: Fields) -> list[Recorded]:
    reply = row["content"] if "content" in row else row["text"]
    stored = row["tuple"] if "tuple" in row else row.get("score", ())
    model = row.get("reviewer_id", "")
    return [Recorded(id=str(row["question_id"]), reply=reply, stored=tuple(stored), model=model)]


_READERS: tuple[tuple[str, _Reader], ...] = (
    ("choices", _completion),
    ("gpt4_review", _mmhal_merged),
    ("review_res", _refomb_hallucination),
    ("review", _refomb),
    ("gpt4v_output_gpt_check", _hallusion),
    ("raw_judgement", _shr),
    ("reply", _own),
    ("question_id", _review_line),
)
"""By a column of the first row; the first that is there counts."""


def _unknown(path: Path) -> UserError:
    return UserError(
        "The layout of the judge's replies is not known.",
        str(path),
        'Give JSON lines of {"id": ..., "reply": ...}, or the file that the benchmark\'s own code '
        "wrote.",
    )
