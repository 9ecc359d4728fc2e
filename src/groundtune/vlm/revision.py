"""The revision of a model's folder: a hash over its weights, settings and processor."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from groundtune.store.checksums import sha256_of

_SETTINGS = ("config.json", "adapter_config.json")
_PROCESSOR = (
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What else of a model's folder decides what it reads and answers; an adapter's is the base's."""
_IGNORED_SETTINGS = {
    "_name_or_path",
    "base_model_name_or_path",
    "dtype",
    "peft_version",
    "torch_dtype",
    "transformers_version",
}
"""Settings that describe a checkpoint's origin or how it was saved, not what the model does."""


def hash_of_folder(folder: Path) -> str:
    """Return 16 hex digits: a hash of the folder's weights, settings and, of a model, processor."""
    digest = hashlib.sha256()
    for name in _SETTINGS:
        with suppress(FileNotFoundError, ValueError):
            settings = _plain(json.loads((folder / name).read_bytes()))
            digest.update(name.encode() + json.dumps(settings, sort_keys=True).encode())
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(file.name.encode())
        digest.update(bytes.fromhex(sha256_of(file)))
    if (folder / "config.json").exists():
        for file in (folder / name for name in _PROCESSOR):
            if file.exists():
                digest.update(file.name.encode() + bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()[:16]


def _plain(settings: Any) -> Any:
    """Return the settings, at all levels, without the ignored ones."""
    if isinstance(settings, list):
        return [_plain(each) for each in cast("list[Any]", settings)]
    if not isinstance(settings, dict):
        return settings
    items = cast("dict[str, Any]", settings).items()
    return {name: _plain(value) for name, value in items if name not in _IGNORED_SETTINGS}
