"""A trained reward model on its held-out examples: accuracy, baselines, recorded scores."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.reward.accuracy import (
    Margin,
    RewardAccuracy,
    accuracy,
    by_difference,
    by_length,
    by_words,
    calibration,
)
from groundtune.pipeline.reward.data import AnswerPair, Example, RewardData
from groundtune.pipeline.reward.judging import RewardRequests
from groundtune.pipeline.reward.model import Reads, RewardModel
from groundtune.pipeline.reward.spec import Probe
from groundtune.protocols import Progress, Rewarder

CLAIMS = "checked claims"
"""The rule by which fewer rejected claims win, then more supported ones."""
AT_ONCE = 200
"""Comparisons between two signs of progress."""


class RewardMeasurement(NamedTuple):
    """The evaluation, and the standard deviation of the scores."""

    evaluation: RewardAccuracy
    spread: float


def measure(model: Rewarder, data: RewardData, progress: Progress) -> RewardMeasurement:
    """Return a rewarder's figures on the held-out comparisons that are no ties.

    Raises:
        UserError: all are ties, or an answer has no reward.
    """
    comparisons = [each for each in data.held_out if isinstance(each, AnswerPair) and not each.tie]
    texts = [(each.prompt, text) for each in comparisons for text in (each.better, each.worse)]
    distinct = list(dict.fromkeys(texts))
    progress.start("score held-out answers", total=len(distinct))
    rewards: dict[tuple[str, str], float] = {}
    prompts = [data.prompts[key] for key, _ in distinct]
    values = model.reward(prompts, [text for _, text in distinct])
    _refuse_unrewarded(comparisons, values, data)
    rewards = dict(zip(distinct, values, strict=True))
    progress.advance(len(distinct))
    margins = [
        Margin(
            image="+".join(data.prompts[each.prompt].images) or each.prompt,
            better=rewards[each.prompt, each.better],
            worse=rewards[each.prompt, each.worse],
            words=len(each.better.split()) - len(each.worse.split()),
            differs=each.differs,
        )
        for each in comparisons
    ]
    baselines = _baselines(comparisons, margins, data)
    evaluation = RewardAccuracy(
        accuracy=accuracy(margins),
        buckets=by_length(margins),
        groups=by_difference(margins),
        baselines={name: accuracy(rows) for name, rows in baselines.items()},
        baseline_buckets={CLAIMS: by_length(baselines[CLAIMS])} if CLAIMS in baselines else {},
        calibration=calibration(margins),
        learnt=len(data.training),
        left_out={why: n for why, n in data.left_out.items() if n},
    )
    return RewardMeasurement(evaluation, statistics.pstdev(values))


def _refuse_unrewarded(
    comparisons: Sequence[AnswerPair], values: Sequence[float], data: RewardData
) -> None:
    unrewarded = sum(not math.isfinite(value) for value in values)
    if comparisons and not unrewarded:
        return
    raise UserError(
        f"{unrewarded} of {len(values)} answers have no reward: a value is not a number."
        if comparisons
        else "No held-out comparison has a better answer.",
        str(data.folder.path),
        "Check who scores on these answers."
        if comparisons
        else "Compare more answers, or hold out more of them.",
    )


def _baselines(
    comparisons: Sequence[AnswerPair], margins: Sequence[Margin], data: RewardData
) -> dict[str, list[Margin]]:
    """Return the comparisons as rules without a model see them, by the rule."""
    shorter = [
        len(each.better.split()) - len(each.worse.split())
        for each in data.training
        if isinstance(each, AnswerPair) and not each.tie
    ]
    wins = sum(words < 0 for words in shorter) >= sum(words > 0 for words in shorter)
    rules = {("shorter wins" if wins else "longer wins"): by_words(margins, shorter_wins=wins)}
    tallies = _tallies(data)
    by_claims = [
        m._replace(better=tallies[e.prompt, e.better], worse=tallies[e.prompt, e.worse])
        for e, m in zip(comparisons, margins, strict=True)
        if {(e.prompt, e.better), (e.prompt, e.worse)} <= tallies.keys()
    ]
    if by_claims:
        rules[CLAIMS] = by_claims
    return rules


def _tallies(data: RewardData) -> Mapping[tuple[str, str], float]:
    """Return a reward of checked claims by prompt and text; empty where none were checked."""
    from groundtune.feedback.claims import by_answer, claim_reward, tally

    claims = data.folder.claims.read()
    if not claims:
        return {}
    groups = by_answer(claims)
    rewards: dict[tuple[str, str], float] = {}
    for answer in data.folder.answers.read():
        if answer.key in groups:
            rewards[answer.prompt, answer.text] = claim_reward(tally(groups[answer.key]))
    return rewards


def probes_of(
    model: RewardModel,
    judging: RewardRequests,
    examples: Sequence[Example],
    data: RewardData,
    number: int,
) -> tuple[Probe, ...]:
    """Return the first held-out answers with their scores."""
    probes: list[Probe] = []
    for example in examples[:number]:
        text = example.better if isinstance(example, AnswerPair) else example.text
        prompt = data.prompts[example.prompt]
        reads = Reads(judging.prompt(prompt), text, judging.request(prompt, text))
        probes.append(
            Probe(prompt=reads.prompt, answer=text, request=reads.request, score=model.probe(reads))
        )
    return tuple(probes)
