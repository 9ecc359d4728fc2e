"""Judgements of VL-RewardBench's pairs: calls of a judge, or a reward model's scores."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from groundtune.bench.benchmark import RewardReplies
from groundtune.bench.files.answers import ITEM_COLUMNS, answers_of
from groundtune.bench.files.checks import by_id
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.tasks.vl_rewardbench.pairs import (
    Identity,
    OrderedPair,
    identity_of,
    numbers_in,
    question_of,
    texts_in,
)
from groundtune.errors import UserError
from groundtune.protocols import Rewarder
from groundtune.records import Prompt
from groundtune.store.json_writing import json_of
from groundtune.store.rows import Row, plain
from groundtune.store.sheets import rows_of

_VERDICT = re.compile(
    r"(?:Overall Judgment|Therefore).*Answer\s*(\d+)\s*is\s*(?:the\s*)?(?:slightly\s*)?better",
    re.IGNORECASE,
)
_LAYOUT = "Give the lines of inference_hf.py, rows of item and answer, or rows of id and scores."


class Call(NamedTuple):
    """One judgement of a pair."""

    line: int
    """Line of its file, from 0."""
    swapped: bool
    text: str


def read_answers(path: Path, data: Sequence[OrderedPair]) -> list[ItemAnswer]:
    """The answers to both orders of each pair, from any of the three layouts.

    Raises:
        UserError: a row has no known layout, is about a pair that the data lacks, or a pair has no
            answers.
    """
    first = next(iter(rows_of(path)), None)
    fields = _object(None) if first is None else _unwrap(first)
    if "meta" in fields:
        return _of_calls(path, data)
    if "scores" in fields:
        return _of_scores(path, data)
    rows = list(answers_of(path, item=("item", *ITEM_COLUMNS)))
    return by_id(rows, [showing.item for showing in data], path)


def _unwrap(row: Row) -> Mapping[str, Any]:
    return _object(row.fields.get("0")) or row.fields


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _of_calls(path: Path, data: Sequence[OrderedPair]) -> list[ItemAnswer]:
    calls: dict[Identity, list[Call]] = {}
    identities = {showing.pair.identity for showing in data}
    for line, row in enumerate(rows_of(path)):
        fields = _unwrap(row)
        meta = _object(fields.get("meta"))
        text: object = meta.get("filter_choice")
        order: object = meta.get("random_number")
        if not isinstance(text, str) or order not in (0, 1):
            raise UserError("The row has no judgement.", row.where, _LAYOUT)
        responses = texts_in(fields.get("response"))
        identity = identity_of(plain(fields.get("id")), plain(fields.get("query")), responses)
        if identity not in identities:
            problem = f"The row is of a pair that the data lacks: {identity[0]!r}."
            raise UserError(problem, row.where, "Give the data that was judged.")
        calls.setdefault(identity, []).append(Call(line, bool(order), text))
    missing = [showing.item for showing in data if showing.pair.identity not in calls]
    if missing:
        problem = f"{len(missing) // 2} pairs have no judgement, the first is {missing[0]!r}."
        raise UserError(problem, str(path), "Judge every pair.")
    return [_answer_of(showing, calls[showing.pair.identity]) for showing in data]


def _answer_of(showing: OrderedPair, calls: Sequence[Call]) -> ItemAnswer:
    """The text is the first call in the showing's order; the pair's calls are attached."""
    texts_in_order = [call.text for call in calls if call.swapped == showing.swapped]
    extra = {"calls": json_of(calls)}
    return ItemAnswer(
        text=texts_in_order[0] if texts_in_order else "", item=showing.item, extra=extra
    )


def _of_scores(path: Path, data: Sequence[OrderedPair]) -> list[ItemAnswer]:
    answers: list[ItemAnswer] = []
    for row in rows_of(path):
        scores = numbers_in(row.fields.get("scores"))
        if len(scores) != 2 or not np.isfinite(scores).all():
            raise UserError("The row has not two scores that are numbers.", row.where, _LAYOUT)
        name = plain(row.fields.get("id"))
        for number, ordered_scores in ((1, scores), (2, scores[::-1])):
            text = _judgement(ordered_scores[0], ordered_scores[1])
            answers.append(ItemAnswer(text=text, item=f"{name}/{number}", row=row.number))
    return by_id(answers, [showing.item for showing in data], path)


def calls_in(answers: Sequence[ItemAnswer], place: int) -> list[Call]:
    """Return the calls about a pair from its two answers; `place` orders those without a file."""
    stored_calls = answers[0].extra.get("calls")
    if stored_calls:
        return [Call(line, bool(swapped), text) for line, swapped, text in json.loads(stored_calls)]
    return [
        Call(place + swapped, bool(swapped), answer.text) for swapped, answer in enumerate(answers)
    ]


def rewarded(
    data: Sequence[OrderedPair], items: Sequence[Item], rewarder: Rewarder
) -> RewardReplies:
    """Return the replies of a reward model: the answer with the higher reward is better.

    Both orders of a pair get the rewards of one call.
    """
    orders = {item.prompt.key: (ordered, item) for ordered, item in zip(data, items, strict=True)}
    stored: dict[str, Sequence[float]] = {}

    def replies(prompts: Sequence[Prompt]) -> list[str]:
        batch = [orders[prompt.key] for prompt in prompts]
        pairs = {o.pair.id: (o.pair, item) for o, item in batch if o.pair.id not in stored}
        questions = [question_of(pair, item) for pair, item in pairs.values() for _ in range(2)]
        texts = [text for pair, _ in pairs.values() for text in pair.responses]
        rewards = rewarder.reward(questions, texts) if texts else []
        stored.update(zip(pairs, zip(rewards[::2], rewards[1::2], strict=True), strict=True))
        return [
            _judgement(*(stored[o.pair.id][::-1] if o.swapped else stored[o.pair.id]))
            for o, _ in batch
        ]

    return replies


def _judgement(first: float, second: float) -> str:
    """A reward model's scores, in the order shown, as a judge's words: the higher is better."""
    if not np.isfinite([first, second]).all():
        return "An answer has no reward."
    scores = f"The scores are {first} and {second}."
    if first == second:
        return f"{scores} Overall Judgment: both answers are as good."
    return f"{scores} Overall Judgment: Answer {1 if first > second else 2} is better."


def verdict(text: str) -> int | None:
    """Return the number of the answer that a judgement calls better; None if unreadable.

    A number of more than nine digits becomes 0, which is no answer's.
    """
    matches = _VERDICT.search(text.replace("\n", "").replace("*", ""))
    if matches is None:
        return None
    return int(matches[1]) if len(matches[1]) <= 9 else 0
