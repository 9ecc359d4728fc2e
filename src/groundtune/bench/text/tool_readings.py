"""How other tools would read the same yes/no answers, and on which answers they disagree.

A benchmark's result uses one rule; `yes_no.py` has those of other tools. For each tool, this counts
the answers that it counts as right and those that it can't read, which most tools count as wrong,
and lists the answers that the tools read differently, the most frequent first.
"""

from collections import Counter
from collections.abc import Sequence

from groundtune.bench.text.yes_no import readings
from groundtune.records import Record, Score

SHOWN = 8
"""Maximum number of listed answers per model and benchmark."""


class ToolReading(Record):
    """A tool's counts for one model's answers to one benchmark."""

    benchmark: str
    model: str
    tool: str
    share: float
    """Share of all answers that it counts as right, in [0, 1]."""
    unread: int
    """Answers that it can't read; most tools count them as wrong."""
    n: int
    other: int
    """Answers that it reads differently from the rule of the result."""


class DisputedAnswer(Record):
    """An answer that tools read differently."""

    benchmark: str
    model: str
    item: str
    answer: str
    truth: str
    readings: dict[str, str]
    """What each tool reads."""
    times: int = 1
    """Number of answers with the same words and the same truth."""


def truth_of(score: Score) -> str:
    """The true answer of a yes/no question; "" for other scores."""
    label = score.strata.get("label", "").lower()
    return label if label in ("yes", "no") else ""


def tool_readings(
    scores: Sequence[Score], benchmark: str
) -> tuple[list[ToolReading], list[DisputedAnswer]]:
    """Each tool's counts, and the answers that tools read differently; [] if not yes/no.

    `scores` are those of one model and benchmark, `benchmark` is its name in the result.
    """
    questions = [(score, truth_of(score)) for score in scores]
    questions = [(score, truth) for score, truth in questions if truth]
    if not questions:
        return [], []
    same = Counter((score.answer, truth) for score, truth in questions)
    readings_of = {key: dict[str, str](readings(*key)) for key in same}
    own_readings = {
        (score.answer, truth): (score.extracted or ("unread",))[0] for score, truth in questions
    }
    model = questions[0][0].model
    tool_counts = [
        ToolReading(
            benchmark=benchmark,
            model=model,
            tool=tool,
            share=sum(n for key, n in same.items() if readings_of[key][tool] == key[1])
            / len(questions),
            unread=sum(n for key, n in same.items() if readings_of[key][tool] == "unread"),
            n=len(questions),
            other=sum(
                n for key, n in same.items() if readings_of[key][tool] != own_readings[key].lower()
            ),
        )
        for tool in next(iter(readings_of.values()))
    ]
    return tool_counts, _disputed_answers(questions, same, readings_of, benchmark)


def _disputed_answers(
    questions: Sequence[tuple[Score, str]],
    same: Counter[tuple[str, str]],
    readings_of: dict[tuple[str, str], dict[str, str]],
    benchmark: str,
) -> list[DisputedAnswer]:
    first = {(score.answer, truth): score for score, truth in reversed(questions)}
    disputed = [key for key, _ in same.most_common() if len(set(readings_of[key].values())) > 1]
    return [
        DisputedAnswer(
            benchmark=benchmark,
            model=first[key].model,
            item=first[key].item,
            answer=key[0],
            truth=key[1],
            readings=dict(readings_of[key]),
            times=same[key],
        )
        for key in disputed[:SHOWN]
    ]
