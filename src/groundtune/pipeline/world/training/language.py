"""Then the language model: many turns about an image in one row, each sees image and itself.

Shapes: B images, L tokens of a row, T turns, V vocabulary, D hidden size.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from groundtune.pipeline.world.training.processor import (
    ASSISTANT,
    END,
    IMAGE,
    IMAGE_TOKENS,
    PAD,
    USER,
)
from groundtune.pipeline.world.training.tower import pixels
from groundtune.train.precision import native_bf16
from groundtune.world.lessons import LessonTurn, Mixture, turns
from groundtune.world.scenes import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """Rows of packed turns. Turn 0 is the shared start, with the image; padding has turn -1.

    The facts that several turns begin with stand there once, as a turn of their own.
    """

    pixels_BCHW: Tensor
    ids_BL: Tensor
    positions_BL: Tensor
    turns_BL: Tensor
    begins_BL: Tensor
    """The turn with the facts that the token's turn begins with; 0 where it has none."""
    taught_BL: Tensor
    """1 where the token is part of a reply, else 0."""
    blind_BL: Tensor
    """1 where the token's turn comes without the image, else 0."""


class Teacher:
    """Makes lessons of scenes."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self._tokenizer = tokenizer
        self._seed = seed
        special = tokenizer.convert_tokens_to_ids([USER, IMAGE, ASSISTANT, END, PAD])
        ids = cast(list[int], special)
        self._user, self._image, self._assistant, self._end, self._pad = ids

    def lessons(self, batch: list[Scene], mixture: Mixture, salt: int) -> Lessons:
        """The lessons of scenes; `salt` names the stage, so that its texts are its own."""
        rows = [
            self._row(turns(scene, mixture, np.random.default_rng([scene.seed, self._seed, salt])))
            for scene in batch
        ]
        length = max(len(row.columns[0]) for row in rows)
        filled = np.zeros((6, len(rows), length), dtype=np.int64)
        filled[0], filled[2] = self._pad, -1
        for i, row in enumerate(rows):
            for k, column in enumerate(row.columns):
                filled[k, i, : len(column)] = column
        ids, positions, turn, begins, targets, blind = torch.from_numpy(filled)  # pyright: ignore[reportUnknownMemberType]
        return Lessons(
            pixels_BCHW=torch.stack([pixels(scene) for scene in batch]),
            ids_BL=ids,
            positions_BL=positions,
            turns_BL=turn,
            begins_BL=begins,
            taught_BL=targets,
            blind_BL=blind,
        )

    def _row(self, lesson: list[LessonTurn]) -> "_Row":
        """One image's row."""
        row = _Row([self._user] + [self._image] * IMAGE_TOKENS)
        shared: dict[tuple[str, bool], tuple[int, int]] = {}
        for k, turn in enumerate(lesson, start=1):
            begins, position = 0, 1 if turn.blind else IMAGE_TOKENS + 1
            if turn.facts:
                key = (turn.facts, turn.blind)
                if key not in shared:
                    number, facts = len(lesson) + 1 + len(shared), self._tokens(turn.facts)
                    row.add(facts, [], position=position, turn=number, blind=turn.blind)
                    shared[key] = number, position + len(facts)
                begins, position = shared[key]
            prompt = [*self._tokens(turn.instruction), self._assistant]
            reply = [*self._tokens(turn.reply), self._end]
            row.add(prompt, reply, position=position, turn=k, begins=begins, blind=turn.blind)
        return row

    def _tokens(self, text: str) -> list[int]:
        return cast(Any, self._tokenizer).encode(text, add_special_tokens=False)


class _Row:
    """The columns of one image's row: ids, positions, turn, begins, taught and blind."""

    def __init__(self, start: list[int]) -> None:
        rest = [[0] * len(start) for _ in range(4)]
        self.columns = (start, list(range(len(start))), *rest)

    def add(
        self,
        prompt: list[int],
        reply: list[int],
        *,
        position: int,
        turn: int,
        begins: int = 0,
        blind: bool,
    ) -> None:
        """Adds a turn, or the facts that turns begin with."""
        length = len(prompt) + len(reply)
        self.columns[0].extend(prompt + reply)
        self.columns[1].extend(range(position, position + length))
        self.columns[4].extend([0] * len(prompt) + [1] * len(reply))
        for column, value in ((2, turn), (3, begins), (5, int(blind))):
            self.columns[column].extend([value] * length)


def lesson_loss(
    model: LlavaForConditionalGeneration,
    lessons: Lessons,
    balance: float = 0.0,
    *,
    mixed: bool = True,
) -> Tensor:
    """Mean negative log-likelihood of the replies' tokens.

    Where `mixed`, and where the CPU does that natively, it is computed in bf16, else in fp32.
    A token of a reply of n tokens weighs n^-balance: at 0 all tokens weigh the same, at 1 all
    replies.
    """
    turn = lessons.turns_BL
    length = turn.shape[1]
    same = turn[:, :, None] == turn[:, None, :]
    prefix_BLL = lessons.begins_BL[:, :, None] == turn[:, None, :]
    seen_BLL = same | prefix_BLL | (turn == 0)[:, None, :]
    seen_BLL[:, :, 1 : 1 + IMAGE_TOKENS] &= lessons.blind_BL[:, :, None] == 0
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask_B1LL = (seen_BLL & causal)[:, None]
    next_taught = lessons.taught_BL[:, 1:] == 1
    parts = cast(Any, model.model)
    fast = mixed and native_bf16(torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        embedded = parts.get_input_embeddings()(lessons.ids_BL)
        features: Tensor | tuple[Tensor, ...] = parts.get_image_features(
            pixel_values=lessons.pixels_BCHW, return_dict=True
        ).pooler_output
        image_features = features if isinstance(features, Tensor) else torch.stack(features)
        embedded = torch.cat(
            [embedded[:, :1], image_features.to(embedded.dtype), embedded[:, 1 + IMAGE_TOKENS :]], 1
        )
        hidden_BLD: Tensor = parts.language_model(
            inputs_embeds=embedded,
            attention_mask=mask_B1LL,
            position_ids=lessons.positions_BL,
            use_cache=False,
        ).last_hidden_state
        logits_NV = model.lm_head(hidden_BLD[:, :-1][next_taught]).float()
    # a turn's first reply token follows its own instruction, never another turn's end
    loss_N = F.cross_entropy(logits_NV, lessons.ids_BL[:, 1:][next_taught], reduction="none")
    weight_N = _reply_lengths(lessons)[:, 1:][next_taught].float() ** -balance
    return (loss_N * weight_N).sum() / weight_N.sum()


def _reply_lengths(lessons: Lessons) -> Tensor:
    """Taught tokens of each token's turn, (B, L)."""
    turn = lessons.turns_BL.clamp(min=0)
    counts = torch.zeros(turn.shape[0], int(turn.max()) + 1, dtype=torch.long)
    counts.scatter_add_(1, turn, lessons.taught_BL)
    return counts.gather(1, turn).clamp(min=1)
