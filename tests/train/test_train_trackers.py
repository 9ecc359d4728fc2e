"""Trackers get each step's metrics, and one that isn't installed is a user's error."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from groundtune.errors import UserError
from groundtune.train.log import JsonlLog, read_log
from groundtune.train.trackers import MultiLogger, TrackerName, tracker

RECIPE = {"model": "some/model", "epochs": 4}


class Recorded(ModuleType):
    """A tracker's module that notes how it is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self.calls.append((name, {"args": args, **kwargs}))


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_wandb_and_trackio_get_the_recipe_and_every_step(
    name: TrackerName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Recorded(name)
    monkeypatch.setitem(sys.modules, name, module)
    tracker(name, tmp_path / "run-7", RECIPE).log(3, {"loss": 0.5})
    assert module.calls == [
        ("init", {"args": (), "project": "groundtune", "name": "run-7", "config": RECIPE}),
        ("log", {"args": ({"loss": 0.5},), "step": 3}),
    ]


def test_mlflow_gets_the_recipe_and_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Recorded("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", module)
    tracker("mlflow", tmp_path / "run-7", RECIPE).log(3, {"loss": 0.5})
    assert module.calls[2] == ("log_params", {"args": ({"model": "some/model", "epochs": "4"},)})
    assert module.calls[3] == ("log_metrics", {"args": ({"loss": 0.5},), "step": 3})


def test_tensorboard_writes_next_to_the_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    tracker("tensorboard", tmp_path, RECIPE).log(3, {"loss": 0.5})
    assert list((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize("name", ["trackio", "wandb", "tensorboard", "mlflow"])
def test_a_tracker_that_is_not_installed_says_how_to_install_it(
    name: TrackerName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"tensorboard": "torch.utils.tensorboard"}.get(name, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError) as raised:
        tracker(name, tmp_path, RECIPE)
    assert f"groundtune[{name}]" in raised.value.fix


def test_several_loggers_get_the_same(tmp_path: Path) -> None:
    seen: list[tuple[int, dict[str, float]]] = []

    class Noted:
        def log(self, step: int, metrics: Mapping[str, float]) -> None:
            seen.append((step, dict(metrics)))

    MultiLogger(JsonlLog(tmp_path / "log.jsonl"), Noted()).log(1, {"loss": 0.25})
    assert seen == [(1, {"loss": 0.25})]
    assert read_log(tmp_path / "log.jsonl") == [{"step": 1, "loss": 0.25}]
