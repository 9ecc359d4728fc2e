"""Which weights are trained."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tiny_families
from groundtune.errors import UserError
from groundtune.train.tune import Full, Lora, QLora, apply, check_quantisable
from groundtune.vlm.load import load


@pytest.mark.parametrize("tune", [Lora(r=2), QLora(r=2)])
def test_a_low_rank_adapter_is_all_that_is_trained_and_never_on_the_head(
    tiny_llava: Path, tune: Lora | QLora
):
    model = apply(load(str(tiny_llava)).model, tune)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name and "language_model" in name for name in trained)
    assert not [name for name, _ in model.named_parameters() if "lora_" in name and "head" in name]


def test_full_training_has_whole_parts(tiny_llava: Path):
    model = apply(load(str(tiny_llava)).model, Full(parts=("projector",)))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if "projector" in name}


def test_four_bits_need_an_accelerator():
    with pytest.raises(UserError, match="needs an accelerator"):
        check_quantisable("cpu")


@pytest.mark.parametrize("build", tiny_families.PACKED, ids=lambda build: build.__name__)
def test_every_family_has_a_language_model_a_projector_and_a_tower(
    build: Callable[[], tiny_families.Built],
):
    model, _ = build()
    trained = apply(model, Full(parts=("projector",)))
    names = [name for name, weight in trained.named_parameters() if weight.requires_grad]
    assert names
    assert all("merge" in n or "project" in n or "connector" in n or "newline" in n for n in names)
    for part in ("tower", "language_model"):
        assert any(w.requires_grad for w in apply(model, Full(parts=(part,))).parameters())
