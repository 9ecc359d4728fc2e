import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundtune.errors import UserError
from groundtune.vlm.load import Vlm, load, outline, revision_of


def copy(source: Path, target: Path, *without: str) -> Path:
    shutil.copytree(source, target)
    for name in without:
        (target / name).unlink()
    return target


def lora(base: Path, path: Path) -> Path:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    model = get_peft_model(load(str(base)).model, config)
    model.save_pretrained(path)
    return path


def test_a_folder_is_loaded_whole_without_torchvision(tiny_llava: Path):
    vlm = load(str(tiny_llava))
    assert type(vlm.model).__name__ == "LlavaForConditionalGeneration"
    assert not vlm.model.training
    assert vlm.model.dtype == torch.float32
    assert vlm.processor.tokenizer.padding_side == "left"
    assert vlm.eos_ids == (2,)
    assert vlm.form.lead == " "


def test_the_revision_is_that_of_the_weights(
    tiny_llava: Path, make_tiny_llava: Callable[..., Path], tmp_path: Path
):
    same = load(str(copy(tiny_llava, tmp_path / "same"))).revision
    other = load(str(make_tiny_llava(tmp_path / "other", seed=1))).revision
    assert load(str(tiny_llava)).revision == same != other


def test_an_adapter_changes_the_model_and_its_revision(tiny_llava: Path, tmp_path: Path):
    adapter = lora(tiny_llava, tmp_path / "adapter")
    plain, tuned = load(str(tiny_llava)), load(str(tiny_llava), adapter=adapter)
    assert not torch.equal(logits(plain), logits(tuned))
    assert tuned.revision.startswith(plain.revision + "+")


def test_a_folder_that_holds_an_adapter_alone_is_loaded_on_its_base(
    tiny_llava: Path, tmp_path: Path
):
    adapter = lora(tiny_llava, tmp_path / "adapter")
    alone, beside = load(str(adapter)), load(str(tiny_llava), adapter=adapter)
    assert torch.equal(logits(alone), logits(beside))
    assert alone.revision == beside.revision


def test_an_adapter_without_its_base_or_for_another_model_is_named(
    tiny_llava: Path, tmp_path: Path
):
    adapter = lora(tiny_llava, tmp_path / "adapter")
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: torch.zeros(3, 5) for name in weights}, adapter / "adapter_model.safetensors")
    with pytest.raises(UserError, match="does not fit the model"):
        load(str(tiny_llava), adapter=adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="does not name its base model"):
        load(str(adapter))
    with pytest.raises(UserError, match="has no adapter"):
        load(str(tiny_llava), adapter=tmp_path)


def test_a_checkpoint_of_another_architecture_is_named(tmp_path: Path):
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"architecture is not supported \(llama\)"):
        load(str(tmp_path))


@pytest.mark.parametrize("kind", ["Florence2", "InstructBlip"])
def test_an_encoder_decoder_is_named_before_its_weights_are_read(kind: str, tmp_path: Path):
    import transformers

    config = getattr(transformers, f"{kind}Config")()
    if kind == "InstructBlip":
        config.text_config = transformers.T5Config()
    config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"never read")
    for read in (load, outline, revision_of):
        with pytest.raises(UserError, match=r"Encoder-decoders are not supported \(") as seen:
            read(str(tmp_path))
        assert kind.lower() in seen.value.what
        assert seen.value.where == str(tmp_path)


def test_a_checkpoint_with_the_weights_of_another_model_is_named(tiny_llava: Path, tmp_path: Path):
    folder = copy(tiny_llava, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    dropped = next(name for name in weights if "q_proj" in name)
    save_file(
        {name: each for name, each in weights.items() if name != dropped},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(UserError, match="lacks 1 weights"):
        load(str(folder))
    save_file(
        {**weights, dropped: torch.zeros(3, 5)}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(UserError, match="weights can't be loaded"):
        load(str(folder))


def test_a_pickled_checkpoint_is_refused_without_being_opened(tiny_llava: Path, tmp_path: Path):
    folder = copy(tiny_llava, tmp_path / "model", "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"cposix\nsystem\n")
    with pytest.raises(UserError, match=r"pickled \(pytorch_model\.bin\)"):
        load(str(folder))


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("config.json", "config.json is missing"),
        ("model.safetensors", "no weights"),
        ("processor_config.json", "processor"),
        ("chat_template.jinja", "no chat template"),
    ],
)
def test_a_file_that_is_missing_is_named(tiny_llava: Path, tmp_path: Path, lost: str, says: str):
    with pytest.raises(UserError, match=says):
        load(str(copy(tiny_llava, tmp_path / "model", lost)))


def test_damaged_weights_and_a_damaged_configuration_are_named(tiny_llava: Path, tmp_path: Path):
    folder = copy(tiny_llava, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match="weights can't be loaded"):
        load(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"is not JSON(.|\n)*config\.json"):
        load(str(folder))


def test_a_folder_that_does_not_exist_and_an_unknown_type_are_named(tiny_llava: Path):
    with pytest.raises(UserError, match="no such folder"):
        load("./nowhere/model")
    with pytest.raises(UserError, match="'int8' is not a floating point type"):
        load(str(tiny_llava), dtype="int8")
    for device in ("gpu", "meta", "cpu:x"):
        with pytest.raises(UserError, match=f"There is no device '{device}' here"):
            load(str(tiny_llava), device=device)


def test_without_a_connection_the_error_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="hub can't be reached, and the model is not") as error:
        load("nobody/nothing")
    assert error.value.where == "nobody/nothing"
    assert "Connect" in error.value.fix


def test_a_template_that_does_not_continue_its_generation_prompt_is_refused(
    tiny_llava: Path, tmp_path: Path
):
    folder = copy(tiny_llava, tmp_path / "model")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['content'][0]['text'] }}{% endfor %}"
        "{% if add_generation_prompt %}BOT:{% endif %}"
    )
    with pytest.raises(UserError, match="does not continue its generation prompt"):
        _ = load(str(folder)).form


def test_the_module_loads_without_torch():
    script = "import sys, groundtune.vlm.load, groundtune.vlm.batch; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def logits(vlm: Vlm) -> torch.Tensor:
    with torch.no_grad():
        return vlm.model(input_ids=torch.tensor([[5, 6, 7]])).logits
