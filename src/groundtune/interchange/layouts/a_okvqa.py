"""A-OKVQA as multiple-choice examples: aokvqa_v1p0_train.json, one JSON list, apache-2.0.

Schwenk et al. 2022, arXiv 2206.01718. A row has an image_id of COCO 2017, a question, four choices,
correct_choice_idx and rationales. The choices are lettered lines after the question, and the answer
is the letter, as LLaVA-RLHF (arXiv 2309.14525, 3.1) uses the set. The choices are the prompt's
options, the rationales its facts: reward models may read these, a model in training never does.
"""

from string import ascii_uppercase
from typing import cast

from groundtune.feedback.suffixes import LETTER, with_suffix
from groundtune.interchange.dialogue import image_question, list_of, text_of
from groundtune.interchange.examples import ExampleLayout, ExampleRow
from groundtune.interchange.layout import LayoutError
from groundtune.store.rows import Fields


def _parse(row: Fields) -> ExampleRow:
    image = row.get("image_id")
    if isinstance(image, bool) or not isinstance(image, int):
        raise LayoutError("The 'image_id' is not a number", "image_id")
    choices = _texts(row, "choices")
    right = row.get("correct_choice_idx")
    if isinstance(right, bool) or not isinstance(right, int) or not 0 <= right < len(choices):
        raise LayoutError("The row has no right choice, as the test split", "correct_choice_idx")
    if len(choices) > len(ascii_uppercase):
        raise LayoutError(f"There are {len(choices)} choices, more than letters", "choices")
    lines = [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, choices, strict=False)]
    question = "\n".join([text_of(row, "question").strip(), *lines])
    name = f"{image:012}.jpg"
    return ExampleRow(
        turns=image_question(with_suffix(question, LETTER)),
        answer=ascii_uppercase[right],
        images=((name, *(f"COCO_{split}2014_{name}" for split in ("train", "val"))),),
        row=str(row.get("question_id", "")),
        facts=_texts(row, "rationales") if row.get("rationales") else (),
        options=choices,
    )


def _texts(row: Fields, column: str) -> tuple[str, ...]:
    values = list_of(row.get(column), column)
    if not all(isinstance(each, str) and each.strip() for each in values):
        raise LayoutError("It is not a list of texts", column)
    return tuple(each.strip() for each in cast("list[str]", values))


LAYOUT = ExampleLayout(name="a-okvqa", dataset="allenai/aokvqa", licence="apache-2.0", parse=_parse)
