"""What each tool would print of the same yes/no answers, and on which answers they part.

A benchmark's result is read by one rule; `yes_no.py` has those of the others. For each tool
this counts the answers that it takes for right and those that it can't read, which most tools count
as wrong, and shows the answers that are read differently, the most frequent first.
"""

from collections import Counter
from collections.abc import Sequence

from groundtune.bench.text.yes_no import readings
from groundtune.records import Record, Score

SHOWN = 8
"""Answers that are shown of one model and benchmark."""


class ToolReading(Record):
    """What a tool would print of one model's answers to one benchmark."""

    benchmark: str
    model: str
    tool: str
    share: float
    """Share of answers that it takes for right, of all, in [0, 1]."""
    unread: int
    """Answers that it can't read; most tools count them as wrong."""
    n: int
    other: int
    """Answers that it reads otherwise than the rule of the result does."""


class DisputedAnswer(Record):
    """An answer that tools read differently."""

    benchmark: str
    model: str
    item: str
    answer: str
    truth: str
    readings: dict[str, str]
    """Tool to what it reads."""
    times: int = 1
    """How many answers are word by word the same and have the same truth."""


def truth_of(score: Score) -> str:
    """The true answer of a yes/no question, "" where the score isn't of one."""
    label = score.strata.get("label", "").lower()
    return label if label in ("yes", "no") else ""


def tool_readings(
    scores: Sequence[Score], benchmark: str
) -> tuple[list[ToolReading], list[DisputedAnswer]]:
    """Each tool's count, and the answers that are read apart; nothing but for yes/no questions.

    `scores` are those of one model and benchmark, `benchmark` is its name in the result.
    """
    asked = [(score, truth_of(score)) for score in scores]
    asked = [(score, truth) for score, truth in asked if truth]
    if not asked:
        return [], []
    same = Counter((score.answer, truth) for score, truth in asked)
    read = {key: dict[str, str](readings(*key)) for key in same}
    ours = {(score.answer, truth): (score.extracted or ("unread",))[0] for score, truth in asked}
    model = asked[0][0].model
    made = [
        ToolReading(
            benchmark=benchmark,
            model=model,
            tool=tool,
            share=sum(n for key, n in same.items() if read[key][tool] == key[1]) / len(asked),
            unread=sum(n for key, n in same.items() if read[key][tool] == "unread"),
            n=len(asked),
            other=sum(n for key, n in same.items() if read[key][tool] != ours[key].lower()),
        )
        for tool in next(iter(read.values()))
    ]
    return made, _apart(asked, same, read, benchmark)


def _apart(
    asked: Sequence[tuple[Score, str]],
    same: Counter[tuple[str, str]],
    read: dict[tuple[str, str], dict[str, str]],
    benchmark: str,
) -> list[DisputedAnswer]:
    first = {(score.answer, truth): score for score, truth in reversed(asked)}
    apart = [key for key, _ in same.most_common() if len(set(read[key].values())) > 1]
    return [
        DisputedAnswer(
            benchmark=benchmark,
            model=first[key].model,
            item=first[key].item,
            answer=key[0],
            truth=key[1],
            readings=dict(read[key]),
            times=same[key],
        )
        for key in apart[:SHOWN]
    ]
