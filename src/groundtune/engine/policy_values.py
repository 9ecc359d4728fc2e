"""Log-probabilities of answers' tokens and the values before them, in one forward pass.

The value head reads the state that predicts a token: what the policy expects before it is drawn.

Shapes: N tokens of all answers, T of one, D width of the decoder.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from groundtune.engine.head import CHUNK_BYTES, project
from groundtune.engine.hidden import HiddenStates
from groundtune.engine.rows import PromptRow
from groundtune.vlm.load import Vlm
from groundtune.vlm.plain import plain_model


class PolicyValues(nn.Module):
    """Returns (T, 2) per answer: log p of each token, and the value before it.

    The loop uses it as an engine of log-probabilities.
    """

    def __init__(self, head: nn.Module, states: HiddenStates | None = None) -> None:
        """`head` maps (N, D) to (N,)."""
        super().__init__()
        self.head = head
        self.states = states or HiddenStates()

    def forward(self, vlm: Vlm, rows: Sequence[PromptRow]) -> list[list[Tensor]]:
        """Return both columns of each row's answers, fp32."""
        model = plain_model(vlm.model)
        states = self.states(vlm, rows)
        before = [each[:-1] for answers in states for each in answers]
        ids = [answer.ids for row in rows for answer in row.answers]
        hidden_ND = torch.cat(before)
        logp_N = project(
            model.get_output_embeddings(),
            hidden_ND,
            torch.tensor(
                [token for answer_ids in ids for token in answer_ids], device=hidden_ND.device
            ),
            model.config.get_text_config().vocab_size,
            chunk_bytes=CHUNK_BYTES,
        )
        both_N2 = torch.stack([logp_N, self.head(hidden_ND)], -1)
        each = iter(torch.split(both_N2, [len(answer_ids) for answer_ids in ids]))
        return [[next(each) for _ in row.answers] for row in rows]
