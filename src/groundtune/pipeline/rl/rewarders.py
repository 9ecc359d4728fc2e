"""Custom rewards: from a Python caller, or by what `reward score` takes (`pipeline/reward`).

A component's name in `rewards.more` is the folder of a reward model, the name of an installed
package's reward, or a server's URL.
"""

import math
from collections.abc import Mapping, Sequence

from groundtune.pipeline.reward.rewarders import OpenedRewarder, RewarderSettings, open_rewarder
from groundtune.protocols import Images, Rewarder, SpanReward
from groundtune.records import Prompt


def open_rewarders(
    weights: Mapping[str, float], rewarders: Mapping[str, Rewarder], images: Images
) -> dict[str, Rewarder]:
    """Return the rewarders that have a weight, by their names.

    Raises:
        UserError: a reward can't be opened.
    """
    by_name: dict[str, Rewarder] = {}
    for name, weight in weights.items():
        if not weight:
            continue
        if name in rewarders:
            by_name[name] = rewarders[name]
        else:
            settings = RewarderSettings(rewarder=name)
            handle = open_rewarder(settings, images)
            by_name[name] = WrongWordRewards(handle) if handle.by_words else handle.rewarder
    return by_name


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
