"""Dense direct preference optimisation: corrected tokens have weight gamma, all others 1.

Yu, Yao, Zhang, He, Han, Cui, Hu, Liu, Zheng, Sun and Chua, "RLHF-V", 2023, arXiv 2312.00849,
equation 5. With token weights w (gamma in a changed span, else 1) and log-ratios r = log p - log
p_ref, an answer scores

    mean:  sum(w * r) / sum(w)   the paper's equation 5; its N is |unchanged| + gamma * |changed|
    sum:   sum(w * r)            the released command (github.com/thunlp/Muffin at 85d72b4 with
                                 dpo_use_average=False)

and the pair's loss is DPO's. The two do not differ by beta alone: with `mean` the step on a token
shrinks with the answer's length. Beta 0.5 on 100 tokens pulls about 0.005 per token, 100 times
less than `sum` with the same beta.

`sft_weight` is the code's optional likelihood term (SFT_weight * mean over the batch of the chosen
answer's score under the policy alone, 0 as published); it is normalised like the score.

engine/rows.py decides which tokens count as changed. The released code uses a token diff that
ignores pure insertions and deletions (feedback/diff.py has it for parity). `data.edits=words` is
not published: of a deletion only the words that describe the image get the weight. The "and" or
"there is also" that was deleted with them, and an end token that moved, do not count, because they
teach the model to say less (docs/notebook.md has the comparison).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from groundtune.errors import UserError
from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class DDPO(Pairwise):
    """DDPO (RLHF-V, arXiv 2312.00849, equation 5). Defaults follow the paper; see PRESETS."""

    type: Literal["ddpo"] = "ddpo"
    gamma: float = Field(default=5.0, gt=0)
    """Weight of a changed token: 5 in the paper, 1.1 in the public command since 2024."""
    beta: float = Field(default=0.5, gt=0)
    """0.5 in the paper, 0.1 in the public command since 2024."""
    reduce: Literal["mean", "sum"] = "mean"
    """`mean` divides by the sum of the weights, as in the paper; `sum` does not, as in the released
    code."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the chosen answer's negative log-likelihood: SFT_weight in the code, 0 there."""

    @property
    def needs(self) -> frozenset[Need]:
        """The reference and the corrected spans."""
        return frozenset({"reference", "changed_spans"})

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return published settings by name, one of PRESETS.

        Raises:
            UserError: there is no such preset.
        """
        if name not in PRESETS:
            raise UserError(
                f"ddpo has no preset {name!r}.", "method", f"Use one of {', '.join(PRESETS)}."
            )
        return cls.model_validate(PRESETS[name])

    def weights(self, side: AnswerLogProbs) -> Tensor:
        """Return gamma for changed tokens, 1 for others, 0 for padding; shape (B, T)."""
        mask_BT = side.mask_BT.double()
        return mask_BT + (self.gamma - 1) * (mask_BT * side.changed_BT)

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the weighted sum or mean of the answer's log-ratios, shape (B,)."""
        return self._reduce(side, side.log_ratio_BT())

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return the likelihood term if it has a weight."""
        if not self.sft_weight:
            return {}
        logp_BT = pairs.chosen.log_prob_BT()
        return {"sft": -self.sft_weight * self._reduce(pairs.chosen, logp_BT)}

    def _reduce(self, side: AnswerLogProbs, value_BT: Tensor) -> Tensor:
        weight_BT = self.weights(side)
        total_B = (weight_BT * value_BT).sum(-1)
        if self.reduce == "sum":
            return total_B
        weight_B = weight_BT.sum(-1)
        return total_B / weight_B.where(weight_B > 0, 1.0)  # 0 if no token counts


PRESETS: dict[str, dict[str, float | str]] = {
    "paper": {"gamma": 5.0, "beta": 0.5, "reduce": "mean"},
    "code_2023": {"gamma": 5.0, "beta": 0.5, "reduce": "sum"},
    "code_2024": {"gamma": 1.1, "beta": 0.1, "reduce": "sum"},
}
"""Published settings: arXiv 2312.00849; the command in RLHF-V's issue 8; RLHF-V's later README."""
