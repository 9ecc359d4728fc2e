"""How much of a score's uncertainty the judge makes, and how much the choice of items.

A judge that is asked k times about each of n answers gives scores x_ij. One-way random effects
(Searle, Casella and McCulloch 1992, Variance Components, section 3.6):

    between = sum_i k (x_i - x)^2 / (n - 1)         within = sum_ij (x_ij - x_i)^2 / (n (k - 1))
    judge variance = within                         item variance = (between - within) / k

The mean over items and repeats then has the variance item / n + judge / (n k). More repeats lower
the second term only; where it is small beside the first, one repeat is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """Where a judged mean's uncertainty comes from; variances are in squared points."""

    mean: float
    items: int
    repeats: float
    """Repeats an item; where items have different numbers, that which the formulas take."""
    item_variance: float
    judge_variance: float

    @property
    def item_error(self) -> float:
        """Standard error of the mean for want of more items."""
        return sqrt(self.item_variance / self.items)

    @property
    def judge_error(self) -> float:
        """Standard error of the mean for the judge's wavering."""
        return sqrt(self.judge_variance / (self.items * self.repeats))

    @property
    def judge_share(self) -> float:
        """The judge's share of the mean's variance, in [0, 1]."""
        whole = self.item_error**2 + self.judge_error**2
        return self.judge_error**2 / whole if whole else 0.0


def components(repeats: Sequence[Sequence[float]]) -> Components | None:
    """Judge variance apart from item variance, from the repeated scores of each item.

    Items may have different numbers of repeats; those without any are left out. The mean is that of
    the items' means. A negative estimate of the item variance is given as 0. None where there are
    fewer than two items, or none has two repeats.
    """
    kept = [list(each) for each in repeats if each]
    n, total = len(kept), sum(map(len, kept))
    if n < 2 or total == n:
        return None
    means = [sum(each) / len(each) for each in kept]
    middle = sum(map(sum, kept)) / total
    within = sum((x - m) ** 2 for each, m in zip(kept, means, strict=True) for x in each)
    between = sum(len(each) * (m - middle) ** 2 for each, m in zip(kept, means, strict=True))
    judge = within / (total - n)
    each_k = (total - sum(len(each) ** 2 for each in kept) / total) / (n - 1)
    return Components(
        mean=sum(means) / n,
        items=n,
        repeats=n / sum(1 / len(each) for each in kept),
        item_variance=max(0.0, (between / (n - 1) - judge) / each_k),
        judge_variance=judge,
    )
