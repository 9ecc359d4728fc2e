from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.models.names import resolve


def test_a_folder_and_a_hub_name_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "checkpoint").mkdir(parents=True)
    assert resolve("runs/checkpoint") == "runs/checkpoint"
    assert resolve("llava-hf/llava-1.5-7b-hf") == "llava-hf/llava-1.5-7b-hf"


def test_a_model_that_the_world_lacks_is_named():
    with pytest.raises(UserError, match="world:nobody"):
        resolve("world:nobody")
