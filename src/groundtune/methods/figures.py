"""What a log tells of pairs whatever the method: lengths, distance to the reference, weights.

Shapes: B pairs, T tokens of the longest answer of a side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from groundtune.methods.pairwise import AnswerLogProbs


def figures(name: str, side: AnswerLogProbs, weight_BT: Tensor) -> dict[str, Tensor]:
    """Figures of each answer of a side, shape (B,), fp64; `name` is "chosen" or "rejected".

    `kl_*` is the mean over the answer's tokens of half the squared log-ratio (the estimate k2 of
    Schulman, "Approximating KL divergence", 2020), nats a token. The tokens are the data's, not
    drawn from the model, so it tells how far the model moved on them and is no bound of the KL.
    """
    tokens_B = side.mask_BT.double().sum(-1)
    changed_BT = (side.mask_BT & side.changed_BT).double()
    found = {
        f"logp_{name}": side.logp_B(),
        f"tokens_{name}": tokens_B,
        f"changed_{name}": changed_BT.sum(-1),
        f"weight_on_changed_{name}": (weight_BT * changed_BT).sum(-1),
    }
    if side.ref_BT is not None:
        found[f"kl_{name}"] = 0.5 * side.log_ratio_BT().square().sum(-1) / tokens_B
    return found


def told(means: dict[str, float]) -> dict[str, float]:
    """Means over a step's pairs as its log has them: the mean weight of a changed token for sums.

    `changed_weight` is 0 where no token of the step is changed.
    """
    sides = ("chosen", "rejected")
    changed = sum(means[f"changed_{side}"] for side in sides)
    weight = sum(means[f"weight_on_changed_{side}"] for side in sides)
    kept = {name: value for name, value in means.items() if not name.startswith("weight_on_")}
    return {**kept, "changed_weight": weight / changed if changed else 0.0}
