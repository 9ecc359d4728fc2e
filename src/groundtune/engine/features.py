"""The image side of a forward pass: a prompt's images are encoded once for all its answers.

Where a model takes encoded images (`mm_encoder_outputs`, transformers >= 5.20) and encodes them one
by one, its encoder runs once a prompt and the result is given to each of the prompt's rows, with
its gradient. Any other model gets a prompt's pixels once a row: the same result, slower.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from groundtune.engine.rows import Row
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encode import EncodedPrompt
from groundtune.vlm.load import Vlm


def plain_model(model: Any) -> Any:
    """The transformers model inside an adapter, or the model itself."""
    base = getattr(model, "get_base_model", None)
    return base() if base is not None else model


def accepts(model: Any, argument: str) -> bool:
    """Whether the model's forward names the argument."""
    return argument in inspect.signature(plain_model(model).forward).parameters


def share_images(vlm: Vlm, rows: Sequence[Row], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `forward` with the rows' pixels replaced by encoded images, if possible.

    `arguments` are those of one sequence an answer, in the rows' order.
    """
    if "pixel_values" not in arguments or not accepts(vlm.model, "mm_encoder_outputs"):
        return dict(arguments)
    prompts = [row.prompt for row in rows]
    encoded = _encode(vlm, prompts)
    images = getattr(encoded, "pooler_output", None)
    # Features for several layers (deepstack) have a layout of their own in each family.
    if images is None or getattr(encoded, "deepstack_features", None):
        return dict(arguments)
    own = _split(vlm, prompts, list(cast("Sequence[Tensor]", images)))
    repeated = [
        image for row, mine in zip(rows, own, strict=True) for image in mine * len(row.answers)
    ]
    encoded.pooler_output = torch.stack(repeated) if isinstance(images, Tensor) else repeated
    rest = {name: value for name, value in arguments.items() if name != "pixel_values"}
    return {**rest, "mm_encoder_outputs": {"image": encoded}}


def _encode(vlm: Vlm, prompts: Sequence[EncodedPrompt]) -> Any:
    encode = plain_model(vlm.model).base_model.get_image_features
    known = inspect.signature(encode).parameters
    inputs = batch_inputs(vlm, prompts)
    return encode(**{k: v for k, v in inputs.items() if k in known and k != "input_ids"})


def _split(
    vlm: Vlm, prompts: Sequence[EncodedPrompt], images: Sequence[Tensor]
) -> Iterator[list[Tensor]]:
    """The encoded images (or tiles) of each prompt: as many as fill its image tokens."""
    token = plain_model(vlm.model).config.image_token_id
    rest = iter(images)
    for prompt in prompts:
        missing, mine = prompt.ids.count(token), list[Tensor]()
        while missing > 0:
            mine.append(next(rest))
            missing -= len(mine[-1])
        yield mine
