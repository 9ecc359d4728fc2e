"""Custom rewards: from a Python caller, or by what `reward score` takes (`pipeline/reward`).

A component's name in `rewards.more` is the folder of a reward model, the name of an installed
package's reward, or a server's URL.
"""

from collections.abc import Mapping

from groundtune.pipeline.reward.rewarders import RewarderSettings, open_rewarder
from groundtune.protocols import Images, Rewarder


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
            by_name[name] = open_rewarder(settings, images).rewarder
    return by_name
