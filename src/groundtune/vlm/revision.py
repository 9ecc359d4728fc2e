"""The revision of a model: the hub's commit, or a hash over a folder's weights and settings."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.store.checksums import sha256_of

MAIN = "main"
"""The revision of a model on the hub if none is named."""
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


def commit_of(name: str, revision: str) -> str:
    """Return the commit of a hub's model whose configuration was just read, or a folder's hash.

    Raises:
        UserError: the cache doesn't say which commit it is.
    """
    folder = Path(name)
    if folder.exists():
        return hash_of_folder(folder)
    import huggingface_hub

    file = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(file, str):  # the hash of no files would be that of every such model
        raise UserError(
            f"The commit of the revision {revision} isn't known: the hub's cache doesn't say it.",
            name,
            "Download the model with `hf download`, or name a folder.",
        )
    return Path(file).parent.name


def base_revision(name: str, adapter: Path | None, revision: str = MAIN) -> str:
    """Return `revision`; for "main", the one of the base `name` that an adapter names, if any.

    Peft notes one in an adapter's configuration.
    """
    if revision != MAIN or adapter is None or Path(name).exists():
        return revision
    with suppress(OSError, ValueError, RecursionError, AttributeError):  # others check the file
        config = json.loads((adapter / "adapter_config.json").read_bytes())
        if config.get("base_model_name_or_path") == name:
            return str(config.get("revision") or MAIN)
    return MAIN


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
