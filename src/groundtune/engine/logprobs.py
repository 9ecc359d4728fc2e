"""Token log-probabilities in fp32, and the protocol of the engines that compute them.

Shapes: N positions, V vocabulary, T tokens of an answer.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor
from torch.nn.functional import cross_entropy

from groundtune.engine.rows import PromptRow
from groundtune.vlm.load import Vlm

IGNORED = -100
"""Id of a position that is not scored; its log-probability is 0."""


class TokenLogProbs(Protocol):
    """An engine that runs rows: separate (separate.py) or packed (packed.py), equal results."""

    def __call__(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """Return for each row and answer the log p of the answer's tokens, shape (T,), fp32.

        These are natural logarithms of the model's distribution at temperature 1, the end token
        last. They have a gradient unless the caller disables gradients.
        """
        ...


def token_logp(logits_NV: Tensor, ids_N: Tensor) -> Tensor:
    """Return log p of each id under the logits at its position, always fp32, shape (N,)."""
    return -cross_entropy(logits_NV.float(), ids_N, reduction="none", ignore_index=IGNORED)
