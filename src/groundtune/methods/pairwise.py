"""What all methods over pairs share: a logistic loss on a scaled difference of two answers' scores.

    loss = -log sigmoid(scale * (score(chosen) - score(rejected))) + terms

This file knows log-probabilities and masks; it knows no model, no image and no token id. A method
overrides the hook in which it differs: `score` (of an answer, with weights of its tokens), `scale`
(of a pair), `terms` (added to a pair's loss). A method that looks at another view of the image gets
that view's log-probabilities as one more field of PairLogProbs.

Shapes: B pairs, T tokens of the longest answer on that side (each side has its own T).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

Need = Literal["reference", "changed_spans"]
"""What a method needs beside the texts: reference log-probabilities, or spans of what changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLogProbs:
    """One side of a batch of pairs: log-probabilities of the answers' tokens, padded at the end."""

    logp_BT: Tensor
    """log p(token | prompt, image, tokens before) of the model in training, nats, fp32."""
    ref_BT: Tensor
    """The same of the reference model; carries no gradient."""
    mask_BT: Tensor
    """Bool: true on tokens of the answer (its end token included), false on padding."""
    changed_BT: Tensor
    """Bool: true on tokens that touch a changed span."""

    def log_ratio_BT(self) -> Tensor:
        """Log p - log p_ref of each token, fp64, 0 on padding.

        The difference is taken a token at a time and summed in fp64: sums of log-probabilities are
        hundreds of nats, and their fp32 difference would lose the fourth digit of a small
        log-ratio.
        """
        ratio_BT = self.logp_BT.double() - self.ref_BT.double()
        return ratio_BT.masked_fill(~self.mask_BT, 0.0)

    def logp_B(self) -> Tensor:
        """Summed log-probability of each answer, fp64."""
        return self.logp_BT.double().masked_fill(~self.mask_BT, 0.0).sum(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLogProbs:
    """What a pairwise loss sees of a batch: row i of either side belongs to pair i."""

    chosen: AnswerLogProbs
    rejected: AnswerLogProbs


class Loss(NamedTuple):
    """One value a pair, so that the mean over a global batch doesn't depend on micro-batches."""

    value_B: Tensor
    """Loss of each pair, fp64, with gradient."""
    metrics: dict[str, Tensor]
    """Figures of each pair, shape B, detached."""


class Pairwise(BaseModel, ABC):
    """A method that learns from pairs. Its fields are its parameters, as they stand in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: ClassVar[frozenset[Need]] = frozenset({"reference"})

    beta: float = Field(gt=0)
    """Strength of the pull towards the reference: the scale of every pair."""

    @abstractmethod
    def score(self, side: AnswerLogProbs) -> Tensor:
        """Implicit reward of each answer before scaling, shape (B,); token weights belong here."""

    def scale(self, pairs: PairLogProbs) -> Tensor | float:
        """What a pair's difference of scores is multiplied by, a number or (B,). Here: beta."""
        return self.beta

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Named terms added to each pair's loss, shape (B,) each. Here: none."""
        return {}

    def loss(self, pairs: PairLogProbs) -> Loss:
        """The loss of each pair, and what to log of it (rewards are scaled scores, in nats)."""
        from torch.nn.functional import logsigmoid

        scale = self.scale(pairs)
        chosen_B, rejected_B = scale * self.score(pairs.chosen), scale * self.score(pairs.rejected)
        terms = {"preference": -logsigmoid(chosen_B - rejected_B), **self.terms(pairs)}
        metrics = {
            "reward_chosen": chosen_B,
            "reward_rejected": rejected_B,
            "margin": chosen_B - rejected_B,
            "accuracy": (chosen_B > rejected_B).double(),
            "logp_chosen": pairs.chosen.logp_B(),
            "logp_rejected": pairs.rejected.logp_B(),
            **{f"term_{name}": term for name, term in terms.items()},
        }
        value_B = sum(terms.values(), start=chosen_B.new_zeros(()))
        return Loss(value_B, {name: value.detach() for name, value in metrics.items()})
