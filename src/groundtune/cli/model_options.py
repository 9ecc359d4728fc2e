"""Options of several commands for where and how a model runs; unset, the recipe decides."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Group, Parameter

MODEL_GROUP = Group("Model options", sort_key=1000)


@Parameter(name="*", group=MODEL_GROUP)
@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where the model runs; cyclopts makes an option of each field."""

    engine: Literal["local", "ray"] | None = None
    """Where the model runs: in this process (local), or on the workers of a Ray cluster (ray),
    configured with engine.gpus, engine.cpus and engine.address."""
    workers: int | None = None
    """Number of Ray workers (default 1)."""

    def settings(self) -> dict[str, object]:
        """By the names of their settings."""
        return {"engine.type": self.engine, "engine.workers": self.workers}


@Parameter(name="*", group=MODEL_GROUP)
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How the model is loaded and asked."""

    adapter: Path | None = None
    """Folder of a PEFT adapter to load on the model."""
    revision: str | None = None
    """Branch, tag or commit on the Hugging Face hub (default main)."""
    device: str | None = None
    """cpu, cuda, mps or auto (default auto)."""
    dtype: str | None = None
    """float32, bfloat16, float16 or auto (default auto)."""
    batch_size: int | None = None
    """Answers or questions at once; changes only speed and memory (default 16)."""

    def settings(self) -> dict[str, object]:
        """By the names of their settings."""
        return asdict(self)


ENGINE, MODEL = EngineOptions(), ModelOptions()
"""No option is set."""
