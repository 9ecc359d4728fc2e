"""The published variants: hand-computed examples, and each one's neutral setting is DPO."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# Reason: torch's annotations of tolist and backward are partial.

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.methods.cdpo import CDPO
from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.methods.ha_dpo import HADPO
from groundtune.methods.hsa_dpo import HSADPO
from groundtune.methods.ipo import IPO
from groundtune.methods.kto import KTO
from groundtune.methods.mdpo import MDPO
from groundtune.methods.mm_dpo import MMDPO, SMALLEST_BETA
from groundtune.methods.pairwise import PairLogProbs, Pairwise, View
from groundtune.methods.sft import SFT
from groundtune.methods.simpo import SimPO
from groundtune.train.step_metrics import step_metrics
from method_examples import side, two_pairs_of_three_tokens, with_more

NEUTRAL: dict[str, Pairwise] = {
    "cdpo": CDPO(beta=0.3, epsilon=0),
    "robust": CDPO(beta=0.3, epsilon=0, unbiased=True),
    "ha_dpo": HADPO(beta=0.3, gamma=0),
    "hsa_dpo, all severities 1": HSADPO(beta=0.3),
    "hsa_dpo, no weights": HSADPO(beta=0.3, weigh_rejected=False),
    "mdpo": MDPO(beta=0.3, image_weight=0, anchor_weight=0),
    "mm_dpo": MMDPO(beta=0.3, w=0),
    "mm_dpo, equal scores": MMDPO(beta=0.3),
    "simpo": SimPO(beta=0.3, gamma=0, reduce="sum", reference=True),
}
OTHERS: dict[str, Pairwise] = {
    "cdpo": CDPO(beta=0.3),
    "robust": CDPO(beta=0.3, unbiased=True),
    "ha_dpo": HADPO(beta=0.3),
    "ipo": IPO(beta=0.3),
    "ipo mean": IPO(beta=0.3, reduce="mean"),
    "kto": KTO(beta=0.3),
    "mdpo": MDPO(beta=0.3),
    "simpo": SimPO(),
}


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def losses(method: Pairwise, pairs: PairLogProbs) -> list[float]:
    return method.loss(pairs).value_B.tolist()


@pytest.mark.parametrize("name", NEUTRAL)
def test_the_neutral_setting_is_dpo_exactly_in_loss_and_gradient(name: str):
    ours, dpo = with_more(), with_more()
    assert losses(NEUTRAL[name], ours) == losses(DPO(beta=0.3), dpo)
    NEUTRAL[name].loss(ours).value_B.sum().backward()
    DPO(beta=0.3).loss(dpo).value_B.sum().backward()
    for one, other in ((ours.chosen, dpo.chosen), (ours.rejected, dpo.rejected)):
        assert one.logp_BT.grad is not None
        assert other.logp_BT.grad is not None
        assert torch.equal(one.logp_BT.grad, other.logp_BT.grad)


@pytest.mark.parametrize("name", OTHERS)
def test_the_published_setting_is_not_dpo(name: str):
    assert losses(OTHERS[name], with_more()) != pytest.approx(
        losses(DPO(beta=0.3), with_more()), abs=1e-4
    )


def test_cdpo_weighs_both_orders_of_a_pair():
    # margins 0.1 * 1.75 and 0.1 * -1.5
    expected = [0.9 * softplus(-m) + 0.1 * softplus(m) for m in (0.175, -0.15)]
    assert losses(CDPO(epsilon=0.1), two_pairs_of_three_tokens()) == pytest.approx(expected)


def test_cdpo_pushes_back_a_margin_beyond_its_limit():
    """The gradient is 0 at log((1 - epsilon) / epsilon)."""
    margin = torch.tensor([math.log(9.0)], dtype=torch.float64, requires_grad=True)
    CDPO(epsilon=0.1).preference(margin).sum().backward()
    assert margin.grad is not None
    assert margin.grad.item() == pytest.approx(0, abs=1e-12)


def test_robust_dpo_over_right_and_swapped_pairs_is_dpo_on_right_ones():
    margin = torch.tensor([0.7], dtype=torch.float64)
    robust = CDPO(epsilon=0.2, unbiased=True)
    expected = 0.8 * robust.preference(margin) + 0.2 * robust.preference(-margin)
    assert expected.item() == pytest.approx(softplus(-0.7), abs=1e-12)


def test_ipo_is_the_square_of_the_distance_to_its_target():
    # 1 / (2 * 0.5) = 1: differences of log-ratios 1.75 and -1.5
    expected = [0.75**2, 2.5**2]
    assert losses(IPO(beta=0.5), two_pairs_of_three_tokens()) == pytest.approx(expected)
    # means: .75/3 + 1/3 and -.5/2 - 1/3
    means = [(1.75 / 3 - 1) ** 2, (-0.25 - 1 / 3 - 1) ** 2]
    found = losses(IPO(beta=0.5, reduce="mean"), two_pairs_of_three_tokens())
    assert found == pytest.approx(means)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_kto_adds_the_losses_of_both_answers_by_hand():
    method = KTO(beta=0.4, wanted=2.0, unwanted=0.5, reference_point=0.1)
    expected = [
        2.0 * sigmoid(0.1 - 0.4 * 0.75) + 0.5 * sigmoid(0.4 * -1 - 0.1),
        2.0 * sigmoid(0.1 - 0.4 * -0.5) + 0.5 * sigmoid(0.4 * 1 - 0.1),
    ]
    assert losses(method, two_pairs_of_three_tokens()) == pytest.approx(expected)


def test_kto_with_thumbs_counts_rated_answers_alone():
    pairs = two_pairs_of_three_tokens()
    up, none = torch.tensor([1.0, 0.0]), torch.tensor([0.0, -1.0])
    rated = PairLogProbs(
        chosen=replace(pairs.chosen, rating_B=up), rejected=replace(pairs.rejected, rating_B=none)
    )
    method = KTO(beta=0.4, thumbs=True)
    assert method.needs == {"reference", "ratings"}
    assert losses(method, rated) == pytest.approx([sigmoid(-0.4 * 0.75), sigmoid(0.4 * 1)])
    method.loss(rated).value_B.sum().backward()
    gradient = pairs.chosen.logp_BT.grad
    assert gradient is not None
    assert gradient[1].tolist() == [0, 0, 0]  # its thumb is about the other side
    assert (gradient[0] < 0).all()  # more likely is less loss


def test_kto_reads_a_pair_rated_the_other_way_round_as_its_ratings_say():
    pairs = two_pairs_of_three_tokens()
    down, up = torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0])
    turned = PairLogProbs(
        chosen=replace(pairs.chosen, rating_B=down), rejected=replace(pairs.rejected, rating_B=up)
    )
    found = losses(KTO(beta=0.4, thumbs=True), turned)
    assert found[0] == pytest.approx(sigmoid(0.4 * 0.75) + sigmoid(0.4 * 1))


def test_ipo_pulls_no_further_than_its_target():
    at_target = side([[-1.0]], [[-6.0]])
    other = side([[-1.0]], [[-1.0]])
    assert losses(IPO(beta=0.1), PairLogProbs(chosen=at_target, rejected=other)) == [0]


def test_simpo_takes_mean_log_probabilities_less_a_margin_and_no_reference():
    pairs = two_pairs_of_three_tokens()
    bare = PairLogProbs(
        chosen=replace(pairs.chosen, ref_BT=None), rejected=replace(pairs.rejected, ref_BT=None)
    )
    first = 2 * (-6 / 3 + 7 / 3) - 1
    second = 2 * (-2.5 / 2 + 4 / 3) - 1
    expected = [softplus(-first), softplus(-second)]
    assert losses(SimPO(beta=2, gamma=1), bare) == pytest.approx(expected)
    assert "kl_chosen" not in SimPO().loss(bare).metrics
    assert SimPO().needs == frozenset()
    assert SimPO(reference=True).needs == {"reference"}


def test_a_method_that_uses_an_undeclared_reference_fails():
    pairs = two_pairs_of_three_tokens()
    bare = PairLogProbs(chosen=replace(pairs.chosen, ref_BT=None), rejected=pairs.rejected)
    with pytest.raises(UserError, match="does not declare"):
        DPO().loss(bare)


def test_ha_dpos_anchor_is_the_mean_likelihood_of_the_chosen_answer():
    plain = DPO().loss(two_pairs_of_three_tokens()).value_B
    anchored = HADPO(gamma=0.5).loss(two_pairs_of_three_tokens())
    # -log p a token: 6 / 3 and 2.5 / 2
    assert (anchored.value_B - plain).tolist() == pytest.approx([1.0, 0.625])
    assert anchored.metrics["term_anchor"].tolist() == pytest.approx([1.0, 0.625])


def test_mdpo_adds_the_images_preference_and_the_anchor():
    found = MDPO(beta=0.5).loss(with_more())
    # chosen .75 and -.5; on the corrupted image -.25 and 1
    image = [softplus(-0.5 * 1.0), softplus(0.5 * 1.5)]
    anchor = [softplus(-0.5 * 0.75), softplus(0.5 * 0.5)]
    dpo = [softplus(-0.5 * 1.75), softplus(0.5 * 1.5)]
    assert found.metrics["term_image"].tolist() == pytest.approx(image)
    assert found.metrics["term_anchor"].tolist() == pytest.approx(anchor)
    expected = [sum(each) for each in zip(dpo, image, anchor, strict=True)]
    assert found.value_B.tolist() == pytest.approx(expected)


def test_mdpos_gradient_lowers_the_chosen_answer_on_the_corrupted_image():
    pairs = with_more()
    MDPO().loss(pairs).value_B.sum().backward()
    grad = pairs.chosen_views["corrupted"].logp_BT.grad
    assert grad is not None
    assert (grad[:, :2] > 0).all()
    assert grad[1, 2] == 0


def test_mdpo_asks_for_the_view_that_it_uses_and_for_none_without_its_term():
    assert MDPO().views == (View("corrupted", "crop", 0.01, 0.2),)
    assert MDPO(image_weight=0).views == ()
    assert DPO().views == ()
    with pytest.raises(ValidationError, match="above high"):
        MDPO(low=0.5)


def test_hsa_dpo_multiplies_the_rejected_log_ratios_with_their_severity():
    found = losses(HSADPO(beta=0.5), with_more(severity=[3.0, 0.5]))
    # .75 - 3 * -1 and -.5 - .5 * 1
    assert found == pytest.approx([softplus(-0.5 * 3.75), softplus(0.5 * 1.0)])


def test_hsa_dpo_reads_the_released_datas_numbers_from_the_answers():
    method = HSADPO(beta=0.5, of="answers", weigh_chosen=True)
    found = losses(method, with_more(severity=[3.0, 0.5], chosen_severity=[2.0, 1.0]))
    assert found == pytest.approx([softplus(-0.5 * (1.5 + 3)), softplus(0.5 * 1.0)])
    assert method.needs == {"reference", "severities"}
    assert HSADPO().needs == {"reference", "severity"}
    with pytest.raises(ValidationError, match="of=answers"):
        HSADPO(weigh_chosen=True)


def test_mm_dpo_scales_beta_with_the_margin_of_the_scores():
    method = MMDPO(beta=0.1, w=0.5, k=0.5)
    pairs = with_more(ratings=[[3.0, 0.0], [1.0, 10.0]])
    grown = 0.1 * (1 + 0.5 * (1 - math.exp(-1)))
    # the second pair's scores contradict it: beta would be negative
    assert method.scale(pairs).tolist() == pytest.approx([grown, SMALLEST_BETA])
    expected = [softplus(-grown * 1.75), softplus(SMALLEST_BETA * 1.5)]
    assert losses(method, pairs) == pytest.approx(expected)


def test_mm_dpos_likelihood_term_is_a_mean_over_tokens():
    plain = MMDPO().loss(with_more()).value_B
    with_term = MMDPO(sft_weight=0.25).loss(with_more()).value_B
    assert (with_term - plain).tolist() == pytest.approx([0.5, 0.3125])


@given(margin=st.floats(0, 50), other=st.floats(0, 50))
def test_mm_dpos_beta_grows_with_the_margin_between_its_bounds(margin: float, other: float):
    low, high = sorted((margin, other))
    pairs = with_more(ratings=[[low, high], [0.0, 0.0]])
    one, two = MMDPO(beta=0.1, w=0.5).scale(pairs).tolist()
    assert 0.1 <= one <= two <= 0.15 + 1e-12


def test_the_log_reports_lengths_the_distance_to_the_reference_and_the_changed_tokens_weight():
    metrics = DDPO(gamma=5).loss(two_pairs_of_three_tokens()).metrics
    assert metrics["tokens_chosen"].tolist() == [3, 2]
    assert metrics["tokens_rejected"].tolist() == [3, 3]
    # half of .25 + .0625 over 3 tokens, half of 1 + .25 over 2
    assert metrics["kl_chosen"].tolist() == pytest.approx([0.3125 / 6, 1.25 / 4])
    means = {name: float(value.mean()) for name, value in metrics.items()}
    shown = step_metrics(means)
    assert shown["changed_weight"] == pytest.approx(5)
    assert shown["changed_chosen"] == 1
    assert shown["changed_rejected"] == 1
    plain = DPO().loss(two_pairs_of_three_tokens()).metrics
    assert step_metrics({k: float(v.mean()) for k, v in plain.items()})["changed_weight"] == 1
    none = {f"{figure}_{side}": 0.0 for figure in ("changed", "weight_on_changed")
            for side in ("chosen", "rejected")}  # fmt: skip
    assert step_metrics(none)["changed_weight"] == 0


def test_sft_is_the_likelihood_of_the_chosen_answers_alone():
    pairs = two_pairs_of_three_tokens()
    assert losses(SFT(), pairs) == pytest.approx([2.0, 1.25])
    assert losses(SFT(reduce="sum"), pairs) == pytest.approx([6.0, 2.5])
    SFT().loss(pairs).value_B.sum().backward()
    assert pairs.chosen.logp_BT.grad is not None
    assert pairs.chosen.logp_BT.grad[0].tolist() == pytest.approx([-1 / 3] * 3)
    given = pairs.rejected.logp_BT.grad
    assert given is None or not given.any()
