"""Turn pairs of one prompt into a row, and log-probabilities of rows into a loss's input.

A row has the prompt once and each distinct answer once. A method's view (a changed image) is a
separate row with only the chosen answers, and so is a caption of another data set next to a pair.

Shapes: B pairs, T tokens of the longest chosen (or rejected) answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groundtune.engine.rows import PromptRow
from groundtune.methods.pairwise import AnswerLogProbs, Need, PairLogProbs
from groundtune.train.captions import Captions
from groundtune.train.data import EncodedPairs, TokenPair
from groundtune.vlm.encoded import EncodedAnswer


class References(Protocol):
    """The reference's token log-probabilities of the answers, shape (T,) each, fp32."""

    def of(self, index: int, side: str, view: str = "") -> Tensor:
        """Return those of a pair's chosen or rejected answer, on a view or the image ("")."""
        ...


class Member(NamedTuple):
    """A pair of a row, and the indices of its answers in the row and in its views."""

    pair: int
    chosen: int
    rejected: int
    view_place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """The rows of several pairs of one prompt, and the answers of each pair in them."""

    rows: tuple[PromptRow, ...]
    """The prompt with all distinct answers, then each view with the distinct chosen ones, then the
    caption next to each member, if the run has captions."""
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPairs:
    """All pairs of a run, for the training loop."""

    encoded: EncodedPairs
    references: References | None
    """None if the method needs no reference."""
    needs: frozenset[Need] = field(default_factory=frozenset[Need])
    """What the method needs: severities and ratings are passed only if needed."""
    captions: Captions | None = None
    """Captions of another data set, one next to each pair."""

    @property
    def groups(self) -> Sequence[Sequence[int]]:
        """Indices of the pairs of each prompt."""
        return self.encoded.groups

    def group_of(self, index: int) -> int:
        """Return the index of the pair's prompt."""
        return self.encoded.group_of(index)

    def tokens(self, members: Sequence[int]) -> int:
        """Return the tokens of a row of these pairs, its views included."""
        pair_tokens = self.encoded.row_tokens(members)
        return (
            pair_tokens + sum(map(self.captions.tokens, members)) if self.captions else pair_tokens
        )

    def at_step(self, first: int, batch: Sequence[int]) -> "TrainingPairs":
        """Return the pairs with the captions that are next to them in a step."""
        if self.captions is None:
            return self
        return replace(self, captions=self.captions.at_step(first, batch))

    def key(self, index: int) -> str:
        """Return the pair's key."""
        return self.encoded.pair(index).pair.key

    def row(self, members: Sequence[int]) -> TrainingRow:
        """Return the row of several pairs of one prompt."""
        pairs = [self.encoded.pair(index) for index in members]
        answers = distinct([answer for pair in pairs for answer in (pair.chosen, pair.rejected)])
        view_answers = distinct([pair.chosen for pair in pairs])
        place = {answer.ids: number for number, answer in enumerate(answers)}
        view_place = {answer.ids: number for number, answer in enumerate(view_answers)}
        first = members[0]
        rows = [PromptRow(self.encoded.prompt(first), answers)]
        rows += [
            PromptRow(self.encoded.prompt(first, view), view_answers) for view in self.encoded.views
        ]
        rows += [self.captions.row(index) for index in members] if self.captions else []
        return TrainingRow(
            rows=tuple(rows),
            members=tuple(
                Member(
                    pair=index,
                    chosen=place[pair.chosen.ids],
                    rejected=place[pair.rejected.ids],
                    view_place=view_place[pair.chosen.ids],
                )
                for index, pair in zip(members, pairs, strict=True)
            ),
        )

    def collate(
        self, rows: Sequence[TrainingRow], logp: Sequence[Sequence[Tensor]]
    ) -> PairLogProbs:
        """Return the loss's input from the log-probabilities of all rows, in order."""
        each = iter(logp)
        results = [[next(each) for _ in row.rows] for row in rows]
        members = [
            (member, result)
            for row, result in zip(rows, results, strict=True)
            for member in row.members
        ]
        return PairLogProbs(
            chosen=self._side("chosen", [(m.pair, logps[0][m.chosen]) for m, logps in members]),
            rejected=self._side(
                "rejected", [(m.pair, logps[0][m.rejected]) for m, logps in members]
            ),
            chosen_views={
                view: self._side(
                    "chosen", [(m.pair, logps[n][m.view_place]) for m, logps in members], view
                )
                for n, view in enumerate(self.encoded.views, start=1)
            },
            anchor=self._anchor(rows, results) if self.captions else None,
        )

    def _anchor(
        self, rows: Sequence[TrainingRow], results: Sequence[Sequence[Sequence[Tensor]]]
    ) -> AnswerLogProbs:
        """Collate the captions next to the pairs, given the log-probabilities of all rows."""
        assert self.captions is not None
        logp, pairs = list[Tensor](), list[TokenPair]()
        for row, logps in zip(rows, results, strict=True):
            pairs += [self.captions.pair(member.pair) for member in row.members]
            logp += [answers[0] for answers in logps[-len(row.members) :]]
        return AnswerLogProbs(
            logp_BT=pad_sequence(logp, batch_first=True),
            ref_BT=None,
            mask_BT=_padded([pair.chosen_counted for pair in pairs], logp[0].device),
            changed_BT=_padded([pair.chosen_changed for pair in pairs], logp[0].device),
        )

    def _side(
        self, side: str, logps: Sequence[tuple[int, Tensor]], view: str = ""
    ) -> AnswerLogProbs:
        """Collate the chosen or rejected answers of pairs, given their log-probabilities."""
        logp = [each for _, each in logps]
        pairs = [self.encoded.pair(index) for index, _ in logps]
        device = logp[0].device
        refs = [self.references.of(i, side, view) for i, _ in logps] if self.references else None
        return AnswerLogProbs(
            logp_BT=pad_sequence(logp, batch_first=True),
            ref_BT=None if refs is None else pad_sequence(refs, batch_first=True).to(device),
            mask_BT=_padded([_of(pair, side).counted for pair in pairs], device),
            changed_BT=_padded([_of(pair, side).changed for pair in pairs], device),
            severity_B=self._severities(side, pairs, device),
            rating_B=self._numbers("ratings", [_of(p, side).rating for p in pairs], device),
        )

    def _severities(
        self, side: str, pairs: Sequence[TokenPair], device: torch.device
    ) -> Tensor | None:
        """Return the severities of the answers or of their spans; None if no method needs them."""
        if "severities" in self.needs:
            return self._numbers("severities", [_of(p, side).severity for p in pairs], device)
        spans = [pair.severity if side == "rejected" else None for pair in pairs]
        return self._numbers("severity", spans, device)

    def _numbers(
        self, column: Need, values: Sequence[float | None], device: torch.device
    ) -> Tensor | None:
        """Return a number per answer, NaN if it has none; None if the method doesn't need it."""
        if column not in self.needs:
            return None
        numbers = [float("nan") if value is None else value for value in values]
        return torch.tensor(numbers, dtype=torch.float64, device=device)


class _Side(NamedTuple):
    counted: tuple[bool, ...]
    changed: tuple[bool, ...]
    severity: float | None
    rating: float | None


def _of(pair: TokenPair, side: str) -> _Side:
    if side == "chosen":
        numbers = pair.pair.chosen_severity, pair.pair.chosen_rating
        return _Side(pair.chosen_counted, pair.chosen_changed, *numbers)
    numbers = pair.pair.rejected_severity, pair.pair.rejected_rating
    return _Side(pair.rejected_counted, pair.rejected_changed, *numbers)


def _padded(rows: Sequence[Sequence[bool]], device: torch.device) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(device)


def distinct(answers: Sequence[EncodedAnswer]) -> tuple[EncodedAnswer, ...]:
    """Return the answers with distinct tokens, in order of their first appearance."""
    by_ids: dict[tuple[int, ...], EncodedAnswer] = {}
    for answer in answers:
        by_ids.setdefault(answer.ids, answer)
    return tuple(by_ids.values())
