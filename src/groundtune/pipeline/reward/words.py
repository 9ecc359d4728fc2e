"""How well a token-level reward model finds the words that annotators marked.

A word is text between white space. It is wrong if a marked span has one of its characters.
"""

import random
import re
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from groundtune.bench.stats.bootstrap import interval, resamples
from groundtune.pipeline.reward.accuracy import Accuracy, RewardAccuracy
from groundtune.pipeline.reward.data import AnswerWithSpans, Example, RewardData
from groundtune.pipeline.reward.measure import RewardMeasurement
from groundtune.pipeline.reward.model import RewardModel
from groundtune.protocols import Progress, SpanReward, SpanRewarder
from groundtune.records import Span

TUNED_ON = 300
"""Learnt answers, at most, on which the threshold is chosen."""
WORD = re.compile(r"\S+")
METRIC = "word F1"


class WordRewards(NamedTuple):
    """The words of an answer: their values, and which were marked."""

    image: str
    values: tuple[float, ...]
    wrong: tuple[bool, ...]


def measure_words(
    model: RewardModel, data: RewardData, progress: Progress, seed: int
) -> tuple[RewardMeasurement, float]:
    """Return the F1 on held-out corrections, and the threshold chosen on learnt ones."""
    tuned = random.Random(seed).sample(data.training, min(TUNED_ON, len(data.training)))
    progress.start("score learnt answers", total=len(tuned))
    threshold = best_threshold(_words(model, tuned, data, progress))
    return accuracy_of_words(model, data, progress, threshold), threshold


def accuracy_of_words(
    model: SpanRewarder, data: RewardData, progress: Progress, threshold: float = 0.0
) -> RewardMeasurement:
    """Return the F1 on held-out corrections, words below the threshold called wrong."""
    progress.start("score held-out answers", total=len(data.held_out))
    held_words = _words(model, data.held_out, data, progress)
    every = f1([w._replace(values=(-1.0,) * len(w.values)) for w in held_words], 0.0)
    accuracy = f1(held_words, threshold).model_copy(update={"chance": every.value})
    baselines = {"mark every word": every}
    claims = _by_claims(data)
    if claims:
        baselines["words of rejected claims"] = f1(claims, 0.0)
    evaluation = RewardAccuracy(
        accuracy=accuracy,
        buckets={},
        baselines=baselines,
        learnt=len(data.training),
        left_out={why: n for why, n in data.left_out.items() if n},
    )
    values = [value for each in held_words for value in each.values]
    return RewardMeasurement(evaluation, statistics.pstdev(values))


def best_threshold(words: Sequence[WordRewards]) -> float:
    """Return the value below which calling words wrong gives the best F1."""
    values = np.array([value for each in words for value in each.values])
    wrong = np.array([mark for each in words for mark in each.wrong])
    order = np.argsort(values, kind="stable")
    hits = np.cumsum(wrong[order])
    scores = 2 * hits / (np.arange(1, len(values) + 1) + max(1, wrong.sum()))
    best = int(np.argmax(scores))
    after = values[order[best + 1]] if best + 1 < len(values) else values[order[best]] + 1
    return float((values[order[best]] + after) / 2)


def f1(words: Sequence[WordRewards], threshold: float) -> Accuracy:
    """Return the F1 of words below the threshold, with its bootstrap interval over images."""
    images = {image: n for n, image in enumerate(dict.fromkeys(each.image for each in words))}
    sums_I2 = np.zeros((len(images), 2))  # hits; marked plus found
    for each in words:
        is_flagged = [value < threshold for value in each.values]
        hits = sum(c and w for c, w in zip(is_flagged, each.wrong, strict=True))
        sums_I2[images[each.image]] += (hits, sum(is_flagged) + sum(each.wrong))
    draws_R2 = resamples(len(images)) @ sums_I2
    value, draws_R = (_ratio(sums) for sums in (sums_I2.sum(0), draws_R2.T))
    low, high = interval(np.atleast_1d(draws_R), float(value), images=len(images), share=True)
    return Accuracy(
        value=float(value),
        low=max(0.0, low),
        high=min(1.0, high),
        n=sum(len(each.values) for each in words),
        metric=METRIC,
    )


def _ratio(sums: "np.ndarray") -> "np.ndarray":
    return 2 * sums[0] / np.maximum(sums[1], 1)


def _words(
    model: SpanRewarder, examples: Sequence[Example], data: RewardData, progress: Progress
) -> list[WordRewards]:
    with_spans = [each for each in examples if isinstance(each, AnswerWithSpans)]
    rewards: list[WordRewards] = []
    for first in range(0, len(with_spans), 64):
        some = with_spans[first : first + 64]
        prompts = [data.prompts[each.prompt] for each in some]
        spans = model.reward_spans(prompts, [each.text for each in some])
        rewards += [
            _of(each, word_spans, "+".join(prompt.images) or prompt.key)
            for each, word_spans, prompt in zip(some, spans, prompts, strict=True)
        ]
        progress.advance(len(some))
    return rewards


def _of(example: AnswerWithSpans, spans: Iterable[SpanReward], image: str) -> WordRewards:
    words = list(spans)
    wrong = tuple(touches(each.start, each.end, example.wrong) for each in words)
    return WordRewards(image, tuple(each.value for each in words), wrong)


def touches(start: int, end: int, spans: Iterable[Span]) -> bool:
    """Return whether a span has one of these characters."""
    return any(max(start, span.start) < min(end, span.end) for span in spans)


def _by_claims(data: RewardData) -> list[WordRewards]:
    """Return the held-out words with -1 for those of rejected claims; [] without claims."""
    rejected: dict[tuple[str, str], list[Span]] = {}
    texts = {answer.key: (answer.prompt, answer.text) for answer in data.folder.answers.read()}
    for claim in data.folder.claims.read():
        answer_spans = rejected.setdefault(texts[claim.answer], []) if claim.answer in texts else []
        if claim.status == "rejected":
            answer_spans.append(Span(start=claim.start, end=claim.end))
    if not rejected:
        return []
    rewards: list[WordRewards] = []
    for each in data.held_out:
        if isinstance(each, AnswerWithSpans):
            spans = rejected.get((each.prompt, each.text), [])
            words = [word.span() for word in WORD.finditer(each.text)]
            values = tuple(-1.0 if touches(*word, spans) else 1.0 for word in words)
            wrong = tuple(touches(*word, each.wrong) for word in words)
            image = "+".join(data.prompts[each.prompt].images) or each.prompt
            rewards.append(WordRewards(image, values, wrong))
    return rewards
