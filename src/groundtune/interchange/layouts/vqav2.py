"""VQA-v2's training questions as examples of short answers.

Goyal et al. 2017, arXiv 1612.00837, cc-by-4.0. FILE is v2_mscoco_train2014_annotations.json; the
file of the questions, v2_OpenEnded_mscoco_train2014_questions.json, is next to it.

- YES_NO follows LLaVA-RLHF (arXiv 2309.14525, 3.1): the yes/no questions of an image are the rounds
  of one dialogue.
- SHORT is RLHF-V's supervised stage (arXiv 2312.00849, 4.1): every question with the answer that
  most people gave.

As in LLaVA-1.5's mixture, the suffix that asks for a short answer is in a dialogue's first
question, and answers begin with a capital.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from groundtune.errors import UserError
from groundtune.feedback.suffixes import SHORT as SUFFIX
from groundtune.feedback.suffixes import with_suffix
from groundtune.interchange.dialogue import text_of
from groundtune.interchange.examples import ExampleLayout, ExampleRow
from groundtune.interchange.layout import LayoutError, Turn
from groundtune.store.rows import SKIP_OR_FIX, Fields, Row, json_members

_SUBSET = re.compile(r"(train|val|test)\d{4}")
_GIVE = "Give the annotations and the questions as VQA published them."


def _parse(row: Fields) -> ExampleRow:
    rounds = cast("list[Fields]", row["rounds"])
    turns: list[Turn] = []
    for number, each in enumerate(rounds):
        question = text_of(each, "question").strip()
        answer = text_of(each, "multiple_choice_answer").strip()
        if not question or not answer:
            raise LayoutError(f"Question {each.get('question_id')} or its answer is empty")
        text = question if number else with_suffix(question, SUFFIX)
        turns += [Turn("user", (text,)), Turn("assistant", (answer[0].upper() + answer[1:],))]
    *prompt, last = turns
    return ExampleRow(
        turns=tuple(prompt),
        answer=str(last.pieces[0]),
        images=(cast("tuple[str, ...]", row["names"]),),
        row=str(rounds[0].get("question_id", "")),
    )


def _joined(path: Path) -> Iterator[Row]:
    """The annotations with their questions' texts, in the order of the file."""
    questions_file = path.with_name(
        path.name.replace("v2_mscoco", "v2_OpenEnded_mscoco").replace("annotations", "questions")
    )
    if questions_file == path or not questions_file.is_file():
        raise UserError("The questions file is missing.", str(questions_file), _GIVE)
    texts = {
        row.fields.get("question_id"): row.fields.get("question")
        for _, row in json_members(questions_file, {"questions"}, fix=_GIVE)
    }
    if not texts:
        raise UserError('The file has no "questions".', str(questions_file), _GIVE)
    for _, row in json_members(path, {"annotations"}, fix=SKIP_OR_FIX):
        if isinstance(row.content, UserError):
            yield row
            continue
        question = {"question": texts.get(row.content.get("question_id"))}
        yield Row(row.where, row.number, {**row.content, **question})


def _names(image: object, path: Path) -> tuple[str, ...]:
    """The names that an image's file may have: COCO's of 2014, and of 2017."""
    if isinstance(image, bool) or not isinstance(image, int):
        raise LayoutError("The 'image_id' is not a number", "image_id")
    subset = _SUBSET.search(path.name)
    first = [f"COCO_{subset[0]}_{image:012}.jpg"] if subset else []
    return (*first, f"{image:012}.jpg")


def _one_each(path: Path) -> Iterator[Row]:
    """A row of one round for each annotation."""
    for row in _joined(path):
        yield _with_rounds([row], row.number, path)


def _by_image(path: Path) -> Iterator[Row]:
    """A row for each image with its yes/no questions, in the order of the file."""
    rows_of: dict[object, list[Row]] = {}
    for row in _joined(path):
        image = None if isinstance(row.content, UserError) else row.content.get("image_id")
        rows_of.setdefault(image if isinstance(image, int) else row.where, []).append(row)
    for number, rows in enumerate(rows_of.values(), 1):
        yield _with_rounds(rows, number, path)


def _with_rounds(rows: Sequence[Row], number: int, path: Path) -> Row:
    """A row of an image's annotations as rounds; a bad one is bad as a whole."""
    where = rows[0].where
    try:
        fields = [row.fields for row in rows]
        names = _names(fields[0].get("image_id"), path)
    except LayoutError as error:
        return Row(where, number, UserError(f"{error.what}.", where, SKIP_OR_FIX))
    except UserError as error:
        return Row(where, number, error)
    return Row(where, number, {"names": names, "rounds": fields})


def _is_yes_no(row: Fields) -> bool:
    kind, answer = row.get("answer_type"), row.get("multiple_choice_answer")
    return kind == "yes/no" and answer in ("yes", "no")


def _parse_yes_no(row: Fields) -> ExampleRow | str:
    rounds = [each for each in cast("list[Fields]", row["rounds"]) if _is_yes_no(each)]
    return _parse({**row, "rounds": rounds}) if rounds else "the image has no yes/no question"


YES_NO = ExampleLayout(
    name="vqav2-yes-no",
    dataset="VQA-v2",
    licence="cc-by-4.0",
    parse=_parse_yes_no,
    rows=_by_image,
)
SHORT = ExampleLayout(
    name="vqav2-short",
    dataset="VQA-v2",
    licence="cc-by-4.0",
    parse=_parse,
    rows=_one_each,
)
