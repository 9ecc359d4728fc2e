"""Log-probabilities of tokens in fp32, and the seam between their users and how rows are run.

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
    """A way to run rows: as separate sequences (separate.py) or packed; with equal results."""

    def __call__(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """For each row, for each of its answers: log p of the answer's tokens, shape (T,), fp32.

        Natural logarithms of the model's distribution at temperature 1, with the end token last.
        They carry a gradient unless the caller has switched it off.
        """
        ...


def token_logp(logits_NV: Tensor, ids_N: Tensor) -> Tensor:
    """Log p of each id under the logits at its position, fp32 whatever their type, shape (N,)."""
    return -cross_entropy(logits_NV.float(), ids_N, reduction="none", ignore_index=IGNORED)
