"""Can style alone tell chosen from rejected answers? Features without content, and a classifier.

HA-DPO (Zhao et al. 2023, arXiv 2311.16839, section 3) found that a model trained on pairs whose
sides differ in style learns the style. A classifier that sees no content words shows whether they
do: its AUC is 0.5 where style tells nothing and 1 where style tells everything.
"""

import re
from collections.abc import Sequence

import numpy as np

from groundtune.bench.metric import Floats
from groundtune.bench.stats.means import Mean, mean_interval
from groundtune.records import Pair

FUNCTION_WORDS = (
    *("the", "but", "with", "without", "of", "in", "on", "at", "to", "by", "for", "from", "or"),
    *("is", "are", "was", "were", "be", "being", "has", "have", "there", "it", "its", "this"),
    *("that", "these", "those", "also", "as", "well", "can", "could", "may", "might", "seems"),
    *("appears", "which", "while", "where", "who", "i", "we", "you", "one", "image", "picture"),
    *("photo", "photograph", "scene", "view", "see", "seen", "shows", "depicts", "features"),
    *("captures", "contains", "includes", "overall", "additionally", "moreover", "however"),
)
"""Words of style, not of content. Other languages' texts only have the marks."""
MARKS = (
    *(*";:!?()\"'*#-", "\u2014", "\u2019", "\n"),
    *"\uff1b\uff1a\uff01\uff1f\uff08\uff09\uff0c\u3001\u201c\u201d\u300c\u300d",  # East Asian
)
FEWEST_WORDS = 2
"""A pair with fewer different function words in both texts shows the classifier next to nothing."""
FOLDS = 5
RIDGE = 1.0
BINS = 30
"""Bars of a distribution."""
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")


def histogram(chosen: Floats, rejected: Floats) -> tuple[Floats, Floats, Floats]:
    """Middles of common bins, and the share of each side in each."""
    both = np.concatenate([chosen, rejected])
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    shares = [np.histogram(side, edges)[0] / len(side) for side in (chosen, rejected)]
    return (edges[:-1] + edges[1:]) / 2, shares[0], shares[1]


Auc = Mean
"""The area under a classifier's curve, with its 95% interval over prompts."""


def features(text: str) -> list[float]:
    """Style of a text: which function words and marks it has, 0 or 1 each.

    Not how often: a text that states one thing more would differ in that.
    """
    words = _words(text)
    digits = any(word.isdigit() for word in words)
    marks = [float(mark in text) for mark in MARKS]
    return [float(word in words) for word in FUNCTION_WORDS] + marks + [float(digits)]


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def style_auc(pairs: Sequence[Pair]) -> Auc:
    """How well style tells a pair's chosen answer from its rejected one.

    A ridge logistic regression on the differences of both sides' features, fitted without the
    prompts that it judges (5 folds). 0.5 also where there are too few prompts to learn from.
    """
    sides = np.array([[features(p.chosen), features(p.rejected)] for p in pairs], dtype=float)
    return _judged(sides[:, 0] - sides[:, 1], [pair.prompt for pair in pairs])


def unseen_share(pairs: Sequence[Pair]) -> float:
    """The share of pairs in which the classifier finds hardly a word: other languages, mostly."""
    few = sum(
        len(set(FUNCTION_WORDS).intersection(_words(f"{p.chosen} {p.rejected}"))) < FEWEST_WORDS
        for p in pairs
    )
    return few / len(pairs)


def length_auc(pairs: Sequence[Pair]) -> Auc:
    """How well the number of words does; below 0.5 the chosen answers are shorter."""
    gaps = [len(p.chosen.split()) - len(p.rejected.split()) for p in pairs]
    wins = np.array([0.5 if gap == 0 else float(gap > 0) for gap in gaps])
    return mean_interval(wins, [pair.prompt for pair in pairs], share=True)


def _judged(gaps_NF: Floats, prompts: Sequence[str]) -> Auc:
    names = {name: place for place, name in enumerate(dict.fromkeys(prompts))}
    fold_N = np.array([names[prompt] % FOLDS for prompt in prompts])
    wins = np.full(len(prompts), 0.5)
    for fold in range(FOLDS):
        learn, judge = fold_N != fold, fold_N == fold
        if not learn.any() or not judge.any():
            continue
        margin = gaps_NF[judge] @ _fit(gaps_NF[learn])
        wins[judge] = np.where(np.abs(margin) < 1e-12, 0.5, (margin > 0).astype(float))
    return mean_interval(wins, prompts, share=True)


def _fit(gaps_NF: Floats) -> Floats:
    """Weights under which chosen minus rejected is positive: Newton steps, no intercept."""
    weights = np.zeros(gaps_NF.shape[1])
    for _ in range(25):
        p_N = 1 / (1 + np.exp(-np.clip(gaps_NF @ weights, -30, 30)))
        slope = gaps_NF.T @ (1 - p_N) - RIDGE * weights
        curve = (gaps_NF * (p_N * (1 - p_N))[:, None]).T @ gaps_NF + RIDGE * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return weights
