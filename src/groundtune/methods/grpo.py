"""Group relative policy optimisation.

Shao et al. 2024, arXiv 2402.03300: the advantage of all tokens of an answer is

    A = (R - mean(R of the group)) / std(R of the group)

The paper's loss has k3 as its KL, whose gradient is not the KL's; here k1 in the reward is the
default (methods/kl.py). `scale: none` with `aggregation: constant` is Dr. GRPO (arXiv 2503.20783).
"""

from __future__ import annotations

from typing import Literal

from groundtune.methods.advantages import Baseline, Scale
from groundtune.methods.aggregation import Aggregation
from groundtune.methods.group_policy import GroupPolicy


class GRPO(GroupPolicy):
    """GRPO (arXiv 2402.03300): an answer against the mean of its group, in standard deviations."""

    type: Literal["grpo"] = "grpo"
    baseline: Baseline = "group"
    """The mean that an answer is compared with: the whole group's, or the other answers'."""
    scale: Scale = "group"
    """"group" as published: prompts on which answers differ little weigh as much as others."""
    aggregation: Aggregation = "sequence"
    """"sequence" as published; "token" is DAPO's, "constant" Dr. GRPO's."""
