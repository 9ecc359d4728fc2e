"""What all methods over pairs share: a logistic loss on a scaled difference of two answers' scores.

    loss = -log sigmoid(scale * (score(chosen) - score(rejected))) + terms

This file knows log-probabilities and masks; it knows no model, no image and no token id. A method
overrides the hook in which it differs:

    weights      of an answer's tokens
    score        of an answer: what its log-ratios add up to
    scale        of a pair's two scores, or `rewards` where the sides are scaled apart
    preference   the loss of a scaled difference
    terms        what is added to a pair's loss
    views        the chosen answers are also run on changed images, and `terms` gets their
                 log-probabilities as one more field of PairLogProbs

and declares what it `needs` beside the texts.

Shapes: B pairs, T tokens of the longest answer on that side (each side has its own T).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

Need = Literal["reference", "changed_spans", "severity", "scores"]
"""What a method needs beside the texts: reference log-probabilities, spans of what changed, the
severity of the rejected answers' spans, or the scores of both answers."""


class View(NamedTuple):
    """A changed image under which the chosen answers are run too.

    The change depends on the image, this view and the run's seed alone, so that it is the same in
    every epoch and on every machine.
    """

    name: str
    """Under which PairLogProbs has it."""
    change: Literal["crop", "noise", "blank"]
    """A crop that is resized to the image's size, Gaussian noise, or one grey."""
    low: float = 0.0
    """Smallest share of the area that a crop keeps, or of noise."""
    high: float = 1.0
    """Largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLogProbs:
    """One side of a batch of pairs: log-probabilities of the answers' tokens, padded at the end."""

    logp_BT: Tensor
    """log p(token | prompt, image, tokens before) of the model in training, nats, fp32."""
    ref_BT: Tensor | None
    """The same of the reference model, without gradient; None where the method needs none."""
    mask_BT: Tensor
    """Bool: true on tokens of the answer (its end token included), false on padding and on tokens
    that don't count (engine/rows.py)."""
    changed_BT: Tensor
    """Bool: true on tokens that touch a changed span."""
    severity_B: Tensor | None = None
    """Mean severity of the answer's marked spans, fp64; None unless the method needs it."""
    score_B: Tensor | None = None
    """The answer's score, higher is better, fp64; None unless the method needs it."""

    def log_ratio_BT(self) -> Tensor:
        """Log p - log p_ref of each token, fp64, 0 on padding.

        The difference is taken a token at a time and summed in fp64: sums of log-probabilities are
        hundreds of nats, and their fp32 difference would lose the fourth digit of a small
        log-ratio.
        """
        assert self.ref_BT is not None, "the method uses a reference that it does not declare"
        ratio_BT = self.logp_BT.double() - self.ref_BT.double()
        return ratio_BT.masked_fill(~self.mask_BT, 0.0)

    def log_prob_BT(self) -> Tensor:
        """Log p of each token, fp64, 0 on padding."""
        return self.logp_BT.double().masked_fill(~self.mask_BT, 0.0)

    def logp_B(self) -> Tensor:
        """Summed log-probability of each answer, fp64."""
        return self.log_prob_BT().sum(-1)

    def tokens_B(self) -> Tensor:
        """Tokens of each answer that count, fp64; 1 where none does: a mean over none is 0."""
        return self.mask_BT.double().sum(-1).clamp(min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLogProbs:
    """What a pairwise loss sees of a batch: row i of either side belongs to pair i."""

    chosen: AnswerLogProbs
    rejected: AnswerLogProbs
    chosen_views: Mapping[str, AnswerLogProbs] = field(default_factory=dict[str, AnswerLogProbs])
    """The chosen answers again, on changed images, by the name of the view."""


class Loss(NamedTuple):
    """One value a pair, so that the mean over a global batch doesn't depend on micro-batches."""

    value_B: Tensor
    """Loss of each pair, fp64, with gradient."""
    metrics: dict[str, Tensor]
    """Figures of each pair, shape B, detached."""


class Pairwise(BaseModel, ABC):
    """A method that learns from pairs. Its fields are its parameters, as they stand in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beta: float = Field(gt=0)
    """Strength of the pull towards the reference: the scale of every pair."""

    @property
    def needs(self) -> frozenset[Need]:
        """What must be there beside the texts. Here: the reference."""
        return frozenset({"reference"})

    @property
    def views(self) -> tuple[View, ...]:
        """Changed images on which the chosen answers are run too. Here: none."""
        return ()

    @abstractmethod
    def score(self, side: AnswerLogProbs) -> Tensor:
        """Implicit reward of each answer before scaling, shape (B,)."""

    def weights(self, side: AnswerLogProbs) -> Tensor:
        """Weight of each token, fp64, 0 on padding, shape (B, T). Here: 1."""
        return side.mask_BT.double()

    def scale(self, pairs: PairLogProbs) -> Tensor | float:
        """What a pair's scores are multiplied by, a number or (B,). Here: beta."""
        return self.beta

    def rewards(self, pairs: PairLogProbs) -> tuple[Tensor, Tensor]:
        """Scaled scores of chosen and rejected, nats, shape (B,) each."""
        scale = self.scale(pairs)
        return scale * self.score(pairs.chosen), scale * self.score(pairs.rejected)

    def preference(self, margin_B: Tensor) -> Tensor:
        """Loss of each pair's margin, reward of chosen less that of rejected. Here: logistic."""
        from torch.nn.functional import logsigmoid

        return -logsigmoid(margin_B)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Named terms added to each pair's loss, shape (B,) each. Here: none."""
        return {}

    def loss(self, pairs: PairLogProbs) -> Loss:
        """The loss of each pair, and what to log of it."""
        chosen_B, rejected_B = self.rewards(pairs)
        margin_B = chosen_B - rejected_B
        terms = {"preference": self.preference(margin_B), **self.terms(pairs)}
        metrics = {
            "reward_chosen": chosen_B,
            "reward_rejected": rejected_B,
            "margin": margin_B,
            "accuracy": (margin_B > 0).double(),
            **_figures("chosen", pairs.chosen, self.weights(pairs.chosen)),
            **_figures("rejected", pairs.rejected, self.weights(pairs.rejected)),
            **{f"term_{name}": term for name, term in terms.items()},
        }
        value_B = sum(terms.values(), start=margin_B.new_zeros(()))
        return Loss(value_B, {name: value.detach() for name, value in metrics.items()})


def _figures(name: str, side: AnswerLogProbs, weight_BT: Tensor) -> dict[str, Tensor]:
    """Figures of each answer of a side, shape (B,), fp64; `name` is "chosen" or "rejected".

    `kl_*` is the mean over the answer's tokens of half the squared log-ratio (the estimate k2 of
    Schulman, "Approximating KL divergence", 2020), nats a token. The tokens are the data's, not
    drawn from the model, so it tells how far the model moved on them and is no bound of the KL.
    """
    tokens_B = side.tokens_B()
    changed_BT = (side.mask_BT & side.changed_BT).double()
    found = {
        f"logp_{name}": side.logp_B(),
        f"tokens_{name}": tokens_B,
        f"changed_{name}": changed_BT.sum(-1),
        f"weight_on_changed_{name}": (weight_BT * changed_BT).sum(-1),
    }
    if side.ref_BT is not None:
        found[f"kl_{name}"] = 0.5 * side.log_ratio_BT().square().sum(-1) / tokens_B
    return found
