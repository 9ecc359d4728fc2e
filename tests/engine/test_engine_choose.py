"""The choice of attention by measurement, and the rule of flex attention against the dense mask."""

import json
from dataclasses import asdict

import pytest
import torch

from groundtune.engine.attention import dense_mask, flex_rule
from groundtune.engine.choose import choose_attention
from groundtune.engine.layout import lay_out, merge
from tiny_families import PACKED, answer, built, gemma3, llava, qwen2_5_vl


def test_the_fastest_attention_is_chosen_and_its_figures_can_be_recorded():
    vlm, rows = built(llava)
    vlm.model.model.language_model.requires_grad_(False)
    random = torch.get_rng_state()
    choice = choose_attention(vlm, rows, repeats=1)
    assert set(choice.seconds) == {"dense", "segments"}
    assert choice.seconds[choice.attention] == min(choice.seconds.values())
    assert choice.shape == (20 + 4 + 1 + 5, 39 + 9 + 0)
    assert json.loads(json.dumps(asdict(choice)))["why"] == "it was the fastest"
    assert all(each.grad is None for each in vlm.model.parameters())
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize(("build", "why"), [(gemma3, "windows of 8"), (qwen2_5_vl, "windows of 8")])
def test_nothing_is_measured_where_only_a_dense_mask_can_serve(build: object, why: str):
    vlm, rows = built(build)
    choice = choose_attention(vlm, rows)
    assert choice.attention == "dense"
    assert why in choice.why
    assert choice.seconds == {}


def test_images_whose_tokens_see_each_other_need_a_dense_mask_without_any_window():
    vlm, rows = built(gemma3)
    vlm.model.config.text_config.sliding_window = 0
    assert "image" in choose_attention(vlm, rows).why


def test_the_rule_of_flex_attention_is_the_dense_mask():
    _, rows = built(PACKED[0])
    for share_starts in (0, 2):
        layout = lay_out(merge(rows, share_starts=share_starts), 0)
        rule = flex_rule(layout, torch.device("cpu"))
        batch, length = layout.ids_BL.shape
        b, q, k = torch.meshgrid(
            torch.arange(batch), torch.arange(length), torch.arange(length), indexing="ij"
        )
        assert torch.equal(rule(b, torch.tensor(0), q, k), dense_mask(layout)[:, 0])


def test_long_answers_are_measured_with_their_real_lengths():
    vlm, rows = built(llava)
    longer = [rows[0]._replace(answers=(answer(*range(5, 60), 2), answer(7, 2)))]
    assert choose_attention(vlm, longer, repeats=1).shape == (20 + 55 + 1,)
