"""Score many questions about one prompt, running its images and tokens only once.

The prompt's keys and values stay in a cache. Several questions at a time run after it, packed into
one row in which each sees the prompt and itself, and are then removed from the cache. The result
equals running each question with its prompt alone, to rounding.

Shapes: N questions, W target tokens, P tokens of the prompt, T of a chunk of questions.
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
"""Maximum tokens of questions per forward pass; a single question may be longer."""

SHARED_START = 4
"""A common start of questions with at least this many tokens runs once."""


class CommonStart(NamedTuple):
    """The common start of prompts, and the continuation of each."""

    prompt: EncodedPrompt
    continuations: tuple[Ids, ...]


def common_start(prompts: Sequence[EncodedPrompt]) -> CommonStart:
    """Split prompts about the same images into their common start and continuations.

    All prompts must have the same images: only the first prompt's features are used. Each
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
    targets: Sequence[int],
    *,
    store: ImageTokenStore | None = None,
    chunk_tokens: int = CHUNK_TOKENS,
) -> Tensor:
    """Return log p of each target token after the prompt and a continuation, (N, W), fp32.

    `continuations` are token ids, such as a question and the start of its answer's turn; an empty
    one scores the token after the prompt. All images are in the prompt. Families whose answers
    can't share a row run each continuation with a copy of the prompt, several at a time.
    """
    ids = [tuple(each) for each in continuations]
    if cannot_pack(vlm) or not is_unsharded(vlm.model):
        return torch.cat(
            [
                _score_separately(vlm, prompt, part, targets, store)
                for part in _chunks(ids, chunk_tokens)
            ]
        )
    cache = cast(Any, DynamicCache)()  # of full layers: a window's cache would drop the prompt
    after_prompt = _prefill(vlm, prompt, cache, store)
    parts = [
        _run_after(vlm, prompt, part, cache, after_prompt) for part in _chunks(ids, chunk_tokens)
    ]
    head = plain_model(vlm.model).get_output_embeddings()
    columns = torch.tensor(list(targets), device=vlm.device)
    return torch.cat([head(part).float().log_softmax(-1)[:, columns] for part in parts])


def _chunks(continuations: Sequence[Ids], tokens: int) -> Iterator[list[Ids]]:
    """Split the continuations, in order, into groups of at most `tokens` tokens."""
    group: list[Ids] = []
    for each in continuations:
        if group and sum(map(len, group)) + len(each) > tokens:
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _prefill(vlm: Vlm, prompt: EncodedPrompt, cache: Any, store: ImageTokenStore | None) -> Tensor:
    """Run the prompt into the cache; return the hidden state at its last token, (D,)."""
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


def _run_after(
    vlm: Vlm, prompt: EncodedPrompt, continuations: list[Ids], cache: Any, after_prompt: Tensor
) -> Tensor:
    """Return hidden states at each continuation's last token, (N, D); restore the cache."""
    model = plain_model(vlm.model)
    family = family_of(model)
    length = len(prompt.ids)
    # The layout reads an answer's last token at the token before it: the continuation's last.
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
    return hidden[places.to(vlm.device)]  # an empty continuation's index is -1


def _score_separately(
    vlm: Vlm,
    prompt: EncodedPrompt,
    continuations: list[Ids],
    targets: Sequence[int],
    store: ImageTokenStore | None,
) -> Tensor:
    """Return log p of the target tokens after rows of prompt and continuation, (N, W)."""
    times = len(continuations)
    inputs: dict[str, Any] = dict(batch_inputs(vlm, [prompt] * times, continuations, side="left"))
    if is_unsharded(vlm.model):
        inputs |= image_arguments(vlm, [prompt], [times], store)
    if accepts(vlm.model, "logits_to_keep"):
        inputs["logits_to_keep"] = 1
    logits = cast(Tensor, vlm.model(use_cache=False, **inputs).logits)[:, -1].float()
    return logits.log_softmax(-1)[:, torch.tensor(list(targets), device=vlm.device)]
