"""The separate engine: one row per answer, [prompt | answer], padded on the right.

It works for every model of transformers' image-text-to-text classes, and tests compare the packed
engine with it.

Shapes: B sequences (answers), L tokens of the longest, K last positions whose logits are computed,
V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from groundtune.engine.features import ImageTokenStore, accepts, image_arguments
from groundtune.engine.logprobs import IGNORED, token_logp
from groundtune.engine.rows import PromptRow
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import is_unsharded


@dataclass(frozen=True, slots=True, kw_only=True)
class Separate:
    """TokenLogProbs with one sequence per answer; all rows share one forward pass."""

    store: ImageTokenStore | None = None
    why: str = ""
    """Why the packed engine can't run the model; "" if the separate engine was requested."""

    def __call__(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """See TokenLogProbs."""
        prompts = [row.prompt for row in rows for _ in row.answers]
        answers = [answer.ids for row in rows for answer in row.answers]
        starts = [len(prompt.ids) - 1 for prompt in prompts]
        # The last token predicts nothing, so it isn't run.
        inputs: dict[str, Any] = dict(
            batch_inputs(vlm, prompts, [ids[:-1] for ids in answers], side="right")
        )
        length, first = inputs["input_ids"].shape[1], min(starts)
        if accepts(vlm.model, "logits_to_keep"):
            inputs["logits_to_keep"] = length - first
        if is_unsharded(vlm.model):
            times = [len(row.answers) for row in rows]
            inputs |= image_arguments(vlm, [row.prompt for row in rows], times, self.store)
        output = vlm.model(use_cache=False, **inputs)
        logits_BKV = cast(Tensor, output.logits)[:, first - length :]
        targets_BK = _targets(answers, [start - first for start in starts], length - first)
        logp_BK = token_logp(logits_BKV.flatten(0, 1), targets_BK.flatten().to(vlm.device))
        each = iter(
            logp_K[start - first : start - first + len(ids)]
            for logp_K, start, ids in zip(logp_BK.view_as(targets_BK), starts, answers, strict=True)
        )
        return [[next(each) for _ in row.answers] for row in rows]


separate = Separate()
"""The separate engine with its defaults."""


def _targets(answers: Sequence[Sequence[int]], starts: Sequence[int], positions: int) -> Tensor:
    """Return the id that follows each position if it is an answer's token, else IGNORED."""
    targets_BK = torch.full((len(answers), positions), IGNORED)
    for target_K, start, ids in zip(targets_BK, starts, answers, strict=True):
        target_K[start : start + len(ids)] = torch.tensor(ids)
    return targets_BK
