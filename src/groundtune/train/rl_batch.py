"""The answers of a step as tensors, and what a method makes of their rewards.

Every process holds all answers of a step, so that baselines, normalisation and means are those of
one process.

Shapes: B answers, T tokens of the longest answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groundtune.methods.advantages import varies
from groundtune.methods.kl import kl_estimate
from groundtune.methods.policy_gradient import Advantages, PolicyGradient, SampledAnswers
from groundtune.train.rollout import Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewards:
    """The rewards of a step's answers, normalised, weighed and summed; one entry per answer."""

    terminal: tuple[float, ...]
    """Of the answer as a whole."""
    on_tokens: tuple[tuple[tuple[int, float], ...], ...]
    """Of its claims: the last token of each, and its reward, in order."""
    counts: tuple[bool, ...]
    """False for an answer that is not learnt from."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """Means of the components, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutBatch:
    """The answers of a step that are learnt from. Tensors are on the CPU."""

    rollouts: tuple[Rollout, ...]
    group_B: Tensor
    mask_BT: Tensor
    behaviour_BT: Tensor
    """Log-probabilities of the engine that drew."""
    terminal_B: Tensor
    placed_BT: Tensor
    claims_BT: Tensor
    longest: int
    """The most tokens that an answer may have."""

    def __len__(self) -> int:
        return len(self.rollouts)

    def sampled(self, kl_BT: Tensor, value_BT: Tensor | None) -> SampledAnswers:
        """Return what a method makes advantages of."""
        return SampledAnswers(
            terminal_B=self.terminal_B,
            placed_BT=self.placed_BT,
            claims_BT=self.claims_BT,
            kl_BT=kl_BT,
            mask_BT=self.mask_BT,
            group_B=self.group_B,
            value_BT=value_BT,
            longest=self.longest,
        )

    def advantages(
        self,
        method: PolicyGradient,
        old_BT: Tensor,
        ref_BT: Tensor | None,
        coefficient: float,
        value_BT: Tensor | None = None,
    ) -> Advantages:
        """Return each token's advantage by a method; `coefficient` is that of the KL."""
        kl_BT = torch.zeros_like(old_BT, dtype=torch.double)
        kl = method.kl
        if ref_BT is not None and kl.place == "reward" and kl.estimate != "corrected_k3":
            kl_BT = coefficient * kl_estimate(old_BT, ref_BT, self.mask_BT, kl.estimate)
        return method.advantages(self.sampled(kl_BT, value_BT))


def batch_of(
    rollouts: Sequence[Rollout], rewards: Rewards, *, longest: int, groups: bool
) -> RolloutBatch | None:
    """Return the answers to learn from, None if there are none.

    With `groups`, where answers are compared with others to their prompt, these are the answers of
    groups whose rewards differ: as a whole or, where claims have rewards of their own, at a claim.
    """
    keep = [i for i in range(len(rollouts)) if rewards.counts[i]]
    if not keep:
        return None
    batch = _batch(rollouts, rewards, keep, longest)
    if groups:
        differs_B = varies(
            batch.terminal_B, batch.placed_BT, batch.mask_BT, batch.group_B, batch.claims_BT
        )
        keep = [i for i, differs in zip(keep, differs_B, strict=True) if bool(differs)]
    return _batch(rollouts, rewards, keep, longest) if keep else None


def _batch(
    rollouts: Sequence[Rollout], rewards: Rewards, keep: Sequence[int], longest: int
) -> RolloutBatch:
    """Return the answers of these indices as tensors."""
    used_rollouts = [rollouts[i] for i in keep]
    mask_BT = _padded([torch.ones(len(each.answer_ids)) for each in used_rollouts]).bool()
    placed_BT = torch.zeros(mask_BT.shape, dtype=torch.double)
    ends_BT = torch.zeros(mask_BT.shape, dtype=torch.long)
    for row, i in enumerate(keep):
        for token, value in rewards.on_tokens[i]:
            placed_BT[row, token] += value
            ends_BT[row, token] += 1
    return RolloutBatch(
        rollouts=tuple(used_rollouts),
        group_B=torch.tensor(number([each.prompt for each in used_rollouts])),
        mask_BT=mask_BT,
        behaviour_BT=_padded(
            [torch.tensor(each.logp, dtype=torch.double) for each in used_rollouts]
        ),
        terminal_B=torch.tensor([rewards.terminal[i] for i in keep], dtype=torch.double),
        placed_BT=placed_BT,
        claims_BT=ends_BT.cumsum(-1) - ends_BT,
        longest=longest,
    )


def number(keys: Sequence[str]) -> list[int]:
    """Number the distinct keys in order of appearance; return the number of each key."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def padded_like(rows: Mapping[int, Tensor], mask_BT: Tensor) -> Tensor:
    """Return rows by their index, (T, C) each, as fp64 (B, T, C), padded with 0."""
    columns = next(iter(rows.values())).shape[1]
    value_BTC = torch.zeros(*mask_BT.shape, columns, dtype=torch.double)
    for row, value_TC in rows.items():
        value_BTC[row, : len(value_TC)] = value_TC
    return value_BTC


def _padded(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True)
