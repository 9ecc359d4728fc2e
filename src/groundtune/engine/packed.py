"""The packed engine: encode each image once, run each prompt once and each distinct answer once.

Its results equal those of separate.py, to rounding, on the families in vlm/families. It patches no
model: it passes explicit positions, a custom mask and encoded images, and projects only the
positions that predict an answer's token.

Shapes: B sequences of L tokens, A axes of positions, N predicted tokens of all answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from groundtune.engine.attention import Attention, install_attention
from groundtune.engine.features import (
    ImageTokenStore,
    image_arguments,
    pixel_arguments,
)
from groundtune.engine.head import CHUNK_BYTES, project
from groundtune.engine.layout import PackedLayout, lay_out, merge
from groundtune.engine.logprobs import token_logp
from groundtune.engine.masks import masks
from groundtune.engine.rows import PromptRow
from groundtune.vlm.family import Family, family_of
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import is_unsharded, plain_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """TokenLogProbs with all answers to a prompt in one row, all rows in one forward pass.

    A sharded model runs through its outermost forward, which gathers the weights; then the store
    isn't used, and logits aren't computed in chunks.

    Rows with the same EncodedPrompt object are merged, and a repeated answer runs once. Nothing is
    truncated: the caller decides how many rows share a pass (layout.packed_tokens).
    """

    attention: Attention = "dense"
    store: ImageTokenStore | None = None
    share_starts: int = 0
    """Run common starts of answers once if they have at least this many tokens; 0 never."""
    chunk_bytes: int = CHUNK_BYTES
    """Maximum size of fp32 logits in memory at once."""
    why: str = ""
    """Always empty; see Separate."""

    def __call__(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """See TokenLogProbs."""
        layout = lay_out(
            merge(rows, share_starts=self.share_starts),
            vlm.pad_id,
            one_sequence=self.attention == "segments",
        )
        targets = [
            (id(row.prompt), answer, layout.reads(i, answer))
            for i, row in enumerate(layout.rows)
            for answer in row.answers
        ]
        places_N = torch.tensor([place for _, _, places in targets for place in places])
        ids_N = torch.tensor([token for _, answer, _ in targets for token in answer])
        logp_N = self._run(vlm, layout, places_N, ids_N.to(vlm.device))
        parts = torch.split(logp_N, [len(answer) for _, answer, _ in targets])
        logp = {(key, answer): part for (key, answer, _), part in zip(targets, parts, strict=True)}
        return [[logp[id(row.prompt), each.ids] for each in row.answers] for row in rows]

    def _run(self, vlm: Vlm, layout: PackedLayout, places_N: Tensor, ids_N: Tensor) -> Tensor:
        """Return log p of each id, predicted at an index of the flat (B * L), shape (N,)."""
        if is_unsharded(vlm.model):
            model = plain_model(vlm.model)
            hidden_ND = run_layout(vlm, layout, self.attention, self.store)
            return project(
                model.get_output_embeddings(),
                hidden_ND[places_N.to(vlm.device)],
                ids_N,
                model.config.get_text_config().vocab_size,
                chunk_bytes=self.chunk_bytes,
            )
        inputs = _inputs(vlm, layout, self.attention)
        inputs |= pixel_arguments(vlm, [row.prompt for row in layout.rows])
        length = layout.ids_BL.shape[1]
        keep_K, rank_N = _unique(places_N % length)
        logits_BKV = vlm.model(**inputs, logits_to_keep=keep_K.to(vlm.device)).logits
        kept_N = places_N // length * len(keep_K) + rank_N
        return token_logp(logits_BKV.flatten(0, 1)[kept_N.to(vlm.device)], ids_N)


packed = Packed()
"""The packed engine with a dense mask: exact everywhere, good for rows of about 1,000 tokens."""


def run_layout(
    vlm: Vlm, layout: PackedLayout, attention: Attention, store: ImageTokenStore | None
) -> Tensor:
    """Return the last layer's normed states at all places of a layout, flat: (B * L, D).

    Sharded weights are gathered by the outermost forward, without the store.
    """
    inputs = _inputs(vlm, layout, attention)
    prompts = [row.prompt for row in layout.rows]
    if is_unsharded(vlm.model):
        inputs |= image_arguments(vlm, prompts, [1] * len(prompts), store)
        return plain_model(vlm.model).base_model(**inputs).last_hidden_state.flatten(0, 1)
    inputs |= pixel_arguments(vlm, prompts)
    output = vlm.model(**inputs, output_hidden_states=True, logits_to_keep=1)
    return output.hidden_states[-1].flatten(0, 1)


def _inputs(vlm: Vlm, layout: PackedLayout, attention: Attention) -> dict[str, Any]:
    """Return forward's arguments for a layout, without the images."""
    model = plain_model(vlm.model)
    family = family_of(model)
    install_attention(model)
    return {
        "input_ids": layout.ids_BL.to(vlm.device),
        "attention_mask": masks(model, family, layout, attention, vlm.device),
        "position_ids": positions(model, family, layout).to(vlm.device),
        "use_cache": False,
    }


def positions(model: Any, family: Family, layout: PackedLayout) -> Tensor:
    """Return rotary positions of all tokens: (B, L), or (3, B, L) for families with three axes.

    Each answer continues after its prompt's largest position, on all axes.
    """
    prompts = [family.positions(model, row.prompt) for row in layout.rows]
    axes = prompts[0].shape[0]
    positions_ABL = layout.order_BL.expand(axes, -1, -1).clone()
    for index, (row, prompt_AP) in enumerate(zip(layout.rows, prompts, strict=True)):
        b, places = (layout.row_BL == index).nonzero(as_tuple=True)
        length = len(row.prompt.ids)
        positions_ABL[:, b[:length], places[:length]] = prompt_AP
        shift = int(prompt_AP.max()) + 1 - length
        positions_ABL[:, b[length:], places[length:]] += shift
    return positions_ABL if axes > 1 else positions_ABL[0]


def _unique(values_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct values in ascending order, and the index of each value among them."""
    return cast(Any, torch).unique(values_N, return_inverse=True)
