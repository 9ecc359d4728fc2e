"""How likely a loaded model makes answers: sums of their tokens' log-probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from groundtune.protocols import Images
from groundtune.records import Prompt

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm


class LogProb(NamedTuple):
    """The log-probability of one answer."""

    total: float
    """Sum over its tokens, the end token included, in nats."""
    tokens: int


class LogProbs:
    """Log-probabilities under a loaded model; `at_once` answers per forward pass."""

    def __init__(self, vlm: "Vlm", images: Images, *, at_once: int = 16) -> None:
        self._vlm = vlm
        self._images = images
        self._at_once = at_once
        self._checked = False

    def of(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[LogProb]:
        """Return one per answer, in order. Answers to one prompt are computed together.

        Raises:
            UserError: an image is missing, an answer contains a special token, or a model of an
                untested family is not causal.
        """
        groups: dict[str, list[int]] = {}
        for i, prompt in enumerate(prompts):
            groups.setdefault(prompt.key, []).append(i)
        sums_by_index: dict[int, LogProb] = {}
        for group in groups.values():
            for first in range(0, len(group), self._at_once):
                some = group[first : first + self._at_once]
                sums = self._some(prompts[some[0]], [answers[i] for i in some])
                sums_by_index |= dict(zip(some, sums, strict=True))
        return [sums_by_index[i] for i in range(len(prompts))]

    def _some(self, prompt: Prompt, texts: Sequence[str]) -> list[LogProb]:
        import torch

        from groundtune.engine.causality import needs_check, refuse_lookahead
        from groundtune.engine.engines import engine_of
        from groundtune.engine.rows import PromptRow
        from groundtune.vlm.encode import encode_answer, encode_prompt

        answers = tuple(encode_answer(self._vlm, text) for text in texts)
        row = PromptRow(encode_prompt(self._vlm, prompt, self._images), answers)
        if needs_check(self._vlm) and not self._checked:
            self._checked = refuse_lookahead(self._vlm, row)
        with torch.inference_mode():
            logps = engine_of(self._vlm)(self._vlm, [row])[0]
            return [LogProb(float(logp_T.sum()), len(logp_T)) for logp_T in logps]
