"""What a run is refused for before a model answers: rewards and choices that could mean nothing."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from groundtune.errors import UserError
from groundtune.pipeline.reward.rewarders import RewarderSettings, identity_of
from groundtune.pipeline.reward.spec import read_spec
from groundtune.pipeline.rl.rules import has_key, length_factor
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import Rewarder
from groundtune.records import Prompt

log = logging.getLogger(__name__)


def rewards_marks(settings: RLSettings, rewarders: Mapping[str, Rewarder]) -> dict[str, str]:
    """Return what names each reward of `rewards.more`, by what it is to the run.

    A reward model that is trained again in its folder has another one. Rewards from Python have
    none. Nothing is loaded or written.

    Raises:
        UserError: a name means nothing, a rewarder has no weight, or `value_from` has no reward
            model.
    """
    if settings.value_from:
        read_spec(Path(settings.value_from))
    weights = settings.rewards.more
    unused = sorted(rewarders.keys() - weights.keys())
    if unused:
        raise UserError(
            f"The rewarder {unused[0]} has no weight.", "rewards.more", f"Set {unused[0]}: 1."
        )
    return {
        f"reward {name}": identity_of(RewarderSettings(rewarder=name))
        for name, weight in weights.items()
        if weight and name not in rewarders
    }


def check_prompts(
    settings: RLSettings, prompts: Sequence[Prompt], held_out: Sequence[Prompt]
) -> None:
    """Refuse prompts of which a reward or a choice knows nothing; say what is left out of one.

    Raises:
        UserError: no prompt has an answer key for `rewards.symbolic`, a column `length_bonus` is no
            number, or `choose.by=claims` has no held-out prompt.
    """
    if settings.rewards.symbolic:
        _check_keys(settings, prompts)
    if settings.rewards.tokens:
        _check_length_factors(settings, prompts)
    per_step = settings.prompts_per_step
    if len(prompts) < per_step:
        log.warning("a step has %d prompts, not %d: there are no more", len(prompts), per_step)
    if not (settings.held_out and settings.eval_every):
        return
    if len(held_out) < settings.held_out:
        log.warning(
            "%d of the %d prompts are held out, not %d: at most a quarter is",
            len(held_out),
            len(prompts) + len(held_out),
            settings.held_out,
        )
    if not held_out and settings.choose.by == "claims":
        raise UserError(
            f"None of {len(prompts)} prompts could be held out, so no step can be chosen.",
            "choose.by=claims",
            "Give prompts about four images or more (at most a quarter is held out), or set "
            "choose.by=last.",
        )


def _check_keys(settings: RLSettings, prompts: Sequence[Prompt]) -> None:
    keyed = sum(has_key(prompt) for prompt in prompts)
    if not keyed:
        raise UserError(
            f"None of {len(prompts)} prompts has an answer key, so rewards.symbolic is always 0.",
            settings.prompts or settings.images,
            "Give the rows a column `answer` (a letter, yes or no), or set rewards.symbolic=0.",
        )
    if keyed < len(prompts):
        log.warning(
            "%d of %d prompts have no answer key: their symbolic reward is 0",
            len(prompts) - keyed,
            len(prompts),
        )


def _check_length_factors(settings: RLSettings, prompts: Sequence[Prompt]) -> None:
    for prompt in prompts:
        if not math.isfinite(length_factor(prompt)):
            raise UserError(
                f"The column length_bonus is no number: {prompt.source.extra['length_bonus']!r}.",
                f"{settings.prompts}, prompt {prompt.source.row or prompt.key}",
                "Write a number such as 1 or -0.5, leave it out, or set rewards.tokens=0.",
            )


def refuse_unlearnt(settings: RLSettings, lines: Sequence[Mapping[str, float]]) -> None:
    """Refuse the result of a run whose log has no step in which anything was learnt.

    Raises:
        UserError: in every step the answers to each prompt had equal rewards, or none had one.
    """
    steps = [line for line in lines if "reward" in line]
    if not steps or any("loss" in line for line in steps):
        return
    raise UserError(
        f"Nothing was learnt in {len(steps)} steps: the answers to each prompt had equal rewards.",
        f"rewards: {', '.join(settings.rewards.weights)}",
        "Use rewards that tell this model's answers apart, or raise n.",
    )
