"""DPO that weights a rejected answer by the severity of its hallucinations.

Xiao, Huang, Gan, He, Li, Yu, Shu, Jiang and Zhu, "Detecting and Mitigating Hallucination in Large
Vision Language Models via Fine-Grained AI Feedback", 2024, arXiv 2404.14233, section on
hallucination severity-aware DPO. With log-ratios r of chosen and rejected and severities s,

    L = -log sigmoid(beta * (s_chosen * r_chosen - s_rejected * r_rejected))

The released code (github.com/Mr-Loevan/HSA-DPO) has a switch per severity, and by default uses
only that of the rejected answer; a pair without a severity counts as 1. Here such a pair is an
error or a counted drop, because 1 is also a real severity.

The released data have one number per answer. Here it is the mean over the answer's spans that have
a severity (`of: spans`), or the answer's severity (`of: answers`) for data with one number per
answer. A severity is finite and at least 0: a negative one would raise the likelihood of the error.
The logged rewards are weighted; the released code logs them unweighted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class HSADPO(Pairwise):
    """HSA-DPO (arXiv 2404.14233): log-ratios weighted by the severity of the errors."""

    type: Literal["hsa_dpo"] = "hsa_dpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the code."""
    of: Literal["spans", "answers"] = "spans"
    """Where severities come from: the spans, or the answers as in the released data."""
    weigh_chosen: bool = False
    """Weight the chosen answer: use_chosen_score in the code, off there. Needs `of: answers`."""
    weigh_rejected: bool = True
    """Weight the rejected answer: use_rejected_score in the code, on there."""

    @model_validator(mode="after")
    def _chosen_has_severities(self) -> Self:
        if self.weigh_chosen and self.of == "spans":
            raise ValueError("chosen spans have no severity: weigh_chosen needs of=answers")
        return self

    @property
    def needs(self) -> frozenset[Need]:
        """The reference and the severities."""
        return frozenset({"reference", "severity" if self.of == "spans" else "severities"})

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def rewards(self, pairs: PairLogProbs) -> tuple[Tensor, Tensor]:
        """Return the scaled scores, each multiplied by its severity if that is switched on."""
        chosen_B, rejected_B = super().rewards(pairs)
        if self.weigh_chosen:
            chosen_B = self._severity(pairs.chosen) * chosen_B
        if self.weigh_rejected:
            rejected_B = self._severity(pairs.rejected) * rejected_B
        return chosen_B, rejected_B

    def _severity(self, side: AnswerLogProbs) -> Tensor:
        severity_B = side.severity_B
        assert severity_B is not None, "the loader provides what a method needs"
        return severity_B
