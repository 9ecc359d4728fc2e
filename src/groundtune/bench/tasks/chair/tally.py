"""Counts of CHAIR's captions for metrics by class and notes."""

from collections import Counter
from collections.abc import Sequence

from groundtune.bench.item import ItemAnswer, Mode
from groundtune.bench.results import Values
from groundtune.bench.tasks.chair.classes import ClassCounts
from groundtune.bench.tasks.chair.data import ChairData
from groundtune.records import Score

SHOWN = 5
"""Classes named in a note."""


class ChairTally:
    """The figures of each class of the synonym list (`classes.py`), and notes on the captions."""

    def __init__(self, data: ChairData, mode: Mode) -> None:
        self._data, self._strict = data, mode == "strict"
        self._counts = ClassCounts()
        self._captions: Counter[str] = Counter()
        self._empty = 0

    def add(self, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> None:
        """Count captions and their scores."""
        for answer, score in zip(answers, scores, strict=True):
            self._counts.add(score, self._data.truth(int(score.image), strict=self._strict))
            self._captions[score.image] += 1
            self._empty += not answer.text.strip()

    def strata(self) -> dict[str, Values]:
        """Return the figures by class."""
        words = self._data.strict if self._strict else self._data.official
        return self._counts.values(dict.fromkeys(words.nodes.values()))

    def notes(self) -> list[str]:
        """Return notes on the most invented classes and on anything unusual."""
        most_invented = self._counts.most_invented(SHOWN)
        text = ", ".join(f"{name} ({times:,})" for name, times in most_invented)
        notes = [f"Most often invented: {text}."] if text else []
        if self._empty:
            notes.append(
                f"{self._empty:,} captions are empty; the official rates count them as correct."
            )
        return notes + note_on_several(self._captions)


def note_on_several(captions: Counter[str]) -> list[str]:
    """Return a note if images have several captions."""
    several = sum(times > 1 for times in captions.values())
    text = f"{several:,} images have several captions; the official code scores each."
    return [text] if several else []
