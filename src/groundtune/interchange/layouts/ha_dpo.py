"""HA-DPO's data: juliozhao/hadpo-data, apache-2.0 (Zhao et al. 2023, arXiv 2311.16839).

Two files per model. pope_data.json is a list of image_id, question, answer, chosen, correct, and
the other answer as `reject` (LLaVA) or `rejected` (InstructBLIP); the authors' code leaves out rows
with correct true. desc_data.json is a list of image_id, chosen, rejected, or an object of chosen
and rejected by image_id. It has no question; the authors' code picks one of several, here it is
DESCRIBE. Its texts are lists of rewrites. The authors' code draws one per side each time it reads
the row; here the first rewrites of both sides are a pair, then the second ones, and so on. Images
are from Visual Genome, IMAGE_ID.jpg in VG_100K or VG_100K_2.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any, cast

from groundtune.interchange.dialogue import image_question, list_of, only_question, text_of
from groundtune.interchange.layout import Content, Layout, LayoutError, RowImage
from groundtune.store.rows import Fields

DESCRIBE = "Describe this image in detail."
_ENDING = ".jpg"


def _split(row: Fields) -> list[Fields]:
    """Return a row per pair of rewrites, without repeated pairs."""
    rejected = "reject" if "reject" in row else "rejected"
    if not isinstance(row.get("chosen"), list) and not isinstance(row.get(rejected), list):
        return [row]
    texts = [_rewrites(row, name) for name in ("chosen", rejected)]
    longest = max(map(len, texts))
    pairs = zip(*(islice(cycle(texts_of_side), longest) for texts_of_side in texts), strict=True)
    return [{**row, "chosen": chosen, rejected: other} for chosen, other in dict.fromkeys(pairs)]


def _rewrites(row: Fields, name: str) -> list[str]:
    value: object = row.get(name)
    texts = [value] if isinstance(value, str) else list_of(value, name)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise LayoutError("It is not a list of texts", name)
    return cast("list[str]", texts)


def _leaves_out(row: Fields) -> str:
    return "correct: true" if row.get("correct") else ""


def _parse(row: Fields) -> Content:
    name = row.get("image_id")
    if not isinstance(name, str | int) or isinstance(name, bool) or "\0" in str(name):
        raise LayoutError("There is no 'image_id'", "image_id")
    rejected = "reject" if "reject" in row else "rejected"
    return Content(
        turns=image_question(text_of(row, "question") if "question" in row else DESCRIBE),
        images=(RowImage(f"{name}{_ENDING}"),),
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, rejected),
        row=str(name),
    )


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "image_id": (content.images[0].path or "").removesuffix(_ENDING),
        "question": only_question(content, "HA-DPO"),
        "chosen": content.chosen,
        "reject" if "rejected" not in columns else "rejected": content.rejected,
    }
    if columns and "question" not in columns and fields["question"] == DESCRIBE:
        del fields["question"]
    return fields if columns else {**fields, "correct": False}


LAYOUT = Layout(
    name="ha-dpo",
    title="HA-DPO",
    endings=(".json", ".jsonl"),
    parse=_parse,
    render=_render,
    dataset="juliozhao/hadpo-data",
    licence="apache-2.0",
    ending=_ENDING,
    folders=("VG_100K", "VG_100K_2"),
    keyed_by="image_id",
    split=_split,
    leaves_out=_leaves_out,
)
