"""Trackers that get training metrics in addition to log.jsonl; each is an optional extra.

A tracker is imported only if the recipe names it, and its own configuration decides where it
writes. A resumed run sends it only the new steps; log.jsonl has all steps.
"""

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from groundtune.errors import UserError
from groundtune.protocols import Logger

TrackerName = Literal["trackio", "wandb", "tensorboard", "mlflow"]

PROJECT = "groundtune"
"""Name of the trackers' project."""


def tracker(name: TrackerName, out: Path, recipe: Mapping[str, Any]) -> Logger:
    """Return a Logger that sends metrics to a tracker; the run is named after its folder `out`.

    Raises:
        UserError: the tracker's package is not installed.
    """
    if name == "tensorboard":
        return _Tensorboard(out, recipe)
    if name == "mlflow":
        return _Mlflow(out, recipe)
    return _WandbLike(name, out, recipe)


def check_tracker(name: TrackerName) -> None:
    """Raise UserError if the tracker's package is not installed, without importing it."""
    if find_spec(name) is None:
        raise _missing(name)


class MultiLogger:
    """A Logger that sends the same metrics to several loggers."""

    def __init__(self, *loggers: Logger) -> None:
        self._loggers = loggers

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log to each logger, in order."""
        for logger in self._loggers:
            logger.log(step, metrics)


class _WandbLike:
    """wandb, and trackio, which has the same functions."""

    def __init__(self, module: str, out: Path, recipe: Mapping[str, Any]) -> None:
        self._module = _import(module, module)
        self._module.init(project=PROJECT, name=out.name, config=dict(recipe))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._module.log(dict(metrics), step=step)


class _Tensorboard:
    def __init__(self, out: Path, recipe: Mapping[str, Any]) -> None:
        writer = _import("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer = writer(log_dir=str(out / "tensorboard"))
        self._writer.add_text("recipe", "\n".join(f"    {k}: {v}" for k, v in recipe.items()))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()


class _Mlflow:
    def __init__(self, out: Path, recipe: Mapping[str, Any]) -> None:
        self._module = _import("mlflow", "mlflow")
        self._module.set_experiment(PROJECT)
        self._module.start_run(run_name=out.name)
        self._module.log_params({name: str(value)[:500] for name, value in recipe.items()})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._module.log_metrics(dict(metrics), step=step)


def _import(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(package) from error


def _missing(package: str) -> UserError:
    return UserError(
        f"The tracker {package} is not installed.",
        "log_to",
        f"Run pip install 'groundtune[{package}]', or remove it: log.jsonl is always written.",
    )
