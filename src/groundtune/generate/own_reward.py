"""A tuned model's own reward: how much more likely it makes an answer than its reference does.

RLAIF-V's self-feedback (Yu et al. 2024, arXiv 2405.17220, 3.4), from DPO's implicit reward
(Rafailov et al. 2023, arXiv 2305.18290, eq. 5):

    r(y) = beta / T * sum_t (log pi_tuned(y_t | x, y_<t) - log pi_reference(y_t | x, y_<t))

T is the answer's length in tokens, the end token included. Without the division short answers win.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

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
        self.tuned = tuned
        self.reference = reference
        self.images = images
        self.beta = beta
        self.normalise = normalise
        self.at_once = at_once
        self._checked: set[int] = set()

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
        groups: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            groups.setdefault(prompt.key, []).append(i)
        found: dict[int, LogRatio] = {}
        for group in groups.values():
            for first in range(0, len(group), self.at_once):
                some = group[first : first + self.at_once]
                texts = [answers[i] for i in some]
                ratios = self._some(prompts[some[0]], texts)
                found |= dict(zip(some, ratios, strict=True))
        return [found[i] for i in range(len(prompts))]

    def _some(self, prompt: Prompt, texts: Sequence[str]) -> list[LogRatio]:
        tuned = self._sums(self.tuned, prompt, texts)
        reference = self._sums(self.reference, prompt, texts)
        return [
            LogRatio(own - before, tokens)
            for (own, tokens), (before, _) in zip(tuned, reference, strict=True)
        ]

    def _sums(self, vlm: "Vlm", prompt: Prompt, texts: Sequence[str]) -> list[tuple[float, int]]:
        import torch

        from groundtune.engine.causality import needs_check, refuse_lookahead
        from groundtune.engine.engines import engine_of
        from groundtune.engine.rows import PromptRow
        from groundtune.vlm.encode import encode_answer, encode_prompt

        answers = tuple(encode_answer(vlm, text) for text in texts)
        row = PromptRow(encode_prompt(vlm, prompt, self.images), answers)
        if needs_check(vlm) and id(vlm) not in self._checked:
            checked = refuse_lookahead(vlm, row)
            self._checked |= {id(vlm)} if checked else set()
        with torch.inference_mode():
            found = engine_of(vlm)(vlm, [row])[0]
            return [(float(logp_T.sum()), len(logp_T)) for logp_T in found]
