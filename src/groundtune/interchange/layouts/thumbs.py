"""Thumbs: feedback on single answers, one per row, for the method kto with thumbs.

    image str or list | question str | answer str | good bool

A thumb up is a pair whose chosen answer is rated 1 and whose rejected side is a placeholder rated
0, which does not count; a thumb down is the reverse, rated -1. `label` is read as `good`, as in
TRL's unpaired preference data, whose prompt and completion are read too.
"""

from collections.abc import Sequence
from typing import Any

from groundtune.feedback.thumbs import PLACEHOLDER
from groundtune.interchange.dialogue import image_question, only_question, text_of
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import Content, Layout, LayoutError
from groundtune.store.rows import Fields


def _column(row: Fields, *names: str) -> str:
    return next((name for name in names if name in row), names[0])


def _parse(row: Fields) -> Content:
    column = _column(row, "image", "image_path", "images")
    images = row_images(row.get(column), column)
    if len(images) != 1:
        raise LayoutError("The row has no image", column)
    mark = _column(row, "good", "label")
    good = row.get(mark)
    if not isinstance(good, bool):
        raise LayoutError("It is neither true nor false", mark)
    answer = text_of(row, _column(row, "answer", "completion"))
    if not answer.strip():
        raise LayoutError("The answer is empty", "answer")
    return Content(
        turns=image_question(text_of(row, _column(row, "question", "prompt"))),
        images=images,
        chosen=answer if good else PLACEHOLDER,
        rejected=PLACEHOLDER if good else answer,
        chosen_rating=1.0 if good else 0.0,
        rejected_rating=0.0 if good else -1.0,
    )


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    ratings = content.chosen_rating, content.rejected_rating
    if ratings not in ((1.0, 0.0), (0.0, -1.0)):
        raise LayoutError("The pair compares two answers; thumbs are about single ones")
    good = ratings == (1.0, 0.0)
    mark = "label" if "label" in columns else "good"
    answer_column = "completion" if "completion" in columns else "answer"
    column = "prompt" if "prompt" in columns else "question"
    image = next((name for name in ("image_path", "images") if name in columns), "image")
    return {
        image: content.images[0].path,
        column: only_question(content, "thumbs"),
        answer_column: content.chosen if good else content.rejected,
        mark: good,
    }


LAYOUT = Layout(
    name="thumbs",
    title="thumbs",
    endings=(".json", ".jsonl"),
    parse=_parse,
    render=_render,
    numbers="ratings",
)
