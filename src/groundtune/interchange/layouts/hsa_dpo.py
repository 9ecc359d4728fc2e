"""HSA-DPO's pairs: JSON lines of id, question, chosen, rejected, chosen_score, rejected_score.

Xiao et al. 2024, arXiv 2404.14233. The image of a row is IMAGE_FOLDER/ID.jpg; no column names it.
The scores are severities of an answer's hallucinations: higher is worse. The authors' code replaces
a missing score by 1.0; here it stays missing. A negative score is refused.
"""

from collections.abc import Sequence
from typing import Any

from groundtune.interchange.dialogue import image_question, number_of, only_question, text_of
from groundtune.interchange.layout import Content, Layout, LayoutError, RowImage
from groundtune.store.rows import Fields

_ENDING = ".jpg"


def _parse(row: Fields) -> Content:
    name = row.get("id")
    if not isinstance(name, str | int) or isinstance(name, bool) or "\0" in str(name):
        raise LayoutError("There is no 'id' that names an image", "id")
    return Content(
        turns=image_question(text_of(row, "question")),
        images=(RowImage(f"{name}{_ENDING}"),),
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, "rejected"),
        chosen_severity=_severity(row, "chosen_score"),
        rejected_severity=_severity(row, "rejected_score"),
        row=str(name),
    )


def _severity(row: Fields, column: str) -> float | None:
    value = number_of(row, column)
    if value is not None and value < 0:
        raise LayoutError(f"The {column!r} is {value:g}, but a severity is at least 0", column)
    return value


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    question = only_question(content, "HSA-DPO")
    severities = {
        "chosen_score": content.chosen_severity,
        "rejected_score": content.rejected_severity,
    }
    return {
        "id": (content.images[0].path or "").removesuffix(_ENDING),
        "question": question,
        "chosen": content.chosen,
        "rejected": content.rejected,
        **{name: value for name, value in severities.items() if value is not None},
    }


LAYOUT = Layout(
    name="hsa-dpo",
    title="HSA-DPO",
    endings=(".jsonl",),
    parse=_parse,
    render=_render,
    ending=_ENDING,
    numbers="severities",
)
