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
    """Whether a prompt asks the question; an empty prompt says nothing and so asks any."""
    if not prompt.strip():
        return True
    before, found, after = prompt.partition(question or prompt)
    if found and not before[-1:].isalnum() and not after[:1].isalnum():
        return True  # as in most files; words take ten times as long
    return _words(question) in _words(prompt)


def _words(text: str) -> str:
    return " " + " ".join(_WORD.findall(text.casefold())) + " "


def refuse_others(
    answers: Sequence[ItemAnswer], ids: Sequence[str], questions: Sequence[str], path: Path
) -> None:
    """Refuses answers whose questions or ids are not the data's, row by row.

    Raises:
        UserError: names the first such answer.
    """
    told = [answer.item.strip() for answer in answers]
    if _are_ids_of(told, ids):
        for row, (answer, mine, theirs) in enumerate(zip(answers, told, ids, strict=True), 1):
            if mine != theirs.strip():
                raise other_question(mine, theirs, row, f"{path}:{answer.row}")
    for row, (answer, question) in enumerate(zip(answers, questions, strict=True), 1):
        prompt = answer.extra.get("question", "")
        if not is_asked(question, prompt):
            raise other_question(prompt, question, row, f"{path}:{answer.row}")


def _are_ids_of(told: Sequence[str], ids: Sequence[str]) -> bool:
    """Whether the answers' ids are meant to be the data's; a tool may number its rows instead."""
    mine, theirs = set(told), {each.strip() for each in ids}
    if "" in mine or "" in theirs:
        return False
    if mine == theirs:
        return True
    is_count = any(list(map(str, range(at, at + len(told)))) == told for at in (0, 1))
    return not is_count and 2 * len(mine & theirs) >= len(mine)


def other_question(prompt: str, question: str, row: int, where: str) -> UserError:
    """The error for an answer that is to something else than the question of its row (from 1)."""
    return UserError(
        "The answers are to other questions, or in another order: this one is to "
        f"{shorten(prompt, _SHOWN)!r}, question {row:,} is {question!r}.",
        where,
        "Sort the answers in the order of the questions, and give the data that they answer. If "
        "the prompt rephrases the question, remove its column.",
    )
