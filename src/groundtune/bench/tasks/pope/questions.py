"""Checks that POPE's answers, which are joined by order, belong to their questions.

A prompt asks a question if it contains all its words in order, with any text before and after
("Answer yes or no."); case, spaces and punctuation are ignored. Answers without a question are
joined by order without a check.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError

_WORD = re.compile(r"\w+")
_SHOWN = 120
"""Characters of a prompt that an error shows."""


def is_asked(question: str, prompt: str) -> bool:
    """Whether a prompt asks the question; an empty prompt fits any question."""
    if not prompt.strip():
        return True
    before, match, after = prompt.partition(question or prompt)
    if match and not before[-1:].isalnum() and not after[:1].isalnum():
        return True  # as in most files; words take ten times as long
    return _words(question) in _words(prompt)


def _words(text: str) -> str:
    return " " + " ".join(_WORD.findall(text.casefold())) + " "


def refuse_others(
    answers: Sequence[ItemAnswer], ids: Sequence[str], questions: Sequence[str], path: Path
) -> None:
    """Refuse answers whose questions or ids are not the data's, row by row.

    Raises:
        UserError: names the first such answer.
    """
    answer_ids = [answer.item.strip() for answer in answers]
    if _are_ids_of(answer_ids, ids):
        for row, (answer, answer_id, question_id) in enumerate(
            zip(answers, answer_ids, ids, strict=True), 1
        ):
            if answer_id != question_id.strip():
                raise other_question(answer_id, question_id, row, f"{path}:{answer.row}")
    for row, (answer, question) in enumerate(zip(answers, questions, strict=True), 1):
        prompt = answer.extra.get("question", "")
        if not is_asked(question, prompt):
            raise other_question(prompt, question, row, f"{path}:{answer.row}")


def _are_ids_of(answer_ids: Sequence[str], ids: Sequence[str]) -> bool:
    """Whether the answers' ids are meant to be the data's; a tool may number its rows instead."""
    file_ids, data_ids = set(answer_ids), {question_id.strip() for question_id in ids}
    if "" in file_ids or "" in data_ids:
        return False
    if file_ids == data_ids:
        return True
    is_count = any(list(map(str, range(at, at + len(answer_ids)))) == answer_ids for at in (0, 1))
    return not is_count and 2 * len(file_ids & data_ids) >= len(file_ids)


def other_question(prompt: str, question: str, row: int, where: str) -> UserError:
    """The error for an answer whose question differs from that of its row (from 1)."""
    return UserError(
        "The answers are to other questions, or in another order: this one is to "
        f"{shorten(prompt, _SHOWN)!r}, question {row:,} is {question!r}.",
        where,
        "Sort the answers in the order of the questions, and give the data that they answer. If "
        "the prompt rephrases the question, remove its column.",
    )
