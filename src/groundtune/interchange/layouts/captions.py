"""Captions of images: your own as a table or JSON rows, and MiniGPT-4's cc_sbu_align.

    captions        image str | caption str | question str, DESCRIBE if there is none
    cc-sbu-align    {"annotations": [{"image_id": "2", "caption": "..."}, ...]}, image/2.jpg

cc_sbu_align (filter_cap.json) is the set with which MiniGPT-4 (Zhu et al. 2023, arXiv 2304.10592)
is tuned last: some 3,400 captions of images of Conceptual Captions and SBU, which MiniGPT-4 wrote
and ChatGPT corrected. HA-DPO anchors MiniGPT-4 on it. No licence is stated.
"""

from collections.abc import Iterator
from pathlib import Path

from groundtune.errors import UserError
from groundtune.interchange.dialogue import image_question, text_of
from groundtune.interchange.examples import ExampleLayout, ExampleRow
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import LayoutError
from groundtune.interchange.layouts.ha_dpo import DESCRIBE
from groundtune.store.rows import SKIP_OR_FIX, Fields, Row, json_members


def _parse(row: Fields) -> ExampleRow:
    images = row_images(row.get("image"), "image")
    if len(images) != 1:
        raise LayoutError("The row has no image", "image")
    text = row.get("question")
    question = text_of(row, "question") if text not in (None, "") else DESCRIBE
    return ExampleRow(
        turns=image_question(question), answer=text_of(row, "caption").strip(), images=images
    )


def _annotations(path: Path) -> Iterator[Row]:
    has_rows = False
    for _, row in json_members(path, {"annotations"}, fix=SKIP_OR_FIX):
        has_rows = True
        yield row
    if not has_rows:
        raise UserError(
            "The file has no annotations.", str(path), "Give cc_sbu_align's filter_cap.json."
        )


def _parse_aligned(row: Fields) -> ExampleRow:
    name = row.get("image_id")
    if not isinstance(name, str | int) or isinstance(name, bool) or not str(name).isalnum():
        raise LayoutError("There is no 'image_id'", "image_id")
    return ExampleRow(
        turns=image_question(DESCRIBE),
        answer=text_of(row, "caption").strip(),
        images=((f"image/{name}.jpg", f"{name}.jpg"),),
        row=str(name),
    )


OWN = ExampleLayout(name="captions", dataset="captions", licence="", parse=_parse)
CC_SBU_ALIGN = ExampleLayout(
    name="cc-sbu-align",
    dataset="cc_sbu_align",
    licence="",
    parse=_parse_aligned,
    rows=_annotations,
)
