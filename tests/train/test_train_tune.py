"""Which weights are trained."""

from pathlib import Path

import pytest

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
