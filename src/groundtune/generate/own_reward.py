"""A tuned model's own reward: how much more likely it makes an answer than its reference does.

RLAIF-V's self-feedback (Yu et al. 2024, arXiv 2405.17220, 3.4), from DPO's implicit reward
(Rafailov et al. 2023, arXiv 2305.18290, eq. 5):

    r(y) = beta / T * sum_t (log pi_tuned(y_t | x, y_<t) - log pi_reference(y_t | x, y_<t))

T is the answer's length in tokens, the end token included. Without the division short answers win.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from groundtune.generate.log_probs import LogProbs
from groundtune.protocols import Images
from groundtune.records import Prompt

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm


class LogRatio(NamedTuple):
    """The log-ratio of one answer."""

    total: float
    """Sum over its tokens of log pi_tuned - log pi_reference, in nats."""
    tokens: int

    @property
    def finite(self) -> float | None:
        """The sum; None where it is not a finite number."""
        return self.total if math.isfinite(self.total) else None

    def reward(self, beta: float, normalise: float) -> float:
        """Return beta times the sum, divided by the tokens to the power `normalise`."""
        return beta * self.total / self.tokens**normalise


class OwnReward:
    """A `Rewarder` over two loaded models, of any answers: the model's own or another's.

    `normalise` is the power of the length by which the sum is divided: 1 as published, 0 for the
    undivided sum. `at_once` is the number of answers per forward pass.
    """

    def __init__(
        self,
        tuned: "Vlm",
        reference: "Vlm",
        images: Images,
        *,
        beta: float = 0.1,
        normalise: float = 1.0,
        at_once: int = 16,
    ) -> None:
        self.beta = beta
        self.normalise = normalise
        self._tuned = LogProbs(tuned, images, at_once=at_once)
        self._reference = LogProbs(reference, images, at_once=at_once)

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return one reward per answer, in order; what is not finite is no reward.

        Raises:
            UserError: an image is missing, an answer contains a special token, or a model of an
                untested family is not causal.
        """
        return [
            ratio.reward(self.beta, self.normalise) for ratio in self.log_ratios(prompts, answers)
        ]

    def log_ratios(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[LogRatio]:
        """Return the log-ratio per answer, in order. Answers to one prompt are scored together."""
        tuned = self._tuned.of(prompts, answers)
        reference = self._reference.of(prompts, answers)
        return [
            LogRatio(after.total - before.total, after.tokens)
            for after, before in zip(tuned, reference, strict=True)
        ]
