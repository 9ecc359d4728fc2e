"""DPO with an anchor: a language-modelling term keeps the model close to good descriptions.

Zhao, Wang, Ouyang, Dong, Wang and He, "Beyond Hallucinations: Enhancing LVLMs through
Hallucination-Aware Direct Preference Optimization", 2023, arXiv 2311.16839, section 3 (its DPO loss
plus an auxiliary causal language-modelling loss with a weight, here gamma):

    L = L_DPO + gamma * L_LM      L_LM = -mean over tokens of log p(token)

HA-DPO's main contribution is its pairs: a model's answer and its correction, both rewritten in one
style, so that they differ in truth and not in style. Those pairs come from the data; this file is
the loss.

The released code (github.com/opendatalab/HA-DPO at 42f72c5) uses the term only for MiniGPT-4, with
gamma 0.5, on that model's captions (cc_sbu_align): each pair of a step has one caption next to it.
For LLaVA-1.5 and InstructBLIP it trains with plain DPO (gamma 0). Here the run's `anchor` names the
folder of captions; without it the term applies to the pair's chosen answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs, Pairwise

if TYPE_CHECKING:
    from torch import Tensor


class HADPO(Pairwise):
    """HA-DPO (arXiv 2311.16839): DPO with an anchor, the mean likelihood of a caption.

    The captions are those of the run's `anchor`, or else the chosen answers.
    """

    type: Literal["ha_dpo"] = "ha_dpo"
    beta: float = Field(default=0.1, gt=0)
    """0.1 for all three models in the code."""
    gamma: float = Field(default=0.5, ge=0)
    """Weight of the anchor: 0.5 for MiniGPT-4, 0 (plain DPO) for LLaVA-1.5 and InstructBLIP."""

    @property
    def anchors(self) -> bool:
        """Whether the anchor has a weight."""
        return self.gamma > 0

    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the sum of the answer's log-ratios, shape (B,)."""
        return side.log_ratio_BT().sum(-1)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return the anchor if it has a weight."""
        if not self.gamma:
            return {}
        captions = pairs.anchor or pairs.chosen
        return {"anchor": -self.gamma * captions.logp_B() / captions.tokens_B()}
