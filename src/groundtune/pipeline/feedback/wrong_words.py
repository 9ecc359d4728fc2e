"""Claims without a labeler: a token-level reward model says which words of an answer are wrong.

Each run of wrong words is a rejected claim, and each sentence without any is a supported one.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundtune.pipeline.reward.rewarders import RewarderSettings, identity_of
from groundtune.pipeline.reward.spec import NAME, read_spec
from groundtune.protocols import Images, SpanReward, SpanRewarder, Statement, YesNoReply
from groundtune.records import Answer, Producer, Prompt, Sampling

_SENTENCE = re.compile(r"[^.!?]+[.!?]*\s*")


def finds_words(name: str) -> bool:
    """Return whether a labeler's name is the folder of a token-level reward model."""
    folder = Path(name)
    return (folder / NAME).is_file() and read_spec(folder).reading.learn == "words"


def open_words(name: str, images: Images, device: str, dtype: str) -> "WordDivider":
    """Load the token-level reward model of a folder.

    Raises:
        UserError: as `load_reward_model`.
    """
    from groundtune.pipeline.reward.model import load_reward_model

    model = load_reward_model(Path(name), images, device=device, dtype=dtype)
    revision = identity_of(RewarderSettings(rewarder=name))
    return WordDivider(model, Producer(kind="model", name=name, revision=revision))


class WordDivider:
    """A `Divider` whose statements have their verdicts, and the labeler that is never asked."""

    def __init__(self, model: SpanRewarder, by: Producer) -> None:
        self.model = model
        self._by = by

    def producer(self, sampling: Sampling | None = None, seed: int = 0) -> Producer:
        """Return the reward model and its revision."""
        return self._by

    def divide(self, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> list[list[Statement]]:
        """Return the runs of wrong words and the sentences without any, in order."""
        spans = self.model.reward_spans(prompts, [answer.text for answer in answers])
        return [
            sorted(_statements(answer.text, words))
            for answer, words in zip(answers, spans, strict=True)
        ]

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        """Raise AssertionError: every statement has its verdict."""
        raise AssertionError("a token-level reward model answers no questions")


def _statements(text: str, words: Sequence[SpanReward]) -> Iterator[Statement]:
    run: list[SpanReward] = []
    for word in [*words, SpanReward(len(text), len(text), math.inf)]:
        if word.value < 0:
            run.append(word)
        elif run:
            start, end = run[0].start, run[-1].end
            yield Statement(start, end, text[start:end], status="rejected")
            run = []
    for sentence in _SENTENCE.finditer(text):
        sentence_words = [w for w in words if w.start < sentence.end() and sentence.start() < w.end]
        if sentence_words and all(word.value >= 0 for word in sentence_words):
            start, end = sentence_words[0].start, sentence_words[-1].end
            yield Statement(start, end, text[start:end], status="supported")
