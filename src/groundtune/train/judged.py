"""Answers as a reward model reads them, for the training loop: comparisons, and marked answers.

Shapes: B examples, T tokens of the longest answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groundtune.engine.rows import PromptRow
from groundtune.methods.bradley_terry import ComparedRewards
from groundtune.methods.wrong_words import MarkedValues
from groundtune.train.reward_head import read_reward
from groundtune.train.reward_kinds import Readout
from groundtune.train.rows import distinct
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt


class JudgedAnswer(NamedTuple):
    """An answer's tokens, those of a request for a score, and the answer's again if read twice."""

    encoded: EncodedAnswer
    length: int
    """Tokens of the answer itself, its end token included."""
    start: int = 0
    """Place of the first token of the answer whose values count: that of the second reading."""

    @property
    def places(self) -> slice:
        """Places of the tokens whose values count, the end token included."""
        return slice(self.start, self.start + self.length)


class ComparedAnswers(NamedTuple):
    """A comparison; of a tie, either is `better`."""

    key: str
    prompt: str
    better: JudgedAnswer
    worse: JudgedAnswer
    tie: bool = False

    @property
    def answers(self) -> tuple[JudgedAnswer, ...]:
        """Both answers."""
        return self.better, self.worse


class MarkedAnswer(NamedTuple):
    """A corrected answer, and which of its tokens are wrong."""

    key: str
    prompt: str
    answer: JudgedAnswer
    wrong: tuple[bool, ...]

    @property
    def answers(self) -> tuple[JudgedAnswer, ...]:
        """The answer."""
        return (self.answer,)


Judged = ComparedAnswers | MarkedAnswer


class JudgedMember(NamedTuple):
    """An example of a row, and the places of its answers there."""

    pair: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """Examples of one prompt: the prompt once, each distinct answer once."""

    rows: tuple[PromptRow, ...]
    members: tuple[JudgedMember, ...]


class JudgedExamples:
    """What comparisons and marked answers have in common: `Examples` without the loss's input."""

    def __init__(
        self,
        examples: Sequence[Judged],
        prompt_of: Callable[[str], EncodedPrompt],
        lengths: Callable[[str], int],
    ) -> None:
        """`prompt_of` encodes the prompt of a key, `lengths` has its number of tokens."""
        self.examples = tuple(examples)
        self._prompt_of = prompt_of
        self._lengths = lengths
        members: dict[str, list[int]] = {}
        for index, example in enumerate(self.examples):
            members.setdefault(example.prompt, []).append(index)
        self.groups = tuple(tuple(each) for each in members.values())
        self._group_of = {i: number for number, each in enumerate(self.groups) for i in each}

    def __len__(self) -> int:
        return len(self.examples)

    def group_of(self, index: int) -> int:
        """Return the index of the example's prompt."""
        return self._group_of[index]

    def tokens(self, members: Sequence[int]) -> int:
        """Return the tokens of a row of these examples."""
        answers = {a.encoded.ids for index in members for a in self.examples[index].answers}
        return self._lengths(self.examples[members[0]].prompt) + sum(map(len, answers))

    def key(self, index: int) -> str:
        """Return the example's key."""
        return self.examples[index].key

    def at_step(self, first: int, batch: Sequence[int]) -> Self:
        """Return the examples: they are the same in each step."""
        return self

    def row(self, members: Sequence[int]) -> JudgedRow:
        """Return the row of several examples of one prompt."""
        examples = [self.examples[index] for index in members]
        answers = distinct([answer.encoded for each in examples for answer in each.answers])
        place = {answer.ids: number for number, answer in enumerate(answers)}
        return JudgedRow(
            rows=(PromptRow(self._prompt_of(examples[0].prompt), answers),),
            members=tuple(
                JudgedMember(index, tuple(place[a.encoded.ids] for a in each.answers))
                for index, each in zip(members, examples, strict=True)
            ),
        )

    def _found(
        self, rows: Sequence[JudgedRow], values: Sequence[Sequence[Tensor]]
    ) -> list[tuple[Judged, list[Tensor]]]:
        """Return each example with the values of its answers' tokens."""
        return [
            (self.examples[member.pair], [values_A[place] for place in member.places])
            for row, values_A in zip(rows, values, strict=True)
            for member in row.members
        ]


class ComparisonExamples(JudgedExamples):
    """`Examples` of comparisons."""

    readout: Readout = "last"

    def collate(
        self, rows: Sequence[JudgedRow], logp: Sequence[Sequence[Tensor]]
    ) -> ComparedRewards:
        """Return the rewards of both answers of each comparison."""
        values_by_example = self._found(rows, logp)
        rewards = [
            [read_reward(v, a.places, self.readout) for v, a in zip(values, e.answers, strict=True)]
            for e, values in values_by_example
        ]
        better_B, worse_B = (torch.stack([sides[side] for sides in rewards]) for side in (0, 1))
        ties = [isinstance(each, ComparedAnswers) and each.tie for each, _ in values_by_example]
        tie_B = torch.tensor(ties, device=better_B.device)
        return ComparedRewards(better_B=better_B, worse_B=worse_B, tie_B=tie_B)


class Marks(JudgedExamples):
    """`Examples` of marked answers."""

    def collate(self, rows: Sequence[JudgedRow], logp: Sequence[Sequence[Tensor]]) -> MarkedValues:
        """Return the values of each answer's tokens with its marks."""
        values, wrong, counted = list[Tensor](), list[Tensor](), list[Tensor]()
        for example, (values_T,) in self._found(rows, logp):
            assert isinstance(example, MarkedAnswer)
            length = example.answer.length - 1  # the end token has no text
            values.append(values_T[example.answer.places][:length])
            wrong.append(torch.tensor(example.wrong[:length], device=values_T.device))
            counted.append(torch.ones(length, dtype=torch.bool, device=values_T.device))
        value_BT, wrong_BT, mask_BT = (
            pad_sequence(each, batch_first=True) for each in (values, wrong, counted)
        )
        return MarkedValues(value_BT=value_BT, wrong_BT=wrong_BT, mask_BT=mask_BT)
