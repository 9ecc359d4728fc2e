"""Options of several commands that say where and how a model runs; unset, the recipe decides."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where the model runs; cyclopts makes an option of each field."""

    engine: Literal["local", "ray"] | None = None
    """Where the model runs: "local" is this process; "ray" has workers of a Ray cluster, with
    engine.gpus, engine.cpus (of each) and engine.address as settings."""
    workers: int | None = None
    """Workers of --engine ray (1)."""

    def settings(self) -> dict[str, object]:
        """By the names of their settings."""
        return {"engine.type": self.engine, "engine.workers": self.workers}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How the model is loaded."""

    adapter: Path | None = None
    """Folder of a peft adapter on the model."""
    revision: str | None = None
    """Branch, tag or commit on the hub (main)."""
    device: str | None = None
    """cpu, cuda, mps or auto."""
    dtype: str | None = None
    """float32, bfloat16, float16 or auto."""

    def settings(self) -> dict[str, object]:
        """By the names of their settings."""
        return {
            "adapter": self.adapter,
            "revision": self.revision,
            "device": self.device,
            "dtype": self.dtype,
        }


ENGINE, LOAD = EngineOptions(), LoadOptions()
"""Where nothing was said."""
