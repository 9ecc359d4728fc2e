"""HA-DPO's data: juliozhao/hadpo-data, apache-2.0 (Zhao et al. 2023, arXiv 2311.16839).

Two files a model. pope_data.json is a list of image_id, question, answer, chosen, correct, and the
other answer as `reject` (LLaVA) or `rejected` (InstructBLIP); rows with correct true have nothing
to learn from and are pairs all the same where both texts are there. desc_data.json is a list of
image_id, chosen, rejected, which has no question; the authors' code asks one of a few, here it is
given by DESCRIBE. Images are Visual Genome's, IMAGE_ID.jpg.
"""

from collections.abc import Sequence
from typing import Any

from groundtune.interchange.dialogue import ask, only_question, text_of
from groundtune.interchange.layout import Content, Layout, Refused, RowImage
from groundtune.store.rows import Fields

DESCRIBE = "Describe this image in detail."
_ENDING = ".jpg"


def _parse(row: Fields) -> Content:
    name = row.get("image_id")
    if not isinstance(name, str | int) or isinstance(name, bool) or "\0" in str(name):
        raise Refused("There is no 'image_id'", "image_id")
    rejected = "reject" if "reject" in row else "rejected"
    return Content(
        turns=ask(text_of(row, "question") if "question" in row else DESCRIBE),
        images=(RowImage(f"{name}{_ENDING}"),),
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, rejected),
        row=str(name),
    )


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "image_id": (content.images[0].path or "").removesuffix(_ENDING),
        "question": only_question(content, "HA-DPO"),
        "chosen": content.chosen,
        "reject" if "rejected" not in columns else "rejected": content.rejected,
    }
    if columns and "question" not in columns and said["question"] == DESCRIBE:
        del said["question"]
    return said if columns else {**said, "correct": False}


LAYOUT = Layout(
    name="ha-dpo",
    title="HA-DPO",
    endings=(".json", ".jsonl"),
    parse=_parse,
    render=_render,
    dataset="juliozhao/hadpo-data",
    licence="apache-2.0",
    ending=_ENDING,
)
