"""MM-RLHF's dpo_pairs.jsonl: prompt, chosen, rejected, and image, a path or a list of them.

Zhang et al. 2025, arXiv 2502.10391, as its `train_dpo.py` reads it: `<image>` is removed from the
prompt, and the images come before it. Optional columns are preserved: reference_chosen_logp,
reference_rejected_logp, ls_factor, is_tie, and mixed_up_image, which has other images. Rows with
videos are refused.
"""

from collections.abc import Sequence
from typing import Any

from groundtune.interchange.dialogue import TOKEN, image_question, only_question, text_of
from groundtune.interchange.images import row_images
from groundtune.interchange.layout import Content, Layout, LayoutError
from groundtune.store.rows import Fields

_MAX_IMAGES = 1000


def _parse(row: Fields) -> Content:
    if row.get("video") is not None:
        raise LayoutError("The row is about a video, not an image", "video")
    images = row_images(row.get("image"), "image")
    if not images:
        raise LayoutError("The row has no image", "image")
    name = row.get("id")
    return Content(
        turns=image_question(text_of(row, "prompt").replace(TOKEN, "").strip(), len(images)),
        images=images,
        chosen=text_of(row, "chosen"),
        rejected=text_of(row, "rejected"),
        further=row_images(row.get("mixed_up_image"), "mixed_up_image"),
        row="" if name is None else str(name),
    )


def _render(content: Content, columns: Sequence[str]) -> dict[str, Any]:
    question = only_question(content, "MM-RLHF", max_images=_MAX_IMAGES)
    fields: dict[str, Any] = {
        "image": _one_or_more([image.path for image in content.images]),
        "prompt": question,
        "chosen": content.chosen,
        "rejected": content.rejected,
    }
    if content.further:
        fields["mixed_up_image"] = _one_or_more([image.path for image in content.further])
    return fields


def _one_or_more(paths: Sequence[str | None]) -> object:
    return paths[0] if len(paths) == 1 else list(paths)


LAYOUT = Layout(
    name="mm-rlhf",
    title="MM-RLHF",
    endings=(".jsonl", ".json"),
    parse=_parse,
    render=_render,
    stale=frozenset({"reference_chosen_logp", "reference_rejected_logp"})
    | {"mix_reference_chosen_logp", "mix_reference_rejected_logp"},
)
