"""HA-DPO's data: juliozhao/hadpo-data, apache-2.0 (Zhao et al. 2023, arXiv 2311.16839).

Two files per model. pope_data.json is a list of image_id, question, answer, chosen, correct, and
the other answer as `reject` (LLaVA) or `rejected` (InstructBLIP); the authors' code leaves out rows
with correct true. desc_data.json is a list of image_id, chosen, rejected, or an object of chosen
and rejected by image_id. It has no question; the authors' code picks one of several, here it is
DESCRIBE. Its texts are lists of rewrites. The authors' code draws one per side each time it reads
the row; here the first rewrites of both sides are a pair, then the second ones, and so on. Images
are from Visual Genome, IMAGE_ID.jpg in VG_100K or VG_100K_2.

The names of written files are those of the set: desc_data.json gets a row per image with lists of
its texts, without the question, and below a folder llava-v1.5 one object by image_id. Any other
file gets a row per pair, but descriptions that were imported from such lists are joined again.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.interchange.dialogue import image_question, list_of, only_question, text_of
from groundtune.interchange.layout import Content, Layout, LayoutError, RowImage
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Fields

log = logging.getLogger(__name__)

DESCRIBE = "Describe this image in detail."
_ENDING = ".jpg"
_TEXTS = ("chosen", "rejected", "reject")
_YES_NO = re.compile(r"(yes|no)\b")


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


def _is_descriptions(path: Path) -> bool:
    return path.suffix == ".json" and path.stem == "desc_data"


def _is_keyed(path: Path) -> bool:
    return _is_descriptions(path) and "llava-v1.5" in path.resolve().parts


def _arrange(path: Path, rows: Iterator[Fields]) -> Iterator[Fields]:
    """Join the descriptions of an image; other rows come first, as they are."""
    together: dict[str, list[Fields]] = {}
    numbers: Counter[str] = Counter()
    for row in rows:
        if _is_descriptions(path):
            _refuse_yes_no(path, row)
            numbers[str(row.get("question", DESCRIBE))] += 1
        elif "question" in row:
            yield row
            continue
        apart = {key: row[key] for key in row if key not in (*_TEXTS, "question", "correct")}
        together.setdefault(json_of(dict(sorted(apart.items()))), []).append(row)
    if others := numbers.total() - numbers[DESCRIBE]:
        log.warning(
            "%s: has no place for questions: those of %d pairs, which are not %r, are left out",
            path,
            others,
            DESCRIBE,
        )
    for group in together.values():
        yield _joined(group) if _is_descriptions(path) or len(group) > 1 else group[0]


def _joined(group: Sequence[Fields]) -> Fields:
    """A row with lists of the texts of several."""
    chosen = [row["chosen"] for row in group]
    rejected = [row["reject"] if "reject" in row else row["rejected"] for row in group]
    apart = {key: group[0][key] for key in group[0] if key not in (*_TEXTS, "question", "correct")}
    short = _without_repeats(rejected)
    # one side has as many texts as there are pairs: from it `_split` knows their number
    whole = chosen if len(short) < len(rejected) else _without_repeats(chosen)
    return {**apart, "chosen": whole, "rejected": short}


def _without_repeats(texts: Sequence[object]) -> list[object]:
    """The shortest list that gives the texts if it begins again: `_split` repeats the shorter."""
    lengths = range(1, len(texts) + 1)
    period = next(n for n in lengths if all(texts[i] == texts[i % n] for i in range(len(texts))))
    return list(texts[:period])


def _refuse_yes_no(path: Path, row: Fields) -> None:
    first = str(row["chosen"]).strip().lower()
    if _YES_NO.match(first):
        raise UserError(
            f"The pair about image {row['image_id']} answers a yes/no question, and desc_data.json "
            "holds descriptions.",
            str(path),
            "Write such pairs to a file of another name, such as pope_data.json.",
        )


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
    arrange=_arrange,
    writes_keyed=_is_keyed,
    leaves_out=_leaves_out,
)
