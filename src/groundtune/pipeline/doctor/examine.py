"""Look at the machine: processor, accelerators, memory, disk, packages, and what models fit."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from groundtune.pipeline.doctor.extras import extras
from groundtune.pipeline.models.sizes import FREE_SHARE, MODELS, ModelSize, sizes_of_known
from groundtune.pipeline.runs.jobs import cores
from groundtune.records import Record
from groundtune.train.estimate import memory
from groundtune.vlm.device import memory_here, ram_gb

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "pyarrow", "torchvision")
ENOUGH_DISK_GB = 30
"""A checkpoint of 7 billion weights in 16 bits, and as much again for the run."""
TOKENS = 2048
"""Of a forward pass in the estimates of what fits."""
RANK = 64


class Check(Record):
    """One thing that was looked at."""

    state: Literal["ok", "note", "problem"]
    """A note costs speed or a feature; a problem stops commands."""
    name: str
    found: str
    fix: str = ""


class Fit(Record):
    """What of a model fits into this machine's memory, by estimates."""

    model: str
    answers: bool
    """Whether it can generate and label with dtype auto: float32 on a processor."""
    lora: bool
    full: bool
    lora_gb: float
    full_gb: float


class Examination(Record):
    """What `groundtune doctor` found."""

    checks: tuple[Check, ...]
    fits: tuple[Fit, ...]
    memory_gb: float
    """Memory that models have: the accelerator's, or the machine's."""

    @property
    def problems(self) -> int:
        """How many checks found a problem."""
        return sum(check.state == "problem" for check in self.checks)


def examine(folder: Path) -> Examination:
    """Look at this machine, and at the disk of `folder`, where runs will be written."""
    from groundtune.train.precision import device_of, resolve_dtype

    device = device_of("auto")
    there = memory_here(device)
    checks = [
        _python(),
        Check(state="ok", name="system", found=f"{platform.system()} on {platform.machine()}"),
        *_packages(),
        Check(state="ok", name="processor", found=f"{cores()} cores, {ram_gb():.0f} GB memory"),
        _accelerator(device),
        _bfloat16(device),
        *_disk(folder),
        _offline(),
        *(_extra(*each) for each in extras()),
    ]
    answering = 2 if device.type != "cpu" else 4  # as --dtype auto loads them
    training = 2 if resolve_dtype("auto", device) == "bfloat16" else 4
    fits = [
        _fit(name, size, there * FREE_SHARE, answering, training) for name, size in MODELS.items()
    ]
    return Examination(checks=tuple(checks), fits=tuple(fits), memory_gb=round(there, 1))


def _python() -> Check:
    text = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info[:2] != (3, 11):
        return Check(
            state="note",
            name="python",
            found=text,
            fix="The tests ran with Python 3.11; for others only the packages were resolved.",
        )
    return Check(state="ok", name="python", found=text)


def _packages() -> list[Check]:
    checks: list[Check] = []
    for name in ("groundtune", *PACKAGES):
        try:
            checks.append(Check(state="ok", name=name, found=version(name)))
        except PackageNotFoundError:
            fix = {
                "torchvision": "Some model families need it: docs/families.md.",
                "groundtune": "Run pip install -e . in the checkout.",
            }.get(name, f"Run pip install {name}.")
            state = "note" if name in ("torchvision", "groundtune") else "problem"
            checks.append(Check(state=state, name=name, found="not installed", fix=fix))
    return checks


def _accelerator(device: object) -> Check:
    import torch

    kind = str(getattr(device, "type", "cpu"))
    if kind == "cuda":
        names = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
        driver = f"CUDA {torch.version.cuda}" if torch.version.cuda else "ROCm"
        return Check(state="ok", name="accelerator", found=f"{', '.join(names)} ({driver})")
    if kind != "cpu":
        return Check(state="ok", name="accelerator", found=kind)
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        return Check(
            state="problem",
            name="accelerator",
            found=f"there is a GPU, but torch {torch.__version__} can't use it",
            fix="Install a torch for its driver: without PIP_EXTRA_INDEX_URL if it is a build "
            "for the processor (+cpu), or see the start page of PyTorch for the command.",
        )
    return Check(
        state="note",
        name="accelerator",
        found="none: models run on the processor",
        fix="The embedded world and small models work; for models of billions of weights use a "
        "GPU, or an endpoint as the labeler (openai:NAME@URL).",
    )


def _bfloat16(device: object) -> Check:
    from groundtune.train.precision import native_bf16

    if native_bf16(device):  # pyright: ignore[reportArgumentType]
        return Check(state="ok", name="bfloat16", found="native")
    return Check(
        state="note",
        name="bfloat16",
        found="not native: dtype auto is float32 here",
        fix="Keep dtype: auto. bfloat16 would be about 80 times slower on this processor.",
    )


def _disk(folder: Path) -> list[Check]:
    checks: list[Check] = []
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("HF_HOME") or caches / "huggingface")
    for name, place in (("disk for runs", folder), ("disk for models", cache)):
        existing = next(path for path in (place, *place.absolute().parents) if path.is_dir())
        free = shutil.disk_usage(existing).free / 1e9
        few = free < ENOUGH_DISK_GB
        checks.append(
            Check(
                state="note" if few else "ok",
                name=name,
                found=f"{free:.0f} GB free at {existing}",
                fix="A model of 7 billion weights needs about 30 GB." if few else "",
            )
        )
    if not os.access(folder if folder.is_dir() else folder.absolute().parent, os.W_OK):
        checks.append(
            Check(
                state="problem",
                name="folder",
                found=f"{folder} can't be written",
                fix="Change to another folder, or give one with --out.",
            )
        )
    return checks


def _offline() -> Check:
    if os.environ.get("HF_HUB_OFFLINE"):
        return Check(
            state="note",
            name="hub",
            found="HF_HUB_OFFLINE is set: only models in the cache are found",
            fix="Unset it to download models.",
        )
    return Check(state="ok", name="hub", found="models are downloaded when they are named")


def _extra(name: str, enables: str, missing: tuple[str, ...]) -> Check:
    if not missing:
        return Check(state="ok", name=f"extra {name}", found=f"installed: {enables}")
    return Check(
        state="note",
        name=f"extra {name}",
        found=f"not installed: {enables}",
        fix=f"pip install 'groundtune[{name}]'",
    )


def _fit(name: str, size: ModelSize, there: float, answering: int, training: int) -> Fit:
    lora = _training(size, training, full=False)
    full = _training(size, training, full=True)
    return Fit(
        model=name,
        answers=size.weights * answering * 1.15 / 1e9 <= there,
        lora=lora <= there,
        full=full <= there,
        lora_gb=round(lora, 1),
        full_gb=round(full, 1),
    )


def _training(size: ModelSize, bytes_each: int, *, full: bool) -> float:
    from groundtune.engine.head import CHUNK_BYTES

    sizes = sizes_of_known(size, full=full, rank=RANK)
    peak = memory(
        sizes,
        tokens=max(TOKENS, size.image_tokens + 512),
        answer_tokens=400,
        weight_bytes=4 if full else bytes_each,
        compute_bytes=bytes_each,
        mask_bytes=1,
        checkpointing=True,
        chunk_bytes=CHUNK_BYTES,
    )
    return peak / 1e9
