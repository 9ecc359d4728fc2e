"""DPO in which a rejected answer weighs as much as its hallucinations are severe.

Xiao, Huang, Gan, He, Li, Yu, Shu, Jiang and Zhu, "Detecting and Mitigating Hallucination in Large
Vision Language Models via Fine-Grained AI Feedback", 2024, arXiv 2404.14233, section on
hallucination severity-aware DPO. With log-ratios r of chosen and rejected and severities s,

    L = -log sigmoid(beta * (s_chosen * r_chosen - s_rejected * r_rejected))

The released code (github.com/Mr-Loevan/HSA-DPO) has a switch for either severity, and by default
only that of the rejected answer is on; a pair without one counts as 1. Here a pair without one is
an error or a counted drop: 1 is a severity like any other.

The released data hold one number an answer. Here it is the mean over the answer's spans that carry
a severity (`of: spans`), or the answer's score (`of: scores`) for data in which that number is one.
The logged rewards are the weighted ones; the code logs them unweighted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class HSADPO(Pairwise):
    """HSA-DPO (arXiv 2404.14233): log-ratios weighed by the severity of what is wrong."""

    type: Literal["hsa_dpo"] = "hsa_dpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 in the code."""
    of: Literal["spans", "scores"] = "spans"
    """Where severities stand: in the spans, or in the pairs' scores as in the released data."""
    weigh_chosen: bool = False
    """use_chosen_score in the code: off. Only with `of: scores`."""
    weigh_rejected: bool = True
    """use_rejected_score in the code: on."""

    @model_validator(mode="after")
    def _chosen_has_severities(self) -> Self:
        if self.weigh_chosen and self.of == "spans":
            raise ValueError("chosen spans carry no severity: weigh_chosen needs of=scores")
        return self

    @property
    def needs(self) -> frozenset[Need]:
        """The reference and the severities."""
        return frozenset({"reference", "severity" if self.of == "spans" else "scores"})

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def rewards(self, pairs: PairLogProbs) -> tuple[Tensor, Tensor]:
        """Scaled scores, each side times its severity where that is on."""
        chosen_B, rejected_B = super().rewards(pairs)
        if self.weigh_chosen:
            chosen_B = self._severity(pairs.chosen) * chosen_B
        if self.weigh_rejected:
            rejected_B = self._severity(pairs.rejected) * rejected_B
        return chosen_B, rejected_B

    def _severity(self, side: AnswerLogProbs) -> Tensor:
        found_B = side.severity_B if self.of == "spans" else side.score_B
        assert found_B is not None, "the loader hands over what a method needs"
        return found_B
