import json
import shutil
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.vlm.load import load
from tiny_processors import qwen2_vl, saved


def refused(folder: Path, **options: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        load(str(folder), **options)
    return caught.value


@pytest.fixture
def folder(tiny_llava: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_llava, tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "generation_config.json"])
@pytest.mark.parametrize("text", ['{"a": ', '{"a":' * 2_000 + "1" + "}" * 2_000, "\xff"])
def test_a_file_of_a_model_that_is_not_json_or_too_deep_is_named(
    folder: Path, name: str, text: str
):
    (folder / name).write_bytes(text.encode("latin-1"))
    error = refused(folder)
    assert str(folder / name) in error.where
    assert error.fix == "Copy the folder again, or save it again with save_pretrained."


def test_an_adapter_s_configuration_that_is_too_deep_is_named(tiny_llava: Path, tmp_path: Path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"a":' * 500 + "1" + "}" * 500)
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    error = refused(tiny_llava, adapter=adapter)
    assert str(adapter / "adapter_config.json") in error.where


@pytest.mark.parametrize("value", [None, [], {"type": "BPE", "vocab": []}, "x"])
def test_a_tokenizer_that_tokenizers_cannot_read_names_the_model(folder: Path, value: object):
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model": value}))
    error = refused(folder)
    assert error.what.startswith("The model's tokenizer can't be loaded: ")
    assert error.where == str(folder)


def test_a_value_of_another_type_in_a_configuration_names_its_field(folder: Path):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_token_index": "~"}))
    error = refused(folder)
    assert error.what.startswith("The model's configuration can't be loaded: ")
    assert "'image_token_index' expected int, got str" in error.what
    assert error.where == str(folder)


def test_a_chat_template_with_a_mistake_names_the_model(folder: Path):
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{% endif %}")
    with pytest.raises(UserError) as caught:
        _ = load(str(folder)).form
    assert caught.value.what.startswith("The chat template can't be rendered: ")
    assert caught.value.where == str(folder)


def test_a_tokenizer_whose_longest_text_is_no_number_names_the_model(tmp_path: Path):
    file = Path(saved(qwen2_vl, tmp_path)) / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": "long"}))
    error = refused(tmp_path)
    assert error.what.startswith("The model's tokenizer can't be loaded: ")
    assert error.where == str(tmp_path)
