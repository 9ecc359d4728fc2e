"""The head of a reward model: a value per token, and an answer's reward from its values.

Shapes: N tokens, D width of the decoder, T tokens of an answer.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from groundtune.train.reward_kinds import HeadKind, Readout


class RewardHead(nn.Module):
    """Maps hidden states to values, in float32; its weights are those of plain `nn.Linear`s.

    Weights start as PyTorch's, biases at 0, as in LLaVA-RLHF's code.
    """

    def __init__(self, width: int, kind: HeadKind) -> None:
        super().__init__()
        linear = [nn.Linear(width, 1)]
        self.layers = nn.ModuleList(
            linear if kind == "linear" else [nn.Linear(width, width), *linear]
        )
        for layer in self.layers:
            nn.init.zeros_(cast(Any, layer).bias)

    def forward(self, hidden_ND: Tensor) -> Tensor:
        """Return a value per state, (N,) fp32."""
        with torch.autocast(hidden_ND.device.type, enabled=False):
            value = hidden_ND.float()
            for number, layer in enumerate(self.layers):
                value = layer(nn.functional.silu(value) if number else value)
            return value[:, 0]


def read_reward(values_T: Tensor, places: slice, readout: Readout) -> Tensor:
    """Return an answer's reward from the values of all that is read; `places` are the answer's.

    `last` is the value of the last token of all, which may be that of a request for a score.
    """
    if readout == "last":
        return values_T[-1]
    return values_T[places].mean() if readout == "mean" else values_T[places].sum()
