"""A model on the weights of another one, with an adapter or none: it scores as if loaded alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from groundtune.engine.engines import engine_of
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.train.tune import Lora, apply
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.family import family_of_type
from groundtune.vlm.load import Vlm, load
from groundtune.vlm.plain import adapting
from groundtune.vlm.shared_base import on_base
from tiny_processors import PROCESSORS, WITH_PACKAGES, saved
from training_folder import ask, image_bytes


def scores(vlm: Vlm, folder: Path) -> torch.Tensor:
    """Return the log-probabilities of an answer about an image."""
    images = RunFolder(folder).images
    prompt = ask("p", "What is there?", [images.add(image_bytes("red", 20))])
    row = PromptRow(encode_prompt(vlm, prompt, images), (encode_answer(vlm, "A red cup."),))
    with torch.no_grad():
        [[logp_T]] = engine_of(vlm)(vlm, [row])
    return logp_T


def save_adapter(base: Path, folder: Path, modules: tuple[str, ...] = ()) -> Path:
    """Write an adapter of random weights, with copies of whole modules; return its folder."""
    model = load(str(base)).model
    layers = ["q_proj", "v_proj"] if modules else "all-linear"
    config = LoraConfig(r=2, target_modules=layers, modules_to_save=[*modules] or None)
    with adapting():
        adapted: Any = get_peft_model(model, config)
    torch.manual_seed(0)
    for weight in adapted.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn_like(weight)
    adapted.save_pretrained(folder)
    return folder


def check(base: Path, adapter: Path, folder: Path) -> None:
    """Check that a shared base changes neither model, and that weights are there once."""
    alone = scores(load(str(base), adapter=adapter), folder)
    vlm = load(str(base))
    plain = scores(vlm, folder)
    shared, bare = on_base(vlm, adapter), on_base(vlm, None)
    assert shared.revision == load(str(base), adapter=adapter).revision
    torch.testing.assert_close(scores(shared, folder), alone, atol=1e-6, rtol=0)
    assert not torch.allclose(alone, plain, atol=1e-3)
    policy = apply(vlm.model, Lora(r=2, dropout=0.0))
    for weight in policy.parameters():
        if weight.requires_grad:
            weight.data += 0.1
    torch.testing.assert_close(scores(shared, folder), alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(scores(bare, folder), plain, atol=1e-6, rtol=0)
    assert bare.revision == vlm.revision
    with policy.disable_adapter():
        torch.testing.assert_close(scores(vlm, folder), plain, atol=1e-6, rtol=0)
    frozen = {id(weight) for weight in policy.parameters() if not weight.requires_grad}
    assert frozen <= {id(weight) for weight in shared.model.parameters()}
    assert frozen == {id(weight) for weight in bare.model.parameters()}


def test_the_adapter_may_have_whole_modules(tiny_llava: Path, tmp_path: Path) -> None:
    adapter = save_adapter(tiny_llava, tmp_path / "adapter", ("multi_modal_projector",))
    check(tiny_llava, adapter, tmp_path)
    with pytest.raises(UserError, match="has no adapter"):
        on_base(load(str(tiny_llava)), tiny_llava)


@pytest.mark.slow
@pytest.mark.parametrize("make", [*PROCESSORS, *WITH_PACKAGES], ids=lambda make: make.__name__)
def test_every_family_can_share_its_base(make: Callable[[], Any], tmp_path: Path) -> None:
    for package in family_of_type(make.__name__).packages:
        pytest.importorskip(package)
    (tmp_path / "model").mkdir()
    base = Path(saved(make, tmp_path / "model"))
    check(base, save_adapter(base, tmp_path / "adapter"), tmp_path)
