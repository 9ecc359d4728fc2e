"""The layouts of RLAIF-V's pairs: openbmb/RLAIF-V-Dataset's Parquet, its pipeline's JSON lines.

Yu et al. 2024, arXiv 2405.17220; 83,132 rows, cc-by-nc-4.0. The Parquet's columns, as on its card:

    ds_name str | image struct{bytes, path} | question str | chosen str | rejected str
    origin_dataset str | origin_split str | idx str | image_path str

Files cached by the authors' trainer also have `logps`, JSON in a text, which is preserved. The JSON
lines, an earlier output of the pipeline, have image_id, image_path, ds_question_id, question,
chosen, rejected and org_infos, whose `scores` are minus the answers' numbers of rejected claims:
they are read as ratings and, without the sign, as severities.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# Reason: pyarrow ships no types.

import math
from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa

from groundtune.interchange.dialogue import image_question, only_question, text_of
from groundtune.interchange.images import as_struct, row_images
from groundtune.interchange.layout import IMAGE, Content, Layout, LayoutError
from groundtune.store.json_writing import json_of
from groundtune.store.numbers import float_of
from groundtune.store.rows import Fields

_DATASET = "openbmb/RLAIF-V-Dataset"
_SIDES = ("chosen", "rejected")


def _parse_parquet(row: Fields) -> Content:
    images = row_images(row.get("image"), "image")
    if len(images) != 1 or images[0].data is None:
        raise LayoutError("The row has no image", "image")
    return Content(
        turns=image_question(text_of(row, "question")),
        images=images,
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, "rejected"),
        dataset=row.get("ds_name") or _DATASET,
        row=row.get("idx") or "",
    )


def _render_parquet(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    question = only_question(content, "RLAIF-V")
    image = content.images[0]
    fields: dict[str, Any] = {
        "ds_name": content.dataset if columns else "groundtune",
        "image": as_struct(image),
        "question": question,
        "chosen": content.chosen,
        "rejected": content.rejected,
    }
    if columns:
        return {**fields, "idx": content.row}
    return {
        **fields,
        "origin_dataset": content.dataset,
        "origin_split": json_of({"model": content.model, "type": content.kind}, ascii=True),
        "idx": content.row,
        "image_path": image.path,
    }


def _parse_line(row: Fields) -> Content:
    images = row_images(row.get("image_path"), "image_path")
    if len(images) != 1:
        raise LayoutError("The row has no image", "image_path")
    chosen, rejected = _score(row, "chosen"), _score(row, "rejected")
    are_counts = all(score <= 0 for score in (chosen, rejected) if score is not None)
    return Content(
        turns=image_question(text_of(row, "question")),
        images=images,
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, "rejected"),
        chosen_rating=chosen,
        rejected_rating=rejected,
        chosen_severity=abs(chosen) if are_counts and chosen is not None else None,
        rejected_severity=abs(rejected) if are_counts and rejected is not None else None,
        row=str(row.get("ds_question_id") or ""),
    )


def _score(row: Fields, side: str) -> float | None:
    """The number in org_infos.scores.SIDE.score; None if there is none."""
    value: object = row
    for name in ("org_infos", "scores", side, "score"):
        value = cast("Fields", value).get(name) if isinstance(value, dict) else None
    number = float_of(value)
    return number if number is not None and math.isfinite(number) else None


def _render_line(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    question = only_question(content, "RLAIF-V")
    path = content.images[0].path
    scores = {"chosen": content.chosen_rating, "rejected": content.rejected_rating}
    fields: dict[str, Any] = {
        "image_id": path,
        "image_path": path,
        "ds_question_id": content.row,
        "question": question,
        "chosen": content.chosen,
        "rejected": content.rejected,
        "org_infos": {
            "ds_question_id": content.row,
            "reference": "",
            "origin_file": "",
            **{f"{side}_infos": {"facts": [], "changed_facts": []} for side in _SIDES},
            "scores": {side: {"judge": "", "score": scores[side]} for side in _SIDES},
        },
    }
    if not columns:
        return fields
    return {name: fields[name] for name in fields if name in columns and name != "image_id"}


PARQUET = Layout(
    name="rlaif-v",
    title="RLAIF-V",
    endings=(".parquet",),
    parse=_parse_parquet,
    render=_render_parquet,
    dataset=_DATASET,
    licence="cc-by-nc-4.0",
    columns={
        "ds_name": pa.string(),
        "image": IMAGE,
        "question": pa.string(),
        "chosen": pa.string(),
        "rejected": pa.string(),
        "origin_dataset": pa.string(),
        "origin_split": pa.string(),
        "idx": pa.string(),
        "image_path": pa.string(),
    },
    images=frozenset({"image"}),
    stale=frozenset({"logps"}),
)

LINES = Layout(
    name="rlaif-v-jsonl",
    title="RLAIF-V (JSON lines)",
    endings=(".jsonl", ".json"),
    parse=_parse_line,
    render=_render_line,
    numbers="ratings",
    stale=frozenset({"org_infos"}),
)
