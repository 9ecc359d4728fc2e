"""Which revision of a model on the hub is loaded, and where a revision is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from groundtune.errors import UserError
from groundtune.vlm.load import base_of, load, outline, revision_of
from groundtune.vlm.revision import base_revision, commit_of
from hub_models import NAME, NEW, OLD


def adapter_for(folder: Path, base: Path, **config: str) -> Path:
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=2, target_modules=["q_proj"])
    get_peft_model(load(str(base)).model, lora).save_pretrained(folder)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | config))
    return folder


def test_a_revision_is_the_one_that_is_loaded(hub: str, tiny_llava: Path) -> None:
    assert revision_of(hub) == load(hub).revision == NEW
    assert revision_of(hub, revision="v1") == OLD
    old, new = load(hub, revision="v1"), load(str(tiny_llava))
    assert old.revision == OLD
    weights = (next(vlm.model.parameters()) for vlm in (old, new))
    assert not torch.equal(*weights)


@pytest.mark.parametrize("read", [load, outline, revision_of])
def test_a_folder_has_no_revision(read: Callable[..., object], tiny_llava: Path) -> None:
    with pytest.raises(UserError, match="A folder has no revision abc") as seen:
        read(str(tiny_llava), revision="abc")
    assert seen.value.where == str(tiny_llava)


def test_an_adapter_is_loaded_on_the_revision_that_it_names(
    hub: str, tiny_llava: Path, tmp_path: Path
) -> None:
    named = {"base_model_name_or_path": NAME, "revision": "v1"}
    folder = adapter_for(tmp_path / "adapter", tiny_llava, **named)
    assert base_of(str(folder), None) == (NAME, folder)
    assert base_revision(NAME, folder) == "v1"
    assert load(str(folder)).revision.startswith(OLD)
    assert load(hub, adapter=folder).revision.startswith(OLD)
    assert revision_of(str(folder)).startswith(OLD)
    assert load(str(folder), revision=NEW).revision.startswith(NEW)
    assert base_revision("owner/another", folder) == "main"
    assert base_revision(str(tiny_llava), folder) == "main"


def test_the_commit_of_a_model_that_the_cache_lacks_is_not_the_hash_of_nothing(hub: str) -> None:
    assert commit_of(hub, "main") == NEW
    with pytest.raises(UserError, match="commit of the revision main isn't known"):
        commit_of("owner/another", "main")
