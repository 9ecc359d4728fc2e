"""The distribution of the first token after each prompt; prompts about one image read it once.

B prompts, G groups of them, V vocabulary, P longest prefix, S longest rest.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.plain import plain_model

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.vlm.load import Vlm


def first_logits(
    vlm: "Vlm", prompts: Sequence[EncodedPrompt], images: Sequence[tuple[str, ...]]
) -> "Tensor":
    """Return logits (B, V) of the token after each prompt.

    `images[i]` names the images of prompt i: where several prompts have the same and begin with
    the same tokens, that prefix is computed once. Results are equal up to rounding. A family that
    isn't listed shares nothing: its prompts' tokens may see later ones.
    """
    import torch

    with torch.inference_mode():
        plain = vlm.shares_prefill and not any(prompt.marks for prompt in prompts)
        causal = plain and family_of(plain_model(vlm.model)).is_listed
        lengths = _shared_lengths(vlm, prompts, images) if causal else {}
        if lengths and 2 * len(lengths) <= len(prompts):
            return _grouped(vlm, prompts, images, lengths)
        inputs = batch_inputs(vlm, prompts)
        if plain:
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return vlm.model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1]


def _shared_lengths(
    vlm: "Vlm", prompts: Sequence[EncodedPrompt], images: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """Return the shared prefix length per group; nothing if an image is beyond the prefix."""
    image = vlm.processor.tokenizer.convert_tokens_to_ids(vlm.image_token or None)
    lengths: dict[tuple[str, ...], int] = {}
    for group in dict.fromkeys(images):
        rows = [
            p.ids
            for p, prompt_images in zip(prompts, images, strict=True)
            if prompt_images == group
        ]
        columns = zip(*rows, strict=False)
        same = sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, columns))
        length = min(same, min(map(len, rows)) - 1)
        if image is None or length == 0 or any(image in row[length:] for row in rows):
            return {}
        lengths[group] = length
    return lengths


def _grouped(
    vlm: "Vlm",
    prompts: Sequence[EncodedPrompt],
    images: Sequence[tuple[str, ...]],
    lengths: dict[tuple[str, ...], int],
) -> "Tensor":
    """Run prefixes, then the rest of each prompt on a copy of its prefix's key-value cache."""
    import torch

    groups = list(lengths)
    first = [prompts[images.index(group)] for group in groups]
    prefix = batch_inputs(
        vlm,
        [
            EncodedPrompt(ids=prompt.ids[: lengths[group]], features=prompt.features)
            for prompt, group in zip(first, groups, strict=True)
        ],
    )
    mask_GP = prefix["attention_mask"]
    position_GP = (mask_GP.cumsum(-1) - 1).clamp(min=0)
    output: Any = vlm.model(**prefix, position_ids=position_GP, use_cache=True, logits_to_keep=1)
    place_B = torch.tensor(
        [groups.index(prompt_images) for prompt_images in images], device=vlm.device
    )
    cache = output.past_key_values
    cache.batch_select_indices(place_B)
    rest = batch_inputs(
        vlm,
        [
            EncodedPrompt(ids=prompt.ids[lengths[prompt_images] :], features={})
            for prompt, prompt_images in zip(prompts, images, strict=True)
        ],
    )
    mask_BS = rest["attention_mask"]
    start_B1 = mask_GP.sum(-1)[place_B][:, None]
    output = vlm.model(
        input_ids=rest["input_ids"],
        attention_mask=torch.cat([mask_GP[place_B], mask_BS], dim=-1),
        position_ids=(start_B1 + mask_BS.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1]
