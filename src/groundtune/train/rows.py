"""Pairs of one prompt as a row, and scored rows as what a method's loss takes.

A row is the prompt once and each distinct answer once, however many of its pairs share it. A view
of a method (a changed image) is a row of its own, with the chosen answers alone.

Shapes: B pairs, T tokens of the longest answer of a side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groundtune.engine.rows import PromptRow
from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs
from groundtune.train.data import EncodedPairs, TokenPair
from groundtune.vlm.encoded import EncodedAnswer


class References(Protocol):
    """The reference's log-probabilities of the answers' tokens, shape (T,) each, fp32."""

    def of(self, index: int, side: str, view: str = "") -> Tensor:
        """Those of a pair's chosen or rejected answer, under a view or ("") the image itself."""
        ...


class Member(NamedTuple):
    """A pair of a row, and where its answers stand among those of the row and of its views."""

    pair: int
    chosen: int
    rejected: int
    viewed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """What is run for some pairs of one prompt, and which pair needs what of it."""

    rows: tuple[PromptRow, ...]
    """The prompt with all distinct answers; then, for each view, with the distinct chosen ones."""
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPairs:
    """All pairs of a run, as the loop asks for them."""

    encoded: EncodedPairs
    references: References | None
    """None where the method needs none."""
    needs: frozenset[Need] = field(default_factory=frozenset[Need])
    """What the method needs: severities and scores are handed over only where they are needed."""

    @property
    def groups(self) -> Sequence[Sequence[int]]:
        """Indices of the pairs of each prompt."""
        return self.encoded.groups

    def group_of(self, index: int) -> int:
        """Which prompt a pair belongs to."""
        return self.encoded.group_of(index)

    def tokens(self, members: Sequence[int]) -> int:
        """Tokens that a row of these pairs takes, its views included."""
        return self.encoded.row_tokens(members)

    def row(self, members: Sequence[int]) -> TrainingRow:
        """The row of some pairs of one prompt."""
        pairs = [self.encoded.pair(index) for index in members]
        answers = distinct([answer for pair in pairs for answer in (pair.chosen, pair.rejected)])
        viewed = distinct([pair.chosen for pair in pairs])
        place = {answer.ids: number for number, answer in enumerate(answers)}
        view_place = {answer.ids: number for number, answer in enumerate(viewed)}
        first = members[0]
        rows = [PromptRow(self.encoded.prompt(first), answers)]
        rows += [PromptRow(self.encoded.prompt(first, view), viewed) for view in self.encoded.views]
        return TrainingRow(
            rows=tuple(rows),
            members=tuple(
                Member(
                    pair=index,
                    chosen=place[pair.chosen.ids],
                    rejected=place[pair.rejected.ids],
                    viewed=view_place[pair.chosen.ids],
                )
                for index, pair in zip(members, pairs, strict=True)
            ),
        )

    def collate(
        self, rows: Sequence[TrainingRow], logp: Sequence[Sequence[Tensor]]
    ) -> PairLogProbs:
        """What the loss takes, of the log-probabilities of all the rows' rows in their order."""
        each = iter(logp)
        scored = [[next(each) for _ in row.rows] for row in rows]
        found = [
            (member, own) for row, own in zip(rows, scored, strict=True) for member in row.members
        ]
        return PairLogProbs(
            chosen=self._side("chosen", [(m.pair, own[0][m.chosen]) for m, own in found]),
            rejected=self._side("rejected", [(m.pair, own[0][m.rejected]) for m, own in found]),
            chosen_views={
                view: self._side("chosen", [(m.pair, own[n][m.viewed]) for m, own in found], view)
                for n, view in enumerate(self.encoded.views, start=1)
            },
        )

    def _side(
        self, side: str, scored: Sequence[tuple[int, Tensor]], view: str = ""
    ) -> AnswerLogProbs:
        logp = [each for _, each in scored]
        pairs = [self.encoded.pair(index) for index, _ in scored]
        device = logp[0].device
        refs = [self.references.of(i, side, view) for i, _ in scored] if self.references else None
        return AnswerLogProbs(
            logp_BT=pad_sequence(logp, batch_first=True),
            ref_BT=None if refs is None else pad_sequence(refs, batch_first=True).to(device),
            mask_BT=_padded([_of(pair, side).counted for pair in pairs], device),
            changed_BT=_padded([_of(pair, side).changed for pair in pairs], device),
            severity_B=self._numbers("severity", [_of(p, side).severity for p in pairs], device),
            score_B=self._numbers("scores", [_of(p, side).score for p in pairs], device),
        )

    def _numbers(
        self, need: Need, values: Sequence[float | None], device: torch.device
    ) -> Tensor | None:
        """A number an answer where the method needs it; NaN where an answer has none."""
        if need not in self.needs:
            return None
        known = [float("nan") if value is None else value for value in values]
        return torch.tensor(known, dtype=torch.float64, device=device)


class _Side(NamedTuple):
    counted: tuple[bool, ...]
    changed: tuple[bool, ...]
    severity: float | None
    score: float | None


def _of(pair: TokenPair, side: str) -> _Side:
    if side == "chosen":
        return _Side(pair.chosen_counted, pair.chosen_changed, None, pair.chosen_score)
    return _Side(pair.rejected_counted, pair.rejected_changed, pair.severity, pair.rejected_score)


def _padded(rows: Sequence[Sequence[bool]], device: torch.device) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(device)


def distinct(answers: Sequence[EncodedAnswer]) -> tuple[EncodedAnswer, ...]:
    """The answers without repetition (of their tokens), in order."""
    found: dict[tuple[int, ...], EncodedAnswer] = {}
    for answer in answers:
        found.setdefault(answer.ids, answer)
    return tuple(found.values())
