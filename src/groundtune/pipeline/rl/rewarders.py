"""Custom rewards: from a Python caller, or by what `reward score` takes (`pipeline/reward`).

A component's name in `rewards.more` is the folder of a reward model, the name of an installed
package's reward, or a server's URL. A reward model that was trained on the policy's base becomes a
further adapter on it.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groundtune.pipeline.reward.rewarders import OpenedRewarder, RewarderSettings, open_rewarder
from groundtune.pipeline.reward.sharing import LoadedBase, why_apart
from groundtune.pipeline.reward.spec import NAME
from groundtune.pipeline.rl.memory import LoadedModel
from groundtune.protocols import Images, Rewarder, SpanReward
from groundtune.records import Prompt

if TYPE_CHECKING:
    from groundtune.pipeline.reward.model import RewardModel


class OpenedRewards(NamedTuple):
    """The rewarders of a run, by their names."""

    by_name: dict[str, Rewarder]
    models: "dict[str, RewardModel]"
    """Those that are reward models."""
    why_apart: dict[str, str]
    """Why a reward model has a base of its own; "" if it shares the run's."""

    def in_memory(self) -> dict[str, LoadedModel]:
        """Return the reward models by their roles."""
        return {
            f"reward {name}": LoadedModel((model.vlm.model, model.values), self.why_apart[name])
            for name, model in self.models.items()
        }


def reward_folders(weights: Mapping[str, float], rewarders: Collection[str]) -> list[str]:
    """Return the names of `rewards.more` that are reward models' folders and have a weight."""
    return [
        name
        for name, weight in weights.items()
        if weight and name not in rewarders and (Path(name) / NAME).is_file()
    ]


def open_rewarders(
    weights: Mapping[str, float],
    rewarders: Mapping[str, Rewarder],
    images: Images,
    *,
    base: LoadedBase | str,
    device: str,
) -> OpenedRewards:
    """Return the rewarders that have a weight.

    `base` are the weights that reward models share if they fit, or why there are none.

    Raises:
        UserError: a reward can't be opened.
    """
    rewards = OpenedRewards({}, {}, {})
    folders = reward_folders(weights, rewarders)
    for name, weight in weights.items():
        if not weight:
            continue
        if name in rewarders:
            rewards.by_name[name] = rewarders[name]
            continue
        why = ""
        if name in folders:
            why = base if isinstance(base, str) else why_apart(Path(name), base.base)
        settings = RewarderSettings(rewarder=name, device=device)
        shared = None if why or isinstance(base, str) else base
        handle = open_rewarder(settings, images, base=shared)
        rewards.by_name[name] = WrongWordRewards(handle) if handle.by_words else handle.rewarder
        if handle.model is not None:
            rewards.models[name], rewards.why_apart[name] = handle.model, why
    return rewards


class WrongWordRewards:
    """A token-level reward model: a word's reward is minus the probability that it is wrong.

    Its own values are log-odds, whose sum would pay for every right word: for long answers.
    """

    def __init__(self, handle: OpenedRewarder) -> None:
        self._handle = handle

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Return a reward per answer: minus the expected number of its wrong tokens."""
        return self._handle.rewarder.reward(prompts, answers)

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        """Return a reward per word, from -1 to 0."""
        assert self._handle.by_words is not None
        spans = self._handle.by_words.reward_spans(prompts, answers)
        return [[each._replace(value=-_sigmoid(-each.value)) for each in words] for words in spans]


def _sigmoid(value: float) -> float:
    """Return 1 / (1 + exp(-value)); NaN for NaN."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))
