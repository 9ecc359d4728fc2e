"""REINFORCE leave-one-out.

Kool et al. 2019; Ahmadian et al. 2024, arXiv 2402.14740, equation 7: the advantage of all tokens of
an answer is

    A = R - mean(R of the group's other answers)

which is unbiased.
"""

from __future__ import annotations

from typing import Literal

from groundtune.methods.advantages import Baseline, Scale
from groundtune.methods.group_policy import GroupPolicy


class RLOO(GroupPolicy):
    """RLOO (arXiv 2402.14740): an answer against the mean of its group's other answers."""

    type: Literal["rloo"] = "rloo"
    baseline: Baseline = "leave_one_out"
    """The mean that an answer is compared with: the whole group's, or the other answers'."""
    scale: Scale = "batch"
    """"none" as published; "batch" divides all advantages of a step by one number, so that the
    learning rate does not depend on the rewards' unit."""
