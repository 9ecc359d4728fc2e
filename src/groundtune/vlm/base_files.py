"""Carry the files of a base model's folder over to what is trained from it, byte for byte.

A processor that was loaded and saved again may differ from its files: without torchvision it has no
video settings, and loading sets the padding. Files that nothing here loads (custom code, extra chat
templates, licences) would be missing. So all files are copied, except weights and what describes
them.
"""

import json
import logging
import os
import shutil
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError
from groundtune.store import checksums
from groundtune.store.json_writing import json_of

if TYPE_CHECKING:
    from groundtune.vlm.load import Vlm

log = logging.getLogger(__name__)

WEIGHTS = (
    *(".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".ot", ".npz"),
    *(".gguf", ".ggml", ".onnx", ".onnx_data", ".onnx.data", ".tflite", ".pkl", ".pickle"),
    *(".safetensors.index.json", ".bin.index.json"),
)
"""Ends of the names of weights, in any format: a copy would be the untrained model's."""

_OF_WEIGHTS = frozenset({"config.json", "adapter_config.json", checksums.NAME})
"""Files that describe the folder's weights; `save_pretrained` writes those of the new weights."""

_CLASS_IN = (
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "tokenizer_config.json",
)
"""Files in which `AutoProcessor` finds the processor's class, apart from config.json."""


def carry_over(vlm: "Vlm", folder: Path, *, destination: Path) -> None:
    """Copy the files of the model's base to `folder`, over what is there.

    `destination` is where the folder will be: a run inside the base's folder is not copied.

    Raises:
        UserError: the base's folder is gone.
    """
    base = base_folder(vlm.name, vlm.revision.split("+")[0])
    if not base.is_dir():
        raise _gone(vlm.name)
    for name in base_files(base, skip=destination):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(base / name, target)
    if not (folder / "config.json").exists():
        _name_class(vlm.processor, folder)


@cache
def base_folder(name: str, revision: str) -> Path:
    """Return the folder of a model's files; those of a hub's model are downloaded if needed.

    Raises:
        UserError: the folder is gone, or the hub's files are not in the cache and can't be fetched.
    """
    assert name, "the model has no folder or hub name"
    folder = Path(name)
    if folder.is_dir():
        return folder
    import huggingface_hub

    hub: Any = huggingface_hub
    if hub.constants.HF_HUB_OFFLINE:
        log.warning(
            "the hub is not asked (HF_HUB_OFFLINE): the result gets only those files of %s that "
            "are in the cache",
            name,
        )
    ignored = [f"*{end}" for end in WEIGHTS]
    try:  # without a network this is the cache's folder, and the hub's library warns
        return Path(hub.snapshot_download(name, revision=revision, ignore_patterns=ignored))
    except (OSError, ValueError) as error:
        raise _gone(name) from error


def _gone(name: str) -> UserError:
    return UserError(
        "The base model's files can't be read.",
        name,
        "Restore the folder, or connect to the hub, and run the same command again.",
    )


def base_files(base: Path, *, skip: Path | None = None) -> list[Path]:
    """Return the names of the files that are carried over, relative to `base`, sorted.

    Hidden folders, folders of runs, and those that contain `skip` are left out.
    """
    paths: list[Path] = []
    for place, folders, files in os.walk(base):
        here = Path(place)
        folders[:] = [each for each in folders if not _is_other(here / each, skip)]
        paths += [here / name for name in files if not _is_of_weights(name)]
    return sorted(path.relative_to(base) for path in paths)


def _is_of_weights(name: str) -> bool:
    return name in _OF_WEIGHTS or name.lower().endswith(WEIGHTS)


def _is_other(folder: Path, skip: Path | None) -> bool:
    """Return whether the folder isn't the model's: hidden, a run, or one that contains `skip`."""
    inside = skip is not None and skip.resolve().is_relative_to(folder.resolve())
    return folder.name.startswith(".") or inside or (folder / "run.json").exists()


def _name_class(processor: Any, folder: Path) -> None:
    """Name the processor's class where the base names it only by config.json, which isn't here."""
    for name in _CLASS_IN:
        with suppress(FileNotFoundError, ValueError, AttributeError):
            settings = json.loads((folder / name).read_bytes())
            if settings.get("processor_class") or settings.get("auto_map"):
                return
    file = folder / "processor_config.json"
    if not file.exists():
        text = json_of({"processor_class": type(processor).__name__})
        file.write_text(text, encoding="utf-8")
