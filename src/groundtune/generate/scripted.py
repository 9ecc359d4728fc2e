"""A generator that returns the answers of a function, to run pipelines without a model."""

from collections.abc import Callable, Sequence

from groundtune.protocols import Reply, YesNoReply
from groundtune.records import Producer, Prompt, Sampling


class ScriptedGenerator:
    """A `Generator` and a `YesNo` without a model.

    `answer(prompt, seed)` gives a reply's text, of which every word counts as a token; a reply of
    more than `max_new_tokens` words is cut. `p_yes(prompt)` gives the probability of yes, the rest
    is that of no.
    """

    def __init__(
        self,
        answer: Callable[[Prompt, int], str],
        p_yes: Callable[[Prompt], float] = lambda prompt: 0.5,
        *,
        name: str = "scripted",
    ) -> None:
        self.answer = answer
        self.p_yes = p_yes
        self.name = name

    def producer(self, sampling: Sampling, seed: int) -> Producer:
        """The producer of the answers; part of their keys."""
        return Producer(kind="rule", name=self.name, sampling=sampling, seed=seed)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Reply]:
        """Return one reply per prompt, in order."""
        return [
            _cut(self.answer(prompt, seed), sampling.max_new_tokens)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Return one reply per prompt, in order."""
        return [YesNoReply(p, 1 - p) for p in map(self.p_yes, prompts)]


def _cut(text: str, most: int) -> Reply:
    words = text.split(" ")
    if len(words) >= most:
        return Reply(" ".join(words[:most]), most, finished=False)
    return Reply(text, len(words) + 1, finished=True)
