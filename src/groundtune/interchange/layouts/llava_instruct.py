"""LLaVA's instruction data: one JSON list of dialogues.

Liu et al. 2023, arXiv 2304.08485; liuhaotian/LLaVA-Instruct-150K, cc-by-nc-4.0. A row has an image
(none in rows of text) and conversations [{from: human or gpt, value}] that end with an answer, with
`<image>` in the first value. The mixtures of LLaVA-1.5 and LLaVA-RLHF are files of this layout.
"""

from groundtune.interchange.dialogue import check_turns_alternate, read_turns
from groundtune.interchange.examples import ExampleLayout, ExampleRow
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import LayoutError, Role
from groundtune.store.rows import Fields

_ROLES: dict[str, Role] = {"human": "user", "gpt": "assistant", "system": "system"}


def _parse(row: Fields) -> ExampleRow:
    column = "conversations"
    turns = read_turns(row.get(column), column, role="from", content="value", roles=_ROLES)
    if len(turns) < 2 or turns[-1].role != "assistant":
        raise LayoutError("The dialogue doesn't end with an answer", column)
    check_turns_alternate(turns, "LLaVA")
    *questions, last = turns
    if None in last.pieces:
        raise LayoutError("The answer has an image", column)
    name = row.get("id")
    return ExampleRow(
        turns=tuple(questions),
        answer="".join(piece for piece in last.pieces if piece is not None).strip(),
        images=row_images(row.get("image"), "image"),
        row="" if name is None else str(name),
    )


LAYOUT = ExampleLayout(
    name="llava-instruct",
    dataset="liuhaotian/LLaVA-Instruct-150K",
    licence="cc-by-nc-4.0",
    parse=_parse,
)
