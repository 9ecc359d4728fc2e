"""The files of a base model are in everything that is trained from it, byte for byte."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any, NamedTuple

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

import tiny_families
import tiny_llava
import tiny_processors
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.train.checkpoint import Checkpoints, State, random_state, write_model
from groundtune.train.optim import Optim, adamw
from groundtune.train.tune import Full, Lora, apply
from groundtune.train.zero import FullState
from groundtune.vlm.base_files import base_files
from groundtune.vlm.family import families
from groundtune.vlm.images_only import images_only
from groundtune.vlm.load import Vlm, load
from tiny_families import Built
from training_folder import fill_folder

FAMILIES = (*tiny_families.PACKED, *tiny_families.ALONE)
EXTRAS = {
    "video_preprocessor_config.json": b'{"video_processor_type": "Qwen2VLVideoProcessor", "fps":2}',
    "additional_chat_templates/tools.jinja": b"{{ tools }}\r\n",
    "processing_custom.py": b"raise RuntimeError('never run')\n",
    "code/deeper/helper.py": b"",
    "added_tokens.json": b"{ }",
    "tokenizer.model": bytes(range(256)),
    "LICENSE": b"Only for tests.",
    "README.md": b"# The base\n",
    ".gitattributes": b"*.bin filter=lfs\n",
}
"""Files that loading never reads, or that saving writes differently or not at all."""
LEFT_OUT = {
    "pytorch_model.bin": b"untrained",
    "gguf/model.Q4.gguf": b"untrained",
    "onnx/model.onnx": b"untrained",
    "model.safetensors.index.json": b"{}",
    ".cache/lock": b"",
    "earlier/run.json": b"{}",
    "earlier/log.jsonl": b"",
}
"""Weights in other formats, and folders that are no part of the model."""


def processor_of(family: str) -> Any:
    """The family's processor if it can be built without torchvision, else LLaVA's."""
    make = {each.__name__: each for each in tiny_processors.PROCESSORS}.get(family)
    if make is None:
        return None
    with images_only():
        return make()


def base_of(build: Callable[[], Built], folder: Path) -> Path:
    """A folder with the family's model, processor and everything that a published one may have."""
    tiny_llava.build_tiny_llava(folder)
    (folder / "model.safetensors").unlink()
    vlm, _ = tiny_families.built(build)
    vlm.model.generation_config.max_length = 77
    vlm.model.save_pretrained(folder)
    if processor := processor_of(build.__name__):
        processor.save_pretrained(folder)
    for name, data in (EXTRAS | LEFT_OUT).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(name): (folder / name).read_bytes() for name in base_files(folder)}


def opened(folder: Path) -> str:
    """What AutoProcessor makes of a folder without torchvision: settings, or its refusal."""
    try:
        processor = AutoProcessor.from_pretrained(folder)
    except (ImportError, ValueError, TypeError, AttributeError) as error:
        return f"{type(error).__name__} {error}".replace(str(folder), "FOLDER")
    return str(processor.to_json_string() if hasattr(processor, "to_json_string") else processor)


class Loaded(NamedTuple):
    """What plain from_pretrained makes of a folder."""

    processor: str
    tokens: list[int]
    model: type


def loaded(folder: Path) -> Loaded:
    tokens = AutoTokenizer.from_pretrained(folder)("There is a dog.")["input_ids"]
    model = AutoModelForImageTextToText.from_pretrained(folder)
    return Loaded(opened(folder), tokens, type(model))


def check(base: Path, expected: Loaded, result: Path) -> None:
    """All files are there, unchanged, and plain from_pretrained takes the folder as the base's."""
    before, after = contents(base), contents(result)
    assert set(EXTRAS) <= set(before)
    assert {name: after.get(name) for name in before} == before
    assert not [name for name in LEFT_OUT if (result / name).exists()]
    assert loaded(result) == expected


def test_every_listed_family_is_among_those_tested_here():
    listed = {kind for family in families() for kind in family.model_types}
    assert listed == {tiny_families.built(build)[0].model.config.model_type for build in FAMILIES}


@pytest.mark.parametrize("build", FAMILIES, ids=lambda build: build.__name__)
def test_results_of_every_listed_family_have_every_file_of_the_base(
    build: Callable[[], Built], tmp_path: Path
):
    base = base_of(build, tmp_path / "base")
    expected = loaded(base)
    plain = AutoModelForImageTextToText.from_pretrained(base)
    vlm = Vlm(
        model=apply(plain, Lora(r=2)),
        processor=None,
        name=str(base),
        revision="r",
        device=torch.device("cpu"),
    )
    optimizer = adamw(vlm.model.parameters(), Optim())
    state = State(FullState(None, optimizer.state_dict()), 1, [random_state()])
    saved = Checkpoints(tmp_path / "checkpoints", {"pairs": "key"}, 1).save(vlm, state)
    check(base, expected, saved)
    write_model(vlm, tmp_path / "model")
    check(base, expected, tmp_path / "model")
    vlm.model = vlm.model.merge_and_unload()
    write_model(vlm, tmp_path / "merged")
    check(base, expected, tmp_path / "merged")


@pytest.mark.parametrize("tune", [Lora(r=2), Full()], ids=["lora", "full"])
def test_a_run_without_torchvision_keeps_the_video_settings_in_all_its_folders(
    tune: Lora | Full, tmp_path: Path
):
    base = tmp_path / "base"
    model, processor = tiny_processors.with_model(tiny_processors.qwen2_5_vl)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.save_pretrained(base)
    processor.save_pretrained(base)
    settings = json.loads((base / "processor_config.json").read_bytes())
    settings["video_processor"] = {"video_processor_type": "Qwen2VLVideoProcessor", "fps": 2}
    (base / "processor_config.json").write_text(json.dumps(settings))
    for name, data in EXTRAS.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_bytes(data)
    out = base / "runs" / "first"  # a run in the base's folder does not copy itself
    done = train(
        TrainSettings(
            model=str(base),
            pairs=fill_folder(tmp_path / "pairs", 2).path,
            tune=tune,
            epochs=1,
            dtype="float32",
            merge=tune.type == "lora",
        ),
        out,
        SilentProgress(),
    )
    before = contents(base)
    before = {name: data for name, data in before.items() if not name.startswith("runs")}
    assert json.loads(before["processor_config.json"])["video_processor"]["fps"] == 2
    for result in (done, out / "model", *(out / "checkpoints").iterdir()):
        after = contents(result)
        assert {name: after.get(name) for name in before} == before
        assert not (result / "runs").exists()
        assert load(str(result)).processor.tokenizer.padding_side == "left"


def test_a_class_that_only_config_json_names_is_named_in_an_adapters_folder(
    tiny_llava: Path, tmp_path: Path
):
    base = copytree(tiny_llava, tmp_path / "base")
    (base / "processor_config.json").unlink()
    load(str(tiny_llava)).processor.image_processor.save_pretrained(base)
    for name in ("tokenizer_config.json", "preprocessor_config.json"):
        settings = json.loads((base / name).read_bytes())
        settings.pop("processor_class", None)
        (base / name).write_text(json.dumps(settings))
    vlm = load(str(base))
    assert type(vlm.processor).__name__ == "LlavaProcessor"
    vlm.model = apply(vlm.model, Lora(r=2))
    write_model(vlm, tmp_path / "model")
    assert type(AutoProcessor.from_pretrained(tmp_path / "model")).__name__ == "LlavaProcessor"


def test_a_base_that_is_gone_is_named(tiny_llava: Path, tmp_path: Path):
    base = copytree(tiny_llava, tmp_path / "base")
    vlm = load(str(base))
    write_model(vlm, tmp_path / "first")
    rmtree(base)
    with pytest.raises(UserError, match="files can't be read"):
        write_model(vlm, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_without_the_hub_the_files_in_the_cache_are_carried_over_and_a_warning_says_so(
    tiny_llava: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    from huggingface_hub import constants

    commit = "a" * 40
    repository = tmp_path / "hub" / "models--owner--tiny"
    snapshot = repository / "snapshots" / commit
    copytree(tiny_llava, snapshot)
    (snapshot / "custom.py").write_bytes(b"pass\n")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    vlm = load(str(tiny_llava))
    vlm.name, vlm.revision = "owner/tiny", commit
    with caplog.at_level(logging.WARNING):
        write_model(vlm, tmp_path / "model")
    assert "HF_HUB_OFFLINE" in caplog.text
    assert (tmp_path / "model/custom.py").read_bytes() == b"pass\n"
    assert load(str(tmp_path / "model")).form.eos == load(str(tiny_llava)).form.eos
