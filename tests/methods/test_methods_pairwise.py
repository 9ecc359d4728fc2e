"""DPO and DDPO against hand-computed values, each other, and what any such loss must satisfy."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from groundtune.errors import UserError
from groundtune.methods.ddpo import DDPO, PRESETS
from groundtune.methods.dpo import DPO
from groundtune.methods.ipo import IPO
from groundtune.methods.pairwise import AnswerLogProbs, PairLogProbs, Pairwise
from method_examples import side, two_pairs_of_three_tokens

METHODS: list[Pairwise] = [
    DPO(),
    DDPO(),
    DDPO(reduce="sum", gamma=1.1, beta=0.1),
    DDPO(gamma=1, reduce="sum"),
]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_dpo_equals_the_sums_computed_by_hand():
    loss = DPO(beta=0.1).loss(two_pairs_of_three_tokens())
    # pair 1: .75 - (-1) = 1.75; pair 2: -.5 - 1 = -1.5
    assert loss.value_B.tolist() == pytest.approx([softplus(-0.175), softplus(0.15)], abs=1e-12)
    assert loss.metrics["margin"].tolist() == pytest.approx([0.175, -0.15], abs=1e-12)
    assert loss.metrics["accuracy"].tolist() == [1, 0]
    assert loss.metrics["logp_chosen"].tolist() == pytest.approx([-6.0, -2.5])


def test_ddpo_sum_equals_the_weighted_sums_computed_by_hand():
    loss = DDPO(gamma=5, beta=0.5, reduce="sum").loss(two_pairs_of_three_tokens())
    # pair 1: (.5 + 5*.25 + 0) - (0 - 5*.5 - 5*.5) = 6.75; pair 2: (-5 + .5) - 1 = -5.5
    assert loss.value_B.tolist() == pytest.approx([softplus(-3.375), softplus(2.75)], abs=1e-12)


def test_ddpo_mean_divides_by_the_sum_of_the_weights():
    loss = DDPO(gamma=5, beta=0.5, reduce="mean").loss(two_pairs_of_three_tokens())
    first = 1.75 / 7 - (-5.0 / 11)
    second = -4.5 / 6 - 1.0 / 3
    expected = [softplus(-0.5 * first), softplus(-0.5 * second)]
    assert loss.value_B.tolist() == pytest.approx(expected, abs=1e-12)


def test_the_likelihood_term_is_the_weighted_likelihood_of_the_chosen_answer():
    plain = DDPO(gamma=5, reduce="sum").loss(two_pairs_of_three_tokens()).value_B
    with_term = DDPO(gamma=5, reduce="sum", sft_weight=0.1).loss(two_pairs_of_three_tokens())
    # chosen log p: -1 - 5*2 - 3 = -14 and -5*2 - .5 = -10.5
    assert (with_term.value_B - plain).tolist() == pytest.approx([1.4, 1.05], abs=1e-12)
    assert with_term.metrics["term_sft"].tolist() == pytest.approx([1.4, 1.05], abs=1e-12)


def test_ddpo_with_gamma_1_and_sums_is_dpo():
    ddpo = DDPO(gamma=1, beta=0.1, reduce="sum").loss(two_pairs_of_three_tokens())
    dpo = DPO(beta=0.1).loss(two_pairs_of_three_tokens())
    assert ddpo.value_B.tolist() == pytest.approx(dpo.value_B.tolist(), abs=1e-15)
    differing = DDPO(gamma=1.1, beta=0.1, reduce="sum").loss(two_pairs_of_three_tokens())
    assert differing.value_B.tolist() != pytest.approx(dpo.value_B.tolist(), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_at_the_reference_is_log_2(method: Pairwise):
    same = side([[-1.0, -2.0, -3.0]], [[-1.0, -2.0, -3.0]], changed=[[1, 0, 1]])
    other = side([[-4.0, -0.1]], [[-4.0, -0.1]])
    assert method.loss(PairLogProbs(chosen=same, rejected=other)).value_B.item() == pytest.approx(
        math.log(2), abs=1e-15
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_raises_chosen_and_lowers_rejected_tokens_and_spares_padding(method: Pairwise):
    pairs = two_pairs_of_three_tokens()
    method.loss(pairs).value_B.sum().backward()
    chosen, rejected = pairs.chosen.logp_BT.grad, pairs.rejected.logp_BT.grad
    assert chosen is not None
    assert rejected is not None
    assert (chosen[pairs.chosen.mask_BT] < 0).all()
    assert chosen[1, 2] == 0
    assert (rejected > 0).all()


def test_the_gradient_on_a_token_is_beta_times_weight_times_the_chance_of_being_wrong():
    pairs = two_pairs_of_three_tokens()
    DDPO(gamma=5, beta=0.5, reduce="sum").loss(pairs).value_B.sum().backward()
    wrong = 1 / (1 + math.exp(3.375))
    assert pairs.chosen.logp_BT.grad is not None
    assert pairs.chosen.logp_BT.grad[0].tolist() == pytest.approx(
        [-0.5 * wrong, -2.5 * wrong, -0.5 * wrong], abs=1e-12
    )


def test_a_summed_log_ratio_in_fp32_keeps_its_small_digits():
    tokens = 500
    logp_BT = torch.full((1, tokens), -7.7777, dtype=torch.float32)
    ref_BT = torch.full((1, tokens), -7.7778, dtype=torch.float32)
    every = torch.ones(1, tokens, dtype=torch.bool)
    one = AnswerLogProbs(logp_BT=logp_BT, ref_BT=ref_BT, mask_BT=every, changed_BT=~every)
    exact = tokens * (logp_BT[0, 0].double() - ref_BT[0, 0].double()).item()
    assert DPO().score(one).item() == pytest.approx(exact, rel=1e-12)


log_probs = st.floats(-20, 0)
rows = st.lists(st.tuples(log_probs, log_probs, st.booleans()), min_size=1, max_size=6)


def _padded(row: list[tuple[float, float, bool]], padding: int) -> AnswerLogProbs:
    garbage = [(-3.0, 5.0, True)] * padding
    return side(
        [[logp for logp, _, _ in row + garbage]],
        [[ref for _, ref, _ in row + garbage]],
        changed=[[int(changed) for _, _, changed in row + garbage]],
        mask=[[1] * len(row) + [0] * padding],
    )


@settings(max_examples=40, deadline=None)
@given(rows, rows, st.integers(1, 4), st.integers(0, len(METHODS) - 1))
def test_padding_changes_nothing(
    chosen: list[tuple[float, float, bool]],
    rejected: list[tuple[float, float, bool]],
    padding: int,
    index: int,
):
    def value(by: int) -> Tensor:
        pairs = PairLogProbs(chosen=_padded(chosen, by), rejected=_padded(rejected, by))
        return METHODS[index].loss(pairs).value_B

    assert value(padding).item() == pytest.approx(value(0).item(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("method", [*METHODS, IPO(reduce="mean"), DDPO(sft_weight=1)])
def test_an_answer_of_which_nothing_counts_scores_zero_and_takes_no_gradient(method: Pairwise):
    pairs = two_pairs_of_three_tokens()
    nothing = torch.zeros_like(pairs.chosen.mask_BT)
    chosen = replace(pairs.chosen, mask_BT=nothing)
    loss = method.loss(replace(pairs, chosen=chosen))
    assert method.score(chosen).tolist() == [0, 0]
    assert loss.value_B.isfinite().all()
    loss.value_B.sum().backward()
    assert chosen.logp_BT.grad is not None
    assert not chosen.logp_BT.grad.any()


@settings(max_examples=40, deadline=None)
@given(chosen=rows, rejected=rows, index=st.integers(0, len(METHODS) - 1))
def test_swapping_the_answers_negates_the_margin(
    chosen: list[tuple[float, float, bool]], rejected: list[tuple[float, float, bool]], index: int
):
    one, other = _padded(chosen, 0), _padded(rejected, 0)
    method = METHODS[index]
    forward = method.loss(PairLogProbs(chosen=one, rejected=other)).metrics["margin"].item()
    backward = method.loss(PairLogProbs(chosen=other, rejected=one)).metrics["margin"].item()
    assert forward == pytest.approx(-backward, abs=1e-12)


def test_the_published_presets_are_what_was_published():
    assert DDPO.preset("paper") == DDPO() == DDPO(gamma=5, beta=0.5, reduce="mean")
    assert DDPO.preset("code_2023") == DDPO(gamma=5, beta=0.5, reduce="sum")
    assert DDPO.preset("code_2024") == DDPO(gamma=1.1, beta=0.1, reduce="sum")
    assert all(DDPO.preset(name).sft_weight == 0 for name in PRESETS)
    assert DPO().beta == 0.1


def test_an_unknown_preset_is_an_error_that_names_the_known_ones():
    with pytest.raises(UserError, match="code_2024"):
        DDPO.preset("code_2025")


def test_methods_declare_what_they_need():
    assert DPO().needs == {"reference"}
    assert DDPO().needs == {"reference", "changed_spans"}
