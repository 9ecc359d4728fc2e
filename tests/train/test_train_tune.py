"""Which weights are trained."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny_families
import tiny_newer_families
from groundtune.cli.progress import SilentProgress
from groundtune.engine.packed import Packed
from groundtune.errors import UserError
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.train.tune import (
    Full,
    Lora,
    QLora,
    apply,
    check_quantisable,
    checkpoint_activations,
    reach,
)
from groundtune.vlm.load import load
from training_folder import fill_folder


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


def test_routers_have_no_adapter_and_fused_experts_are_named():
    experts = {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 16}
    model, _ = tiny_newer_families.gemma4(enable_moe_block=True, **experts)
    assert any("router.proj" in name for name, _ in model.named_parameters())
    found = reach(model, Lora(r=2))
    assert found.missed[:2] == ("experts.gate_up_proj", "experts.down_proj")
    assert "router.proj" in found.missed
    adapted = apply(model, Lora(r=2))
    names = [name for name, _ in adapted.named_parameters() if "lora_" in name]
    assert names
    assert not [name for name in names if "router" in name or "experts" in name]


def test_the_share_of_the_decoder_that_an_adapter_reaches_is_counted():
    model, _ = tiny_newer_families.qwen3_vl_moe()
    attention = 2 * 32 * (32 + 16)  # queries and output, keys and values
    experts, router = 4 * 3 * 32 * 16, 4 * 32
    found = reach(model, Lora(r=2))
    assert found.share == pytest.approx(attention / (attention + experts + router))
    assert found.missed == ("experts.gate_up_proj", "experts.down_proj", "mlp.gate")
    dense, _ = tiny_families.llava()
    assert reach(dense, Lora(r=2)) == (1.0, ())


def test_parts_are_checked_before_the_reference_pass(
    tiny_llava: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    pairs = fill_folder(tmp_path / "pairs", 2)
    settings = TrainSettings(
        model=str(tiny_llava), pairs=pairs.path, tune=Lora(r=2, parts=()), dtype="float32"
    )
    with pytest.raises(UserError, match="no part to train"):
        train(settings, tmp_path / "out", SilentProgress())
    assert not (tmp_path / "out/reference").exists()
    assert not caplog.records


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
