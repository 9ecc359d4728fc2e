"""Rewards as what benchmarks of compared answers ask: `bench run REWARD vl_rewardbench`."""

import logging
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.reward.rewarders import (
    OpenedRewarder,
    RewarderSettings,
    identity_of,
    open_rewarder,
)
from groundtune.pipeline.reward.spec import NAME, read_spec
from groundtune.protocols import Images
from groundtune.records import Producer

log = logging.getLogger(__name__)

PREFIX = "reward:"
"""Before the name of an installed package's reward, or a server's URL."""


def is_reward(model: str) -> bool:
    """Return whether a model's name is that of a reward."""
    return model.startswith(PREFIX) or (Path(model) / NAME).is_file()


def open_reward(settings: ModelSettings, images: Images) -> tuple[OpenedRewarder, Producer]:
    """Open the reward that the settings name, and return who it is.

    Raises:
        UserError: there is no such reward, or it can't be used.
    """
    if settings.adapter or settings.revision != "main":
        raise UserError(
            "A reward takes no adapter and no revision.",
            f"{settings.model}: adapter={settings.adapter!r}, revision={settings.revision}",
            "Leave them out: the folder of a reward model has all its weights.",
        )
    name = settings.model.removeprefix(PREFIX)
    folder = Path(name)
    if (folder / NAME).is_file() and read_spec(folder).reading.judging.facts.show != "none":
        log.warning("%s: learnt with facts, which a benchmark has none of: it reads none", name)
    chosen = RewarderSettings(
        rewarder=name, facts="none", device=settings.device, dtype=settings.dtype
    )
    by = Producer(kind="model", name=settings.model, revision=identity_of(chosen))
    return open_rewarder(chosen, images), by
