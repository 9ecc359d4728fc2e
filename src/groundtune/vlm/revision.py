"""Which model a folder holds: a hash over its weights and its settings."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

_SETTINGS = ("config.json", "adapter_config.json")
_OF_NO_WEIGHT = {
    "_name_or_path",
    "base_model_name_or_path",
    "dtype",
    "peft_version",
    "torch_dtype",
    "transformers_version",
}
"""Settings that say where a checkpoint came from or how it was saved, not what it does."""


def hash_of_folder(folder: Path) -> str:
    """16 hex digits over the folder's safetensors files and what its settings say of the model."""
    digest = hashlib.sha256()
    for name in _SETTINGS:
        with suppress(FileNotFoundError, ValueError):
            settings = _plain(json.loads((folder / name).read_bytes()))
            digest.update(name.encode() + json.dumps(settings, sort_keys=True).encode())
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _plain(settings: Any) -> Any:
    """Settings, and those inside them, without what tells nothing of what a model does."""
    if isinstance(settings, list):
        return [_plain(each) for each in cast("list[Any]", settings)]
    if not isinstance(settings, dict):
        return settings
    known = cast("dict[str, Any]", settings).items()
    return {name: _plain(value) for name, value in known if name not in _OF_NO_WEIGHT}
