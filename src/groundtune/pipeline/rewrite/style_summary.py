"""What the style gate finds."""

from groundtune.pipeline.rewrite.style_features import Auc
from groundtune.records import Record


class StyleGap(Record):
    """A quantity of chosen minus rejected answers, with the 95% interval over prompts."""

    chosen: float
    rejected: float
    difference: float
    low: float
    high: float
    distance: float
    """The difference in standard deviations of the texts (Cohen's d, pooled)."""
    overlap: float
    """Common area of both sides' histograms, 0 to 1."""


class StyleSummary(Record):
    """How far the sides of pairs differ."""

    pairs: int
    prompts: int
    reference: str
    sum: StyleGap
    """Log-probability of a text, in nats."""
    mean: StyleGap
    """Log-probability per token."""
    words: StyleGap
    style_auc: Auc
    """How often style alone tells which side of a pair is chosen."""
    length_auc: Auc
    """How often the longer answer is the chosen one."""
    unseen: float = 0.0
    """The share of pairs with hardly an English function word, whose style the classifier doesn't
    see."""
    passed: bool
    why: tuple[str, ...] = ()
    """Which limits are passed."""
