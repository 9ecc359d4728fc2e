"""Captions of Flickr30k whose phrases have boxes, as Shikra wrote them: CWB_flickr30k_train.jsonl.

Plummer et al. 2015, arXiv 1505.04870; Chen et al. 2023, arXiv 2306.15195. LLaVA-RLHF tunes on such
captions. A row has an image_id, a sentence with <ph_st> and <ph_ed> around each phrase, boxes
[left, top, right, bottom] in pixels, and for each phrase the indices of its boxes (boxes_seq). In
the answer each phrase is followed by its boxes as shares of the image's size:

    Two young guys[0.102,0.310,0.434,0.912;0.441,0.297,0.780,0.921] look at their hands[...].

Flickr's images are for non-commercial research.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

from groundtune.interchange.dialogue import image_question, list_of, text_of
from groundtune.interchange.examples import ExampleLayout, ExampleRow, Size
from groundtune.interchange.layout import LayoutError
from groundtune.store.rows import Fields

REQUEST = (
    "Describe the image in one sentence, and give the coordinates [x0,y0,x1,y1] of each object "
    "that you mention."
)
_START, _END = "<ph_st>", "<ph_ed>"
_PHRASE = re.compile(f"{_START}(.*?){_END}", re.DOTALL)

Box = tuple[float, float, float, float]


def _parse(row: Fields) -> ExampleRow:
    sentence = text_of(row, "sentence").strip()
    phrases = _PHRASE.findall(sentence)
    boxes = [_box(each) for each in list_of(row.get("boxes"), "boxes")]
    places = [_places(each, boxes) for each in list_of(row.get("boxes_seq"), "boxes_seq")]
    if _START in _PHRASE.sub("", sentence) or _END in _PHRASE.sub("", sentence):
        raise LayoutError(f"A phrase has no {_START} or no {_END}", "sentence")
    if len(phrases) != len(places):
        raise LayoutError(
            f"The sentence has {len(phrases)} phrases, but boxes for {len(places)}", "boxes_seq"
        )
    name = str(row.get("image_id", ""))
    if not name or "/" in name:
        raise LayoutError("The image has no id", "image_id")

    def answer(size: Size) -> str:
        each = iter(places)
        return _PHRASE.sub(lambda match: match[1] + _text(next(each), size), sentence)

    return ExampleRow(
        turns=image_question(REQUEST), answer=answer, images=((f"{name}.jpg",),), row=name
    )


def _box(value: object) -> Box:
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    if len(numbers) != 4 or not all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in numbers
    ):
        raise LayoutError("A box is not four numbers", "boxes")
    left, top, right, bottom = (float(each) for each in numbers)
    if not (0 <= left <= right < 1e6 and 0 <= top <= bottom < 1e6):
        raise LayoutError(f"The box {numbers} ends before it begins, or is outside", "boxes")
    return left, top, right, bottom


def _places(value: object, boxes: Sequence[Box]) -> list[Box]:
    indices = list_of(value, "boxes_seq")
    if not indices or not all(
        isinstance(i, int) and not isinstance(i, bool) and 0 <= i < len(boxes) for i in indices
    ):
        raise LayoutError("A phrase has no box, or one that isn't there", "boxes_seq")
    return [boxes[i] for i in cast("list[int]", indices)]


def _text(boxes: Sequence[Box], size: Size) -> str:
    width, height = size
    shares = [
        ",".join(
            f"{min(1.0, each / side):.3f}"
            for each, side in zip(box, (width, height, width, height), strict=True)
        )
        for box in boxes
    ]
    return f"[{';'.join(shares)}]"


LAYOUT = ExampleLayout(
    name="flickr30k-phrases",
    dataset="Flickr30k Entities",
    licence="non-commercial research",
    parse=_parse,
)
