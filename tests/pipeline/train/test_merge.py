"""A LoRA merged into plain weights: in float32, or in the base's dtype where that loses little."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.store.run_json import read_run
from groundtune.train.optim import Optim
from groundtune.train.tune import Lora
from groundtune.vlm.load import load
from tiny_llava import build_tiny_llava
from training_folder import fill_folder


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """A LoRA on a bfloat16 base; the learning rate gives updates below bfloat16's spacing."""
    base = build_tiny_llava(tmp_path / "base")
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.bfloat16)
    model.save_pretrained(base)
    return TrainSettings(
        model=str(base),
        pairs=fill_folder(tmp_path / "pairs", 6).path,
        tune=Lora(r=4),
        optim=Optim(lr=5e-7),
        epochs=2,
        batch_size=3,
        dtype="bfloat16",
        merge=True,
    )


def at_rate(settings: TrainSettings, rate: float) -> TrainSettings:
    return settings.model_copy(update={"optim": Optim(lr=rate), "merge_dtype": "base"})


def test_a_merged_bfloat16_model_is_the_float32_sum_of_base_and_adapter(
    settings: TrainSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    merged = train(settings, tmp_path / "out", SilentProgress())
    stored = load_file(merged / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float32}
    said = [record.getMessage() for record in caplog.records]
    assert any(f"{merged} are float32" in each and "base are bfloat16" in each for each in said)
    caplog.clear()
    load(str(merged), dtype="bfloat16")
    assert "float32 and are rounded to bfloat16" in caplog.text
    adapted = load(settings.model, adapter=tmp_path / "out/model", dtype="float32").model
    exact = adapted.merge_and_unload().state_dict()
    found = load(str(merged), dtype="float32").model.state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in exact.items())
    base = load(settings.model, dtype="float32").model.state_dict()
    trained = {name for name in exact if not torch.equal(exact[name], base[name])}
    weights = sum(exact[name].numel() for name in trained)
    kept = sum(int((found[name] != base[name]).sum()) for name in trained)
    assert kept > 0.9 * weights
    rounded = sum(int((found[n].bfloat16() != base[n].bfloat16()).sum()) for n in trained)
    assert rounded < 0.05 * weights, "the updates are too large to show what bfloat16 drops"


def test_rounding_to_the_bases_dtype_is_refused_if_it_loses_the_margin(
    settings: TrainSettings, tmp_path: Path
):
    with pytest.raises(UserError, match=r"off by .*% of what training gained") as refused:
        train(at_rate(settings, 5e-7), tmp_path / "out", SilentProgress())
    assert "merge_dtype=float32" in refused.value.fix
    assert not (tmp_path / "out/merged").exists()
    assert read_run(tmp_path / "out").notes["merged"]["lost"] > 0.5
    # the same run continues in float32, without training again
    again = settings.model_copy(update={"merge_dtype": "float32"})
    assert train(again, tmp_path / "out", SilentProgress()).is_dir()


def test_rounding_to_the_bases_dtype_is_allowed_if_the_margin_stays(
    settings: TrainSettings, tmp_path: Path
):
    merged = train(at_rate(settings, 1e-2), tmp_path / "out", SilentProgress())
    stored = load_file(merged / "model.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.bfloat16}
    note = read_run(tmp_path / "out").notes["merged"]
    assert note["dtype"] == "bfloat16"
    assert note["pairs"] == 6
    assert note["base"] == 0
    assert note["lost"] == abs(note["rounded"] - note["exact"]) / abs(note["exact"]) < 0.05


def test_a_base_that_changed_during_the_run_is_not_merged(settings: TrainSettings, tmp_path: Path):
    train(settings.model_copy(update={"merge": False}), tmp_path / "out", SilentProgress())
    from groundtune.pipeline.train.merge import write_merged

    model = AutoModelForImageTextToText.from_pretrained(settings.model)
    model.lm_head.weight.data += 1
    revision = load(settings.model).revision
    model.save_pretrained(settings.model)
    out = tmp_path / "out"
    with pytest.raises(UserError, match="changed during the run"):
        write_merged(settings, out / "model", out / "merged", list, run=out, revision=revision)
    assert not (out / "merged").exists()
