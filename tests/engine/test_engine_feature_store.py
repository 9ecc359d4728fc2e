"""Encoded images on disk: used where nothing changed, refused where they would be wrong."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from flips import flipped
from groundtune.engine.engines import engine_of
from groundtune.engine.feature_store import FeatureStore, open_store
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm
from tiny_families import built, instructblip, llava, mllama, qwen3_vl


def ready(build: Any) -> tuple[Vlm, list[PromptRow]]:
    """A model of which the decoder alone is trained, and rows whose images have names."""
    vlm, rows = built(build)
    vlm.model.requires_grad_(False)
    vlm.model.get_decoder().requires_grad_(True)
    processor = SimpleNamespace(
        tokenizer=vlm.processor.tokenizer,
        image_processor=SimpleNamespace(to_json_string=lambda: '{"size": 16}'),
    )
    named = [
        row._replace(prompt=replace(row.prompt, images=(f"{i}a", f"{i}b")))
        for i, row in enumerate(rows)
    ]
    return replace(vlm, processor=processor), named


def viewed(prompt: EncodedPrompt) -> EncodedPrompt:
    """The prompt with its image changed, as a method's view changes it: under its own sha256."""
    changed = {"pixel_values": prompt.features["pixel_values"] + 0.5}
    return replace(prompt, features={**prompt.features, **changed})


@pytest.mark.parametrize("build", [llava, qwen3_vl, instructblip], ids=lambda b: b.__name__)
def test_the_second_pass_runs_no_tower_and_gives_the_same(build: Any, tmp_path: Path):
    vlm, rows = ready(build)
    score = engine_of(vlm, store=open_store(vlm, tmp_path))
    with torch.no_grad():
        first = score(vlm, rows)
        vlm.model.base_model.get_image_features = None  # what is encoded from here on fails
        for again in (rows, rows[1:]):
            found = score(vlm, again)
            for one, other in zip(found[-1], first[-1], strict=True):
                assert float((one - other).abs().max()) < 1e-5
        with pytest.raises(TypeError):
            score(vlm, [rows[0]._replace(prompt=viewed(rows[0].prompt))])
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_another_model_type_processor_image_or_arithmetic_is_encoded_again(tmp_path: Path):
    vlm, rows = ready(llava)
    store = open_store(vlm, tmp_path)
    other_settings = SimpleNamespace(
        tokenizer=vlm.processor.tokenizer,
        image_processor=SimpleNamespace(to_json_string=lambda: '{"size": 32}'),
    )
    prompt = rows[0].prompt
    with torch.no_grad():
        engine_of(vlm, store=store)(vlm, rows[:1])
    assert store.find(vlm, prompt) is not None
    assert store.find(replace(vlm, revision="s"), prompt) is None
    assert store.find(replace(vlm, processor=other_settings), prompt) is None
    assert store.find(vlm, replace(prompt, images=("0a", "0c"))) is None
    assert store.find(vlm, viewed(prompt)) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert store.find(vlm, prompt) is None
    vlm.model.config.quantization_config = {"load_in_4bit": True}
    assert store.find(vlm, prompt) is None
    del vlm.model.config.quantization_config
    assert store.find(vlm, prompt) is not None
    vlm.model.to(torch.float64)
    assert store.find(vlm, prompt) is None


def test_an_image_with_another_instruction_is_another_image(tmp_path: Path):
    vlm, rows = ready(instructblip)
    store = open_store(vlm, tmp_path)
    with torch.no_grad():
        engine_of(vlm, store=store)(vlm, rows[:1])
    prompt = rows[0].prompt
    assert store.find(vlm, prompt) is not None
    other = {**prompt.features, "qformer_input_ids": prompt.features["qformer_input_ids"] + 1}
    assert store.find(vlm, replace(prompt, features=other)) is None


def test_images_stored_in_training_are_encoded_without_dropout(tmp_path: Path):
    vlm, rows = ready(instructblip)
    assert vlm.model.config.qformer_config.hidden_dropout_prob > 0
    stores = [open_store(vlm, tmp_path / name) for name in ("evaluating", "training")]
    for store, training in zip(stores, (False, True), strict=True):
        vlm.model.train(training)
        engine_of(vlm, store=store)(vlm, rows)
        assert all(module.training == training for module in vlm.model.modules())
    for row in rows:
        kept = [store.find(vlm, row.prompt) for store in stores]
        assert kept[0] is not None
        assert kept[1] is not None
        assert torch.equal(kept[0].first, kept[1].first)


@pytest.mark.parametrize("part", ["vision_tower", "multi_modal_projector"])
def test_a_store_is_refused_where_tower_or_projector_is_trained(part: str, tmp_path: Path):
    vlm, _ = ready(llava)
    getattr(vlm.model.model, part).requires_grad_(True)
    with pytest.raises(UserError, match="tower or the projector is trained"):
        open_store(vlm, tmp_path)
    assert isinstance(open_store(vlm, tmp_path, training=False), FeatureStore)


def test_a_store_is_refused_for_an_adapter_on_all_linear_layers(tmp_path: Path):
    from peft import LoraConfig, get_peft_model

    for targets, refused in (("all-linear", True), (r".*language_model.*q_proj", False)):
        vlm, _ = ready(llava)
        tuned = get_peft_model(vlm.model, LoraConfig(r=2, target_modules=targets))
        adapted = replace(vlm, model=tuned)
        if refused:
            with pytest.raises(UserError, match="vision_tower"):
                open_store(adapted, tmp_path)
        else:
            assert isinstance(open_store(adapted, tmp_path), FeatureStore)


def test_a_store_is_refused_for_a_family_that_takes_pixels_only(tmp_path: Path):
    vlm, _ = ready(mllama)
    with pytest.raises(UserError, match="takes pixels only"):
        open_store(vlm, tmp_path)


def test_a_damaged_file_is_written_again_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    vlm, rows = ready(llava)
    store = open_store(vlm, tmp_path)
    with torch.no_grad():
        engine_of(vlm, store=store)(vlm, rows[:1])
    path = next(tmp_path.rglob("*.safetensors"))
    stored = store.find(vlm, rows[0].prompt)
    assert stored is not None
    whole = stored.first.clone()  # the file is mapped into memory
    for _ in flipped(path, 100):
        caplog.clear()
        assert store.find(vlm, rows[0].prompt) is None
        assert "damaged" in caplog.text
        assert not path.exists()
    path.write_bytes(b"x" * 50)
    with torch.no_grad():
        engine_of(vlm, store=store)(vlm, rows[:1])
    again = store.find(vlm, rows[0].prompt)
    assert again is not None
    assert torch.equal(again.first, whole)
