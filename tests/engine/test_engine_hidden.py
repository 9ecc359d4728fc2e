"""Hidden states of packed answers against a plain pass each, on every family that shares rows."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from groundtune.engine.hidden import HiddenStates, TokenValues
from groundtune.engine.packed import packed
from groundtune.vlm.plain import plain_model
from tiny_families import PACKED, Built, built

ALL = pytest.mark.parametrize("build", PACKED, ids=lambda build: build.__name__)


@ALL
def test_packed_states_are_those_of_a_row_per_answer(build: Callable[[], Built]):
    vlm, rows = built(build)
    with torch.no_grad():
        together = HiddenStates()(vlm, rows)
        alone = HiddenStates(pack=False)(vlm, rows)
    for row, states, exact in zip(rows, together, alone, strict=True):
        for answer, one, other in zip(row.answers, states, exact, strict=True):
            assert one.shape == other.shape == (len(answer.ids) + 1, one.shape[1])
            assert torch.allclose(one, other, atol=1e-5)


def test_the_state_before_a_token_predicts_it():
    vlm, rows = built(PACKED[0])
    head = plain_model(vlm.model).get_output_embeddings()
    with torch.no_grad():
        states = HiddenStates()(vlm, rows)[0][0]
        exact = packed(vlm, rows)[0][0]
        logp = head(states[:-1]).log_softmax(-1)
    ids = torch.tensor(rows[0].answers[0].ids)
    assert torch.allclose(logp.gather(1, ids[:, None])[:, 0], exact, atol=1e-5)


class First(nn.Module):
    """The first number of each state."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden[:, 0]


def test_values_are_read_before_or_after_each_token():
    vlm, rows = built(PACKED[0])
    with torch.no_grad():
        states = HiddenStates()(vlm, rows)[1][0]
        after = TokenValues(First(), HiddenStates())(vlm, rows)[1][0]
        before = TokenValues(First(), HiddenStates(), place="before")(vlm, rows)[1][0]
    assert torch.equal(after, states[1:, 0])
    assert torch.equal(before, states[:-1, 0])
