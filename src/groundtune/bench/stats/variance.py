"""How much of a score's uncertainty comes from the judge, and how much from the choice of items.

A judge that grades each of n answers k times gives scores x_ij. One-way random effects (Searle,
Casella and McCulloch 1992, Variance Components, section 3.6):

    between = sum_i k (x_i - x)^2 / (n - 1)         within = sum_ij (x_ij - x_i)^2 / (n (k - 1))
    judge variance = within                         item variance = (between - within) / k

The mean over items and repeats then has the variance item / n + judge / (n k). More repeats lower
only the second term; if it is small compared with the first, one repeat is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Sources of a judged mean's uncertainty; variances are in squared points."""

    mean: float
    items: int
    repeats: float
    """Repeats per item; if items have different numbers, the number that the formulas use."""
    item_variance: float
    judge_variance: float

    @property
    def item_error(self) -> float:
        """Standard error of the mean due to the choice of items."""
        return sqrt(self.item_variance / self.items)

    @property
    def judge_error(self) -> float:
        """Standard error of the mean due to judge noise."""
        return sqrt(self.judge_variance / (self.items * self.repeats))

    @property
    def judge_share(self) -> float:
        """The judge's share of the mean's variance, in [0, 1]."""
        variance = self.item_error**2 + self.judge_error**2
        return self.judge_error**2 / variance if variance else 0.0


def components(repeats: Sequence[Sequence[float]]) -> Components | None:
    """Judge variance and item variance, from the repeated scores of each item.

    Items may have different numbers of repeats; those without any are left out. The mean is that of
    the items' means. A negative estimate of the item variance becomes 0. None if there are fewer
    than two items, or none has two repeats.
    """
    scores = [list(item_scores) for item_scores in repeats if item_scores]
    n, total = len(scores), sum(map(len, scores))
    if n < 2 or total == n:
        return None
    means = [sum(item_scores) / len(item_scores) for item_scores in scores]
    middle = sum(map(sum, scores)) / total
    within = sum(
        (x - m) ** 2 for item_scores, m in zip(scores, means, strict=True) for x in item_scores
    )
    between = sum(
        len(item_scores) * (m - middle) ** 2 for item_scores, m in zip(scores, means, strict=True)
    )
    judge = within / (total - n)
    each_k = (total - sum(len(item_scores) ** 2 for item_scores in scores) / total) / (n - 1)
    return Components(
        mean=sum(means) / n,
        items=n,
        repeats=n / sum(1 / len(item_scores) for item_scores in scores),
        item_variance=max(0.0, (between / (n - 1) - judge) / each_k),
        judge_variance=judge,
    )
