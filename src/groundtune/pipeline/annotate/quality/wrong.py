"""The share of answers with something wrong, as people see it, of all that wait for them."""

from collections.abc import Mapping

import numpy as np

from groundtune.bench.metric import ratio
from groundtune.feedback.asking_order import weights_of
from groundtune.pipeline.annotate.quality.estimates import QualityFigure, estimate, figure, share
from groundtune.pipeline.annotate.quality.table import SumRows
from groundtune.store.annotations.progress import DrawnTurn

_SHARE = share("wrong_answers", "hits", "weights")


def wrong_answers(items: SumRows, turns: Mapping[str, DrawnTurn]) -> QualityFigure | None:
    """Return the share, each answer counted once however many people judged it.

    Where doubtful answers are asked first, `turns` say how many answers each of them stands for, so
    that the share stays unbiased. Known results are no part of it, nor are answers of which nobody
    can tell.
    """
    columns = items.columns()
    if "wrong" not in columns:
        return None
    decided = columns["judged"] - columns["unsure"]
    if "gold" in columns:
        decided = np.where(columns["gold"] > 0, 0.0, decided)
    counted = decided > 0
    hits = ratio(columns["wrong"], decided)[counted]
    weights = np.ones(len(hits))
    if turns:
        keys = [key for key, each in zip(items.keys, counted, strict=True) if each]
        weights = _weights(keys, turns)
    value = estimate(_SHARE, {"hits": hits * weights, "weights": weights})
    return figure(_SHARE, value) if value.n else None


def _weights(keys: list[str], turns: Mapping[str, DrawnTurn]) -> np.ndarray:
    """How many answers each stands for: 0 for one that was asked before its turn."""
    answered = set(keys)
    waiting = [turn.priority for key, turn in turns.items() if key not in answered]
    highest = max(waiting, default=None)
    usual = DrawnTurn(float("inf"), 1.0)
    turns_of_keys = [turns.get(key, usual) for key in keys]
    weights = np.array(weights_of([turn.size for turn in turns_of_keys], highest))
    if highest is None:
        return weights
    has_turn = np.array([key in turns for key in keys])
    early = np.array([turn.priority <= highest for turn in turns_of_keys])
    return np.where(early, 0.0, np.where(has_turn, weights, 1.0))
