"""The base of all methods over pairs: a logistic loss on the scaled difference of two scores.

    loss = -log sigmoid(scale * (score(chosen) - score(rejected))) + terms

This file works on log-probabilities and masks, without models, images or token ids. A method
overrides the hooks in which it differs:

    weights      weights of an answer's tokens
    score        score of an answer, from its log-ratios
    scale        factor of a pair's two scores; override `rewards` to scale them separately
    preference   loss of a scaled difference
    terms        terms to add to a pair's loss
    views        changed images on which the chosen answers also run; `terms` gets their
                 log-probabilities as `PairLogProbs.chosen_views`

and declares in `needs` what it requires in addition to the texts.

Shapes: B pairs, T tokens of the longest chosen (or rejected) answer; T differs between the two.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from groundtune.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Need = Literal["reference", "changed_spans", "severity", "severities", "ratings"]
"""What a method requires in addition to the texts: reference log-probabilities, changed spans, the
severity of the rejected answers' spans, the severities of both answers, or their ratings."""


class View(NamedTuple):
    """A changed image on which the chosen answers also run.

    The change depends only on the image, this view and the run's seed, so it is the same in every
    epoch and on every machine.
    """

    name: str
    """Key in `PairLogProbs.chosen_views`."""
    change: Literal["crop", "noise", "blank"]
    """A crop that is resized to the image's size, Gaussian noise, or uniform grey."""
    low: float = 0.0
    """Smallest share of the area that a crop keeps, or smallest share of noise."""
    high: float = 1.0
    """Largest share of the area that a crop keeps, or largest share of noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLogProbs:
    """Token log-probabilities of a batch's chosen or rejected answers, padded at the end."""

    logp_BT: Tensor
    """log p(token | prompt, image, earlier tokens) of the trained model, nats, fp32."""
    ref_BT: Tensor | None
    """The same of the reference model, without gradient; None if the method needs no reference."""
    mask_BT: Tensor
    """Bool: true on tokens of the answer, end token included; false on padding and on tokens
    that don't count (engine/rows.py)."""
    changed_BT: Tensor
    """Bool: true on tokens that touch a changed span."""
    severity_B: Tensor | None = None
    """Severity of the answer's errors, at least 0, higher is worse, fp64: its own or the mean of
    its marked spans, as the method needs it; None unless it does."""
    rating_B: Tensor | None = None
    """The answer's rating, higher is better, fp64; None unless the method needs it."""

    def log_ratio_BT(self) -> Tensor:
        """Return log p - log p_ref of each token, fp64, 0 on padding.

        Subtract per token and sum in fp64: sums of log-probabilities are hundreds of nats, and
        their fp32 difference would lose the fourth digit of a small log-ratio.
        """
        if self.ref_BT is None:
            raise UserError(
                "The method uses the reference's log-probabilities, which it does not declare.",
                "the hook needs",
                'Add "reference" to its needs.',
            )
        ratio_BT = self.logp_BT.double() - self.ref_BT.double()
        return ratio_BT.masked_fill(~self.mask_BT, 0.0)

    def log_prob_BT(self) -> Tensor:
        """Return log p of each token, fp64, 0 on padding."""
        return self.logp_BT.double().masked_fill(~self.mask_BT, 0.0)

    def logp_B(self) -> Tensor:
        """Return the summed log-probability of each answer, fp64."""
        return self.log_prob_BT().sum(-1)

    def tokens_B(self) -> Tensor:
        """Return the number of counted tokens per answer, fp64, at least 1 (an empty mean is 0)."""
        return self.mask_BT.double().sum(-1).clamp(min=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLogProbs:
    """Input of a pairwise loss: row i of chosen and of rejected belongs to pair i."""

    chosen: AnswerLogProbs
    rejected: AnswerLogProbs
    chosen_views: Mapping[str, AnswerLogProbs] = field(default_factory=dict[str, AnswerLogProbs])
    """The chosen answers on changed images, by the view's name."""
    anchor: AnswerLogProbs | None = None
    """Captions of another data set, row i next to pair i; None if the run has none."""


class Loss(NamedTuple):
    """One value per pair, so that a batch's mean does not depend on its micro-batches."""

    value_B: Tensor
    """Loss of each pair, fp64, with gradient."""
    metrics: dict[str, Tensor]
    """Metrics of each pair, shape (B,), detached."""


class Pairwise(BaseModel, ABC):
    """A method that learns from pairs. Its fields are its parameters in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beta: float = Field(gt=0)
    """Strength of the pull towards the reference: the scale of a pair's scores."""

    @model_validator(mode="after")
    def _hooks_have_known_values(self) -> Self:
        needs, views = cast("object", self.needs), cast("object", self.views)
        allowed = frozenset[object](get_args(Need))
        if not isinstance(needs, frozenset) or not needs <= allowed:
            names = ", ".join(sorted(map(str, allowed)))
            raise ValueError(f"the hook needs returns {needs!r}, not a frozenset of {names}")
        kinds = {type(each) for each in self.views} if isinstance(views, tuple) else {type(views)}
        if kinds - {View}:
            raise ValueError(f"the hook views returns {views!r}, not a tuple of View")
        return self

    @property
    def needs(self) -> frozenset[Need]:
        """Requirements in addition to the texts. Default: the reference."""
        return frozenset({"reference"})

    @property
    def compares(self) -> bool:
        """Whether the rejected answers count. Default: yes; without them they are not run."""
        return True

    @property
    def anchors(self) -> bool:
        """Whether `terms` uses captions of another data set if the run has them. Default: no."""
        return False

    @property
    def views(self) -> tuple[View, ...]:
        """Changed images on which the chosen answers also run. Default: none."""
        return ()

    @abstractmethod
    def score(self, side: AnswerLogProbs) -> Tensor:
        """Return the unscaled implicit reward of each answer, shape (B,)."""

    def weights(self, side: AnswerLogProbs) -> Tensor:
        """Return the weight of each token, fp64, 0 on padding, shape (B, T). Default: 1."""
        return side.mask_BT.double()

    def scale(self, pairs: PairLogProbs) -> Tensor | float:
        """Return the factor of a pair's scores, a number or (B,). Default: beta."""
        return self.beta

    def rewards(self, pairs: PairLogProbs) -> tuple[Tensor, Tensor]:
        """Return the scaled scores of chosen and rejected, nats, shape (B,) each."""
        scale = self.scale(pairs)
        return scale * self.score(pairs.chosen), scale * self.score(pairs.rejected)

    def preference(self, margin_B: Tensor) -> Tensor:
        """Return the loss of each pair's margin (chosen minus rejected). Default: logistic."""
        from torch.nn.functional import logsigmoid

        return -logsigmoid(margin_B)

    def terms(self, pairs: PairLogProbs) -> dict[str, Tensor]:
        """Return named terms to add to each pair's loss, shape (B,) each. Default: none."""
        return {}

    def loss(self, pairs: PairLogProbs) -> Loss:
        """Return the loss of each pair and its metrics for the log."""
        chosen_B, rejected_B = self.rewards(pairs)
        margin_B = chosen_B - rejected_B
        terms = {"preference": self.preference(margin_B), **self.terms(pairs)}
        metrics = {
            "reward_chosen": chosen_B,
            **_answer_metrics("chosen", pairs.chosen, self.weights(pairs.chosen)),
            **{f"term_{name}": term for name, term in terms.items()},
        }
        if self.compares:
            metrics |= {
                "reward_rejected": rejected_B,
                "margin": margin_B,
                "accuracy": (margin_B > 0).double(),
                **_answer_metrics("rejected", pairs.rejected, self.weights(pairs.rejected)),
            }
        value_B = sum(terms.values(), start=margin_B.new_zeros(()))
        return Loss(value_B, {name: value.detach() for name, value in metrics.items()})


def _answer_metrics(name: str, side: AnswerLogProbs, weight_BT: Tensor) -> dict[str, Tensor]:
    """Return metrics of each answer, shape (B,), fp64; `name` is "chosen" or "rejected".

    `kl_*` is the mean over the answer's tokens of half the squared log-ratio (the estimate k2 of
    Schulman, "Approximating KL divergence", 2020), nats per token. The tokens come from the data,
    not from the model: the value shows how far the model moved on them and does not bound the KL.
    """
    tokens_B = side.tokens_B()
    changed_BT = (side.mask_BT & side.changed_BT).double()
    metrics = {
        f"logp_{name}": side.logp_B(),
        f"tokens_{name}": tokens_B,
        f"changed_{name}": changed_BT.sum(-1),
        f"weight_on_changed_{name}": (weight_BT * changed_BT).sum(-1),
    }
    if side.ref_BT is not None:
        metrics[f"kl_{name}"] = 0.5 * side.log_ratio_BT().square().sum(-1) / tokens_B
    return metrics
