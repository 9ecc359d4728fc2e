"""The reward of an answer: named components, each normalised over the step's answers, then summed.

A component gives values to whole answers, to places of them, or to both. With credit to claims the
places' values go to the last tokens of their spans; else they are part of the whole's.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from groundtune.engine.changed_tokens import changed_tokens
from groundtune.errors import UserError
from groundtune.feedback.claims import fact_of, facts_of, is_unanswered
from groundtune.feedback.repeats import repeated_claims
from groundtune.pipeline.rl.claims import (
    FirstAnswer,
    is_unread,
    words_outside,
    wrong_claims,
)
from groundtune.pipeline.rl.rules import found, length_factor, symbolic
from groundtune.pipeline.rl.settings import AnswerRewardSettings, LengthGate
from groundtune.protocols import SpanReward
from groundtune.records import Claim, Prompt, Span, SpanKind
from groundtune.train.rl_batch import Rewards
from groundtune.train.rollout import Rollout

SMALLEST = {
    "rejected": 0.5,
    "supported": 0.5,
    "coverage": 0.05,
    "length": 0.05,
    "missing_end": 0.25,
    "repetition": 0.25,
    "symbolic": 0.1,
    "found": 0.05,
    "tokens": 0.01,
}
"""Smallest standard deviation that a component is divided by: what is almost always 0 would
otherwise outweigh all others in the step in which it is not."""


class AnswerToReward(NamedTuple):
    """An answer with what is known about it."""

    rollout: Rollout
    prompt: Prompt
    claims: Sequence[Claim]
    reference: FirstAnswer
    facts: frozenset[str]
    """Questions of all claims that are supported in the group's answers or the reference's."""
    longest: int = 1
    """The most tokens that an answer may have."""


class ComponentValue(NamedTuple):
    """What a component gives to an answer."""

    whole: float = 0.0
    """NaN where it has none."""
    places: tuple[SpanReward, ...] = ()

    @property
    def total(self) -> float:
        """The whole's value and the places'."""
        return self.whole + sum(place.value for place in self.places)


def judge(
    rollouts: Sequence[Rollout],
    prompts: Mapping[str, Prompt],
    claims: Mapping[str, Sequence[Claim]],
    references: Mapping[str, FirstAnswer],
    *,
    longest: int,
    kinds: Sequence[SpanKind] = (),
) -> list[AnswerToReward]:
    """Return the answers with their claims, and the facts that their group and reference know."""
    facts: dict[str, set[str]] = {}
    for rollout in rollouts:
        rollout_facts = facts_of(claims.get(rollout.key, ()), kinds)
        facts.setdefault(rollout.prompt, set()).update(rollout_facts)
    none = FirstAnswer(0, frozenset())
    return [
        AnswerToReward(
            rollout,
            prompts[rollout.prompt],
            claims.get(rollout.key, ()),
            references.get(rollout.prompt, none),
            frozenset(facts[rollout.prompt] | references.get(rollout.prompt, none).facts),
            longest,
        )
        for rollout in rollouts
    ]


def _places(claims: Sequence[Claim], value: float) -> ComponentValue:
    return ComponentValue(places=tuple(SpanReward(each.start, each.end, value) for each in claims))


def _of_kinds(claims: Sequence[Claim], settings: AnswerRewardSettings) -> list[Claim]:
    """Return the claims of the kinds that count, and those that could not be read."""
    kinds = settings.kinds
    return [c for c in claims if not kinds or c.kind in kinds or c.status == "unparsed"]


def _rejected(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    return _places(_of_kinds(wrong_claims(judged.claims), settings), -1.0)


def _supported(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    return _places(_of_kinds(list(facts_of(judged.claims).values()), settings), 1.0)


def _coverage(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    places = _of_kinds(list(facts_of(judged.claims).values()), settings)
    return _places(places, 1 / len(judged.facts)) if judged.facts else ComponentValue()


def _length(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    words = words_outside(judged.rollout.text, judged.claims)
    return ComponentValue(-outside(words, judged.reference.words, settings.gate))


def _tokens(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    factor = length_factor(judged.prompt)
    return ComponentValue(-factor * len(judged.rollout.answer_ids) / judged.longest)


def _missing_end(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    return ComponentValue(-float(judged.rollout.finish == "length"))


def _symbolic(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    return ComponentValue(symbolic(judged.prompt, judged.rollout.text, settings.symbolic_rule))


def _found(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    return ComponentValue(found(judged.prompt, judged.rollout.text))


def _repetition(judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    return _places(repeated_claims(judged.rollout.text, judged.claims), -1.0)


COMPONENTS: dict[str, Callable[[AnswerToReward, AnswerRewardSettings], ComponentValue]] = {
    "rejected": _rejected,
    "supported": _supported,
    "coverage": _coverage,
    "length": _length,
    "missing_end": _missing_end,
    "repetition": _repetition,
    "symbolic": _symbolic,
    "found": _found,
    "tokens": _tokens,
}


OF_CLAIMS = frozenset({"rejected", "supported", "coverage", "length", "repetition"})
"""Components that have no value for an answer whose claims could not be read or checked."""


def _value(name: str, judged: AnswerToReward, settings: AnswerRewardSettings) -> ComponentValue:
    if name in OF_CLAIMS and is_unread(judged.rollout.text, judged.claims):
        return ComponentValue(math.nan)
    return COMPONENTS[name](judged, settings)


def outside(words: int, reference: int, gate: LengthGate) -> float:
    """Return how far a length is outside the gate, as a share of the reference's; 0 inside."""
    if not reference:
        return 0.0
    share = words / reference
    return max(gate.low - share, share - gate.high, 0.0)


def rewards_of(
    judged: Sequence[AnswerToReward],
    settings: AnswerRewardSettings,
    *,
    offsets: Callable[[Rollout], Sequence[tuple[int, int]]] | None,
    more: Mapping[str, Sequence[ComponentValue]],
) -> Rewards:
    """Return the rewards of a step's answers.

    Args:
        judged: All answers of the step, of all processes.
        settings: Components and weights.
        offsets: Returns the characters of a rollout's tokens, for credit to claims; None puts all
            rewards at the answers' ends.
        more: Values of further components, by their names: reward models.

    Raises:
        UserError: too many answers have no reward.
    """
    weights = settings.weights
    values = {
        name: [_value(name, each, settings) for each in judged]
        for name in weights
        if name in COMPONENTS
    } | {name: list(component) for name, component in more.items()}
    totals = {name: [value.total for value in component] for name, component in values.items()}
    counts = [
        all(math.isfinite(component[i]) for component in totals.values())
        for i in range(len(judged))
    ]
    _refuse_unrewarded(totals, counts, settings.most_unrewarded)
    metrics = _metrics(judged, totals, counts, weights)
    if settings.truncated == "mask":
        is_complete = [each.rollout.finish == "stop" for each in judged]
        counts = [
            is_finite and component
            for is_finite, component in zip(counts, is_complete, strict=True)
        ]
    factors = {
        name: weights[name] / _unit(name, [v for v in component if math.isfinite(v)], settings)
        for name, component in totals.items()
    }
    terminal: list[float] = []
    on_tokens: list[tuple[tuple[int, float], ...]] = []
    for i, each in enumerate(judged):
        whole, places = 0.0, list[SpanReward]()
        for name, component in values.items():
            if not counts[i]:
                continue
            whole += factors[name] * component[i].whole
            places += [p._replace(value=factors[name] * p.value) for p in component[i].places]
        if offsets is None:
            whole, places = whole + sum(place.value for place in places), []
        terminal.append(whole)
        on_tokens.append(_on_tokens(places, offsets(each.rollout)) if offsets and places else ())
    return Rewards(
        terminal=tuple(terminal),
        on_tokens=tuple(on_tokens),
        counts=tuple(counts),
        metrics=metrics,
    )


def _unit(name: str, finite: Sequence[float], settings: AnswerRewardSettings) -> float:
    """Return what a component is divided by."""
    if settings.normalise == "none":
        return 1.0
    spread = statistics.stdev(finite) if len(finite) > 1 else 0.0
    return max(spread, SMALLEST.get(name, 1e-3))


def _on_tokens(
    places: Sequence[SpanReward], offsets: Sequence[tuple[int, int]]
) -> tuple[tuple[int, float], ...]:
    """Return the rewards of places on the last token of each; without one on the answer's last."""
    rewards: list[tuple[int, float]] = []
    for place in places:
        touched = changed_tokens(offsets, [Span(start=place.start, end=place.end)])
        last = max((t for t, mark in enumerate(touched) if mark), default=len(offsets) - 1)
        rewards.append((last, place.value))
    return tuple(sorted(rewards))


def _metrics(
    judged: Sequence[AnswerToReward],
    totals: Mapping[str, Sequence[float]],
    counts: Sequence[bool],
    weights: Mapping[str, float],
) -> dict[str, float]:
    """Return the means of a step for the log.

    `reward` is the weighed sum of the components as they are, which steps can be compared by.
    """
    metrics = {
        f"reward/{name}": _mean([v for v in component if math.isfinite(v)])
        for name, component in totals.items()
    }
    metrics["reward"] = sum(weights[name] * metrics[f"reward/{name}"] for name in totals)
    metrics["unrewarded"] = counts.count(False) / len(counts)
    if any(each.claims for each in judged):
        metrics["claims"] = _mean([len({fact_of(c) for c in each.claims}) for each in judged])
        questions = [claim for each in judged for claim in each.claims if claim.question]
        metrics["unanswered"] = _mean([float(is_unanswered(claim)) for claim in questions])
    return metrics


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _refuse_unrewarded(
    totals: Mapping[str, Sequence[float]], counts: Sequence[bool], most: float
) -> None:
    unrewarded = counts.count(False)
    if unrewarded <= most * len(counts):
        return
    bad_names = [
        name for name, component in totals.items() if not all(map(math.isfinite, component))
    ]
    raise UserError(
        f"{unrewarded} of {len(counts)} answers have no reward: a value is not a number.",
        f"rewards: {', '.join(bad_names)}",
        "Check the reward model or labeler on these answers, or raise rewards.most_unrewarded.",
    )
