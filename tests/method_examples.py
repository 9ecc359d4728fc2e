"""Two pairs of log-probabilities whose sums can be done by hand, for the tests of methods."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs


def side(
    logp: Sequence[Sequence[float]],
    ref: Sequence[Sequence[float]],
    changed: Sequence[Sequence[int]] | None = None,
    mask: Sequence[Sequence[int]] | None = None,
) -> AnswerLogProbs:
    logp_BT = torch.tensor(logp, dtype=torch.float64).requires_grad_()
    return AnswerLogProbs(
        logp_BT=logp_BT,
        ref_BT=torch.tensor(ref, dtype=torch.float64),
        mask_BT=torch.ones_like(logp_BT).bool() if mask is None else torch.tensor(mask).bool(),
        changed_BT=torch.tensor(changed or [[0] * len(row) for row in logp]).bool(),
    )


def two_pairs_of_three_tokens() -> PairLogProbs:
    """Log-ratios: chosen [.5, .25, 0], [-1, .5 | pad]; rejected [0, -.5, -.5], [.25, 1, -.25].

    They add up to .75 and -.5 for the chosen answers, -1 and 1 for the rejected ones. The chosen
    answers' log-probabilities add up to -6 and -2.5, the rejected ones' to -7 and -4.
    """
    chosen = side(
        [[-1.0, -2.0, -3.0], [-2.0, -0.5, 99.0]],
        [[-1.5, -2.25, -3.0], [-1.0, -1.0, -77.0]],
        changed=[[0, 1, 0], [1, 0, 1]],
        mask=[[1, 1, 1], [1, 1, 0]],
    )
    rejected = side(
        [[-1.0, -2.5, -3.5], [-0.75, -1.0, -2.25]],
        [[-1.0, -2.0, -3.0], [-1.0, -2.0, -2.0]],
        changed=[[0, 1, 1], [0, 0, 0]],
    )
    return PairLogProbs(chosen=chosen, rejected=rejected)


def with_more(
    *,
    severity: Sequence[float] = (1.0, 1.0),
    chosen_severity: Sequence[float] = (1.0, 1.0),
    ratings: Sequence[Sequence[float]] = ((1.0, 1.0), (1.0, 1.0)),
) -> PairLogProbs:
    """The two pairs with severities, ratings, and a corrupted view of the chosen.

    Under the corrupted view the chosen answers' log-ratios are [0, -.25, 0] and [.5, .5 | pad].
    """
    pairs = two_pairs_of_three_tokens()
    view = side(
        [[-2.0, -2.25, -3.5], [-1.5, -1.0, 50.0]],
        [[-2.0, -2.0, -3.5], [-2.0, -1.5, -50.0]],
        mask=[[1, 1, 1], [1, 1, 0]],
    )
    numbers = [
        torch.tensor(each, dtype=torch.float64) for each in (severity, chosen_severity, *ratings)
    ]
    return PairLogProbs(
        chosen=replace(pairs.chosen, severity_B=numbers[1], rating_B=numbers[2]),
        rejected=replace(pairs.rejected, severity_B=numbers[0], rating_B=numbers[3]),
        chosen_views={"corrupted": view},
    )
