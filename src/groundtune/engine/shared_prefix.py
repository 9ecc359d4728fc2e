"""Many questions about one prompt: its images and tokens are run once, each question after them.

The prompt's keys and values stay in a cache. Questions are run several at a time behind it, packed
into one row in which each sees the prompt and itself, and are taken off the cache again. The result
is that of a prompt and a question run alone, to rounding.

Shapes: N questions, W wanted tokens, P tokens of the prompt, T of a chunk of questions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from transformers import DynamicCache

from groundtune.engine.attention import install_attention
from groundtune.engine.engines import cannot_pack
from groundtune.engine.features import ImageTokenStore, accepts, image_arguments
from groundtune.engine.layout import Ids, lay_out, pack_row
from groundtune.engine.masks import masks
from groundtune.engine.packed import positions
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import is_unsharded, plain_model

CHUNK_TOKENS = 512
"""Tokens of questions that are run at once; one question may be longer."""

SHARED_START = 4
"""Questions that begin with at least so many equal tokens run them once."""


class CommonStart(NamedTuple):
    """Prompts taken apart: what all of them begin with, and how each goes on."""

    prompt: EncodedPrompt
    continuations: tuple[Ids, ...]


def common_start(prompts: Sequence[EncodedPrompt]) -> CommonStart:
    """Takes apart prompts that ask different things about the same images.

    The images must be the same in all of them: only the first prompt's features are kept. Each
    continuation has at least one token.
    """
    first = prompts[0]
    columns = zip(*(prompt.ids[:-1] for prompt in prompts), strict=False)
    alike = next((i for i, column in enumerate(columns) if len(set(column)) > 1), None)
    length = min(len(prompt.ids) - 1 for prompt in prompts) if alike is None else alike
    marks = {name: mark[:length] for name, mark in first.marks.items()}
    start = replace(first, ids=first.ids[:length], marks=marks)
    return CommonStart(start, tuple(prompt.ids[length:] for prompt in prompts))


@torch.no_grad()
def score_after(
    vlm: Vlm,
    prompt: EncodedPrompt,
    continuations: Sequence[Sequence[int]],
    wanted: Sequence[int],
    *,
    store: ImageTokenStore | None = None,
    chunk_tokens: int = CHUNK_TOKENS,
) -> Tensor:
    """Log p of each wanted token right after the prompt and a continuation, (N, W), fp32.

    `continuations` are token ids, such as a question and the start of its answer's turn; an empty
    one asks what follows the prompt itself. All images belong to the prompt. Families whose answers
    can't share a row run each continuation with its own copy of the prompt, several at a time.
    """
    ids = [tuple(each) for each in continuations]
    if cannot_pack(vlm) or not is_unsharded(vlm.model):
        return torch.cat(
            [_alone(vlm, prompt, part, wanted, store) for part in _chunks(ids, chunk_tokens)]
        )
    cache = cast(Any, DynamicCache)()  # of whole layers: a window's would forget the prompt
    after_prompt = _prefill(vlm, prompt, cache, store)
    parts = [_behind(vlm, prompt, part, cache, after_prompt) for part in _chunks(ids, chunk_tokens)]
    head = plain_model(vlm.model).get_output_embeddings()
    columns = torch.tensor(list(wanted), device=vlm.device)
    return torch.cat([head(part).float().log_softmax(-1)[:, columns] for part in parts])


def _chunks(continuations: Sequence[Ids], tokens: int) -> Iterator[list[Ids]]:
    """The continuations in their order, in groups of at most so many tokens."""
    group: list[Ids] = []
    for each in continuations:
        if group and sum(map(len, group)) + len(each) > tokens:
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _prefill(vlm: Vlm, prompt: EncodedPrompt, cache: Any, store: ImageTokenStore | None) -> Tensor:
    """Runs the prompt into the cache; the hidden state at its last token, (D,)."""
    model = plain_model(vlm.model)
    family = family_of(model)
    install_attention(model)
    layout = lay_out([pack_row(prompt, ())], vlm.pad_id)
    output = model.base_model(
        input_ids=layout.ids_BL.to(vlm.device),
        attention_mask=masks(model, family, layout, "segments", vlm.device),
        position_ids=positions(model, family, layout).to(vlm.device),
        past_key_values=cache,
        use_cache=True,
        **image_arguments(vlm, [prompt], [1], store),
    )
    return output.last_hidden_state[0, -1]


def _behind(
    vlm: Vlm, prompt: EncodedPrompt, continuations: list[Ids], cache: Any, after_prompt: Tensor
) -> Tensor:
    """Hidden states at the last token of each continuation, (N, D); the cache is left as it was."""
    model = plain_model(vlm.model)
    family = family_of(model)
    length = len(prompt.ids)
    # What an answer's last token is predicted by is what a continuation ends with.
    open_ended = [(*each, vlm.pad_id) for each in continuations]
    row = pack_row(prompt, open_ended, share_starts=SHARED_START)
    layout = lay_out([row], vlm.pad_id)
    places = torch.tensor([layout.reads(0, each)[-1] for each in open_ended]) - length
    if row.tokens == length:
        return after_prompt.expand(len(places), -1)
    output = model.base_model(
        input_ids=layout.ids_BL[:, length:].to(vlm.device),
        attention_mask=masks(model, family, layout, "dense", vlm.device, start=length),
        position_ids=positions(model, family, layout)[..., length:].to(vlm.device),
        past_key_values=cache,
        use_cache=True,
    )
    cache.crop(length - row.tokens)
    hidden = torch.cat([output.last_hidden_state[0], after_prompt[None]])
    return hidden[places.to(vlm.device)]  # an empty continuation's place is -1


def _alone(
    vlm: Vlm,
    prompt: EncodedPrompt,
    continuations: list[Ids],
    wanted: Sequence[int],
    store: ImageTokenStore | None,
) -> Tensor:
    """Log p of the wanted tokens after whole rows of prompt and continuation, (N, W)."""
    times = len(continuations)
    inputs: dict[str, Any] = dict(batch_inputs(vlm, [prompt] * times, continuations, side="left"))
    if is_unsharded(vlm.model):
        inputs |= image_arguments(vlm, [prompt], [times], store)
    if accepts(vlm.model, "logits_to_keep"):
        inputs["logits_to_keep"] = 1
    logits = cast(Tensor, vlm.model(use_cache=False, **inputs).logits)[:, -1].float()
    return logits.log_softmax(-1)[:, torch.tensor(list(wanted), device=vlm.device)]
