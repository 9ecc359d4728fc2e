"""Compare the log-probabilities of a rollout engine with the trainer's, before and during a run.

Every ratio of a policy gradient assumes that both are the same policy's. They differ by rounding
where one process draws and trains in float32, and by up to 0.3 nats a token between a server and a
trainer in bfloat16; stale weights, another image or other prompt tokens show here first.
"""

import logging
import math
from typing import Literal, NamedTuple

from torch import Tensor

from groundtune.errors import UserError

log = logging.getLogger(__name__)

EXACT = 1e-5
"""Largest mean difference per token in float32, nats. Rounding is about 3e-7; one token of 5,000
that is off by 0.05 reaches this bound."""
EXACT_TOKEN = 1e-4
"""Largest difference of a single token in float32: rounding reached 1.2e-5."""
WARN, REFUSE = 1.02, 1.05
"""Mean factor between the probabilities of a token from which on a server's are reported, and
refused. The second is the bound of NeMo-RL's tests (token_mult_prob_error)."""

Bound = Literal["exact", "factor"]


class Gap(NamedTuple):
    """How far log-probabilities of the same tokens are apart."""

    mean: float
    """Mean difference, nats."""
    largest: float
    """Largest difference of a token, nats."""
    factor: float
    """Mean over tokens of exp(|difference|)."""


def gap_of(logp_BT: Tensor, behaviour_BT: Tensor, mask_BT: Tensor) -> Gap:
    """Return how far two engines' log-probabilities are apart; padding doesn't count."""
    one_N, other_N = logp_BT.double()[mask_BT], behaviour_BT.double()[mask_BT]
    difference_N = (one_N - other_N).abs()
    factor = float(difference_N.exp().mean())
    return Gap(float(difference_N.mean()), float(difference_N.max()), factor)


def check_gap(gap: Gap, bound: Bound, where: str) -> None:
    """Warn of a gap, or refuse it.

    Raises:
        UserError: the log-probabilities are not those of one policy.
    """
    if bound == "exact":
        if not (gap.mean <= EXACT and gap.largest <= EXACT_TOKEN):
            raise _refusal(
                f"differ by {gap.mean:.2g} nats per token (at most {EXACT:g}) and by up to "
                f"{gap.largest:.2g} (at most {EXACT_TOKEN:g})",
                where,
            )
        return
    if not (math.isfinite(gap.factor) and gap.factor <= REFUSE):
        raise _refusal(f"differ by a mean factor of {gap.factor:.3f} (at most {REFUSE})", where)
    if gap.factor > WARN:
        log.warning(
            "%s: log-probabilities of drawn tokens differ from the trainer's by a mean factor of "
            "%.3f (from %s on a run stops)",
            where,
            gap.factor,
            REFUSE,
        )


def _refusal(what: str, where: str) -> UserError:
    return UserError(
        f"Log-probabilities of the drawn answers and the trainer's {what}.",
        where,
        "Check that both have the same weights, processor, images and dtype; in process, use "
        "dtype=float32. A server must return log-probabilities of its raw logits.",
    )
