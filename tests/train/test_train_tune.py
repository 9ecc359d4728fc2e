"""Which weights are trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny_families
from groundtune.engine.packed import Packed
from groundtune.errors import UserError
from groundtune.train.tune import (
    Full,
    Lora,
    QLora,
    apply,
    check_quantisable,
    checkpoint_activations,
)
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
    words = (
        "merge",
        "project",
        "connector",
        "newline",
        "aligner",
        "downsample",
        "embeddings_table",
    )
    assert all(any(word in name for word in words) for name in names)
    for part in ("tower", "language_model"):
        assert any(w.requires_grad for w in apply(model, Full(parts=(part,))).parameters())


@pytest.mark.parametrize("build", tiny_families.PACKED, ids=lambda build: build.__name__)
def test_checkpointing_changes_no_gradient_and_runs_a_frozen_tower_once(
    build: Callable[[], tiny_families.Built],
):
    vlm, rows = tiny_families.built(build)
    model = apply(vlm.model, Lora(r=2, dropout=0.0))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trained:
        torch.nn.init.normal_(weight, std=0.1)
    tower = model.get_base_model().get_encoder(modality="image")
    inside = [part for part in tower.modules() if isinstance(part, torch.nn.Linear)]
    calls: list[bool] = []
    inside[0].register_forward_hook(lambda *told: calls.append(told[2].requires_grad))

    def gradients() -> list[torch.Tensor]:
        model.train()
        scored = Packed()(replace(vlm, model=model), rows)
        total = torch.stack([each.sum() for own in scored for each in own]).sum()
        return list(torch.autograd.grad(total, trained))

    plain, times = gradients(), len(calls)
    checkpoint_activations(model)
    again = gradients()
    assert all(float(weight.abs().max()) > 0 for weight in plain)
    for one, other in zip(plain, again, strict=True):
        torch.testing.assert_close(one, other)
    assert len(calls) == 2 * times
    assert not any(calls)


def test_under_autocast_adapters_on_bfloat16_keep_less_than_half_as_much_float32():
    vlm, rows = tiny_families.built(tiny_families.PACKED[0])
    model = apply(vlm.model.to(torch.bfloat16), Lora(r=2, dropout=0.0)).train()
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def kept(*, autocast: bool) -> int:
        """Bytes of float32 that a forward pass keeps, logits left out."""
        sizes: dict[int, int] = {}
        held: list[torch.Tensor] = []

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            wide = tensor.shape[-1:] == (model.get_output_embeddings().out_features,)
            if tensor.dtype == torch.float32 and storage.data_ptr() not in weights and not wide:
                sizes[storage.data_ptr()] = storage.nbytes()
                held.append(tensor)  # so that no other takes its address
            return tensor

        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16, enabled=autocast),
        ):
            Packed()(replace(vlm, model=model), rows)
        return sum(sizes.values())

    assert kept(autocast=True) < kept(autocast=False) / 2
