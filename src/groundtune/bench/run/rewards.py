"""A reward as a model that a benchmark of compared answers asks."""

from collections.abc import Sequence
from typing import Any

from groundtune.bench.benchmark import Benchmark, RewardReplies
from groundtune.bench.item import Item
from groundtune.errors import UserError
from groundtune.protocols import Reply, Rewarder
from groundtune.records import Producer, Prompt, Sampling


class RewardGenerator:
    """A `Generator` whose replies say which answer has the higher reward."""

    def __init__(self, replies: RewardReplies, by: Producer) -> None:
        self._replies = replies
        self._by = by

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """Return the reward and its revision; nothing is sampled."""
        return self._by

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """Return one reply per prompt, in order."""
        return [Reply(text, 0, finished=True) for text in self._replies(prompts)]


def reward_generator(
    benchmark: Benchmark[Any], data: Any, items: Sequence[Item], rewarder: Rewarder, by: Producer
) -> RewardGenerator:
    """Return what answers a benchmark's items by rewards."""
    assert benchmark.rewarded is not None, "refuse_unrewarded comes first"
    return RewardGenerator(benchmark.rewarded(data, items, rewarder), by)


def refuse_unrewarded(benchmarks: Sequence[Benchmark[Any]], name: str) -> None:
    """Refuse benchmarks that ask for answers, which a reward model doesn't give.

    Raises:
        UserError: a benchmark doesn't compare answers.
    """
    others = [each.name for each in benchmarks if each.rewarded is None]
    if others:
        raise UserError(
            f"A reward model scores answers and gives none, but {', '.join(others)} asks for some.",
            name,
            "Use vl_rewardbench, or measure it on feedback: groundtune reward measure.",
        )
