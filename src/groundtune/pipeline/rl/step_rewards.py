"""Rewards a step's answers: claims are checked by the processes' shares, then all are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from groundtune.errors import UserError
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.rl.claims import FirstAnswer, check_claims
from groundtune.pipeline.rl.rewards import ComponentValue, judge, rewards_of
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import Rewarder, SpanRewarder
from groundtune.records import Claim, Prompt
from groundtune.train.parallel import Parallel
from groundtune.train.rl_batch import Rewards
from groundtune.train.rollout import Rollout
from groundtune.vlm.encode import drawn_offsets
from groundtune.vlm.load import Vlm


@runtime_checkable
class _RewardsWords(SpanRewarder, Protocol): ...


@dataclass(frozen=True, kw_only=True)
class StepRewards:
    """The reward function of a run."""

    vlm: Vlm
    prompts: Mapping[str, Prompt]
    references: Mapping[str, FirstAnswer]
    labelling: Labelling | None
    """None if no component needs claims."""
    rewarders: Mapping[str, Rewarder]
    settings: RLSettings
    parallel: Parallel

    def __call__(self, rollouts: Sequence[Rollout]) -> Rewards:
        """Return the rewards of a step's answers, the same in every process.

        Raises:
            UserError: too many answers have no reward.
        """
        groups: dict[str, list[Rollout]] = {}
        for rollout in rollouts:
            groups.setdefault(rollout.prompt, []).append(rollout)
        own_rollouts = [
            rollout for group in self.parallel.share(list(groups.values())) for rollout in group
        ]
        claims: dict[str, list[Claim]] = {}
        for part in self.parallel.gather(self._claims(own_rollouts)):
            claims |= part
        more = {name: self._values(name, own_rollouts) for name in self.rewarders}
        values_by_name: dict[str, dict[str, ComponentValue]] = {name: {} for name in more}
        for part in self.parallel.gather(more):
            for name, values in part.items():
                values_by_name[name] |= values
        by_claims = self.settings.method.credit == "claims"
        return rewards_of(
            judge(
                rollouts,
                self.prompts,
                claims,
                self.references,
                longest=self.settings.sampling.max_new_tokens,
                kinds=self.settings.rewards.kinds,
            ),
            self.settings.rewards,
            offsets=self._offsets if by_claims else None,
            more={
                name: [values[rollout.key] for rollout in rollouts]
                for name, values in values_by_name.items()
            },
        )

    def _claims(self, rollouts: Sequence[Rollout]) -> dict[str, list[Claim]]:
        if self.labelling is None or not rollouts:
            return {}
        texts = [(each.key, self.prompts[each.prompt], each.text) for each in rollouts]
        return check_claims(texts, self.labelling)

    def _values(self, name: str, rollouts: Sequence[Rollout]) -> dict[str, ComponentValue]:
        """Return what a rewarder gives to answers, or to their words."""
        if not rollouts:
            return {}
        rewarder = self.rewarders[name]
        prompts = [self.prompts[each.prompt] for each in rollouts]
        texts = [each.text for each in rollouts]
        if name not in self.settings.rewards.words:
            rewards = rewarder.reward(prompts, texts)
            values = [ComponentValue(each) for each in rewards]
        elif isinstance(rewarder, _RewardsWords):
            values = [
                ComponentValue(places=tuple(spans))
                for spans in rewarder.reward_spans(prompts, texts)
            ]
        else:
            raise UserError(
                f"The reward {name} scores whole answers, not words.",
                "rewards.words",
                "Leave it out of rewards.words, or use a reward model that learnt words.",
            )
        return {each.key: value for each, value in zip(rollouts, values, strict=True)}

    def _offsets(self, rollout: Rollout) -> Sequence[tuple[int, int]]:
        return drawn_offsets(self.vlm, rollout.answer_ids, rollout.text)
