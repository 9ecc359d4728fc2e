"""Kinds of heads and readings of a reward model, without torch."""

from typing import Literal

HeadKind = Literal["linear", "mlp2"]
"""`linear`: one layer, as in LLaVA-RLHF. `mlp2`: two layers with SiLU between them, which
BaseReward found better."""
Readout = Literal["last", "mean", "sum"]
"""`last` is the value of the last token, `mean` and `sum` are over the answer's tokens, its end
token included."""
