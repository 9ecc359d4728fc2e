"""What makes a benchmark's figures mean less than they seem: degenerate answers, told with numbers.

A model that answers every question alike, says yes to nearly all, repeats itself, refuses, is cut
off or says less can still get a presentable score (50.0 on every task of a balanced yes/no
benchmark, a low hallucination rate of short captions). Each guard looks at the answers of one
model to one benchmark and gives a warning where a limit is passed. The limits are our own choice;
they are told with each warning, and no figure is changed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from groundtune.records import Record, Score

FEWEST = 20
"""Answers below which shares say nothing."""
CONSTANT = 0.95
"""Largest share of one and the same answer."""
ALL_YES, ALL_NO = 0.9, 0.1
"""Share of yes among answers that begin with yes or no."""
REPEATING = 0.02
"""Share of answers in which some four words in a row stand four times or more."""
POOR = 0.3
"""Least share of different word pairs in answers of 20 words or more (distinct-2)."""
REFUSING = 0.02
EMPTY = 0.0
CUT = 0.02
UNPARSED = 0.01
LONGER, SHORTER = 1.25, 0.8
"""Ratio of the mean numbers of words of two models."""
YES_SHIFT = 0.1
"""Change of the share of yes between two models."""
PROSE = 4.0
"""Mean words from which an answer has a length worth comparing."""
LONG = 20
"""Words from which word pairs are counted."""
MANY = 1 << 14
"""Words from which n-grams are counted as numbers."""
KEPT = 1 << 16
"""Different answers that are counted apart, at the least."""

LABELS: dict[str, str] = {
    "constant": "One and the same answer",
    "yes": "Yes among yes and no",
    "repeating": "Answers that repeat themselves",
    "distinct_2": "Different word pairs",
    "refusals": "Answers that refuse",
    "empty": "Empty answers",
    "cut": "Answers cut at the longest length",
    "unparsed": "Answers that could not be read",
    "words": "Words per answer",
}
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'|\u2019)?m\s+sorry|i\s+am\s+sorry|sorry\b|i\s+apologi[sz]e|as\s+an\s+ai\b|"
    r"i\s+(?:can(?:no|')?t|can\u2019t|am\s+(?:not\s+able|unable)|(?:'|\u2019)m\s+unable)\s+(?:to\s+)?"
    r"(?:help|assist|see|view|provide|answer|identify|describe|determine|comply|do)\b|"
    r"(?:i(?:'|\u2019)m|unable)\s+(?:not\s+able\s+)?(?:unable\s+)?to\s+(?:help|assist|see|view|answer)\b)",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")


class BehaviourWarning(Record):
    """A guard's word about one model, or about one beside another."""

    model: str
    benchmark: str
    """With its decoding, as in `Estimate.benchmark`."""
    guard: str
    value: float
    limit: float
    n: int
    text: str


class Behaviour(Record):
    """What can be counted of answers whatever the benchmark; shares in [0, 1]."""

    model: str
    benchmark: str
    n: int
    words: float
    """Mean number of words."""
    empty: float
    refusals: float
    cut: float | None
    """None where nobody noted it."""
    unparsed: float
    constant: float
    """Share of the most common answer, case and marks aside."""
    constant_text: str
    yes: float | None
    """Share of yes; None unless four answers in five begin with yes or no."""
    repeating: float
    distinct_2: float | None
    """Different word pairs over all of an answer, mean over answers of 20 words or more."""


def refuses(text: str) -> bool:
    """Return whether an answer begins with one of the usual phrases of a refusal."""
    return bool(_REFUSAL.match(text))


def behaviour(scores: Sequence[Score]) -> Behaviour:
    """The behaviour in the scores of one model, benchmark and decoding.

    Raises:
        ValueError: there are none.
    """
    running = RunningBehaviour()
    running.add(scores)
    return running.behaviour()


class RunningBehaviour:
    """The same of scores that come some at a time."""

    def __init__(self) -> None:
        self._texts = _TextCounts()
        self._name = ("", "")
        self._unparsed = 0
        self._cut: list[float] = []

    def add(self, scores: Sequence[Score]) -> None:
        """Add further scores."""
        for score in scores:
            self._texts.add(score.answer, 1)
            self._unparsed += score.status == "unparsed"
            self._cut += [score.values["cut"]] if "cut" in score.values else []
        if scores and not self._name[0]:
            self._name = scores[0].model, f"{scores[0].benchmark}/{scores[0].decoding}"

    def behaviour(self) -> Behaviour:
        """Return what was counted.

        Raises:
            ValueError: there are no scores.
        """
        if not self._texts.n:
            raise ValueError("no scores")
        cut = sum(self._cut) / len(self._cut) if self._cut else None
        return self._texts.behaviour(*self._name, self._unparsed, cut)


def behaviour_of_texts(
    texts: Iterable[tuple[str, int]],
    *,
    model: str,
    benchmark: str,
    unparsed: int,
    cut: float | None = None,
) -> Behaviour:
    """The same of answers and how often each is there; a text may come several times.

    Of very many different answers the rarer are forgotten in counting the most common one: a share
    above one half is exact as long as it holds throughout.
    """
    counts = _TextCounts()
    for text, times in texts:
        counts.add(text, times)
    return counts.behaviour(model, benchmark, unparsed, cut)


class _TextCounts:
    """What is counted of texts."""

    def __init__(self) -> None:
        self.n = 0
        self._same: Counter[str] = Counter()
        self._said: Counter[str] = Counter()
        self._words = self._empty = self._refusals = self._repeating = self._long = 0
        self._distinct = 0.0

    def add(self, text: str, times: int) -> None:
        own = _WORD.findall(text.lower())
        self.n += times
        self._words += times * len(own)
        self._empty += times * (not own)
        self._same[" ".join(own)] += times
        if len(self._same) > 2 * KEPT:
            self._same = Counter(dict(self._same.most_common(KEPT)))
        self._refusals += times * refuses(text)
        found = _YES_NO.match(text)
        self._said[found.group(1).lower() if found else ""] += times
        self._repeating += times * repeats_itself(own)
        if len(own) >= LONG:
            self._long += times
            self._distinct += times * distinct_n(own)

    def behaviour(self, model: str, benchmark: str, unparsed: int, cut: float | None) -> Behaviour:
        text, most = self._same.most_common(1)[0]
        n, read = self.n, self._said["yes"] + self._said["no"]
        return Behaviour(
            model=model,
            benchmark=benchmark,
            n=n,
            words=self._words / n,
            empty=self._empty / n,
            refusals=self._refusals / n,
            cut=cut,
            unparsed=unparsed / n,
            constant=most / n,
            constant_text=text,
            yes=self._said["yes"] / read if read >= 0.8 * n else None,
            repeating=self._repeating / n,
            distinct_2=self._distinct / self._long if self._long else None,
        )


def distinct_n(words: Sequence[str], n: int = 2) -> float:
    """Different n-grams over all n-grams, in (0, 1]; 1 where there are none (arXiv 1510.03055)."""
    number = len(words) - n + 1
    if number < 1:
        return 1.0
    if number > MANY:
        return len(_gram_counts(words, n)) / number
    return len(set(_grams(words, n))) / number


def repeats_itself(words: Sequence[str], n: int = 4, times: int = 4) -> bool:
    """Whether some n words in a row stand there that many times."""
    if len(words) < n + times - 1:
        return False
    if len(words) > MANY:
        return bool(_gram_counts(words, n).max() >= times)
    if len(words) - len(set(words)) < times - 1:
        return False  # no word is there that often
    return max(Counter(_grams(words, n)).values()) >= times


def _grams(words: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def _gram_counts(words: Sequence[str], n: int) -> NDArray[np.int64]:
    """How often each n-gram of very many words is there, without a tuple for each."""
    codes: dict[str, int] = {}
    each = np.array([codes.setdefault(word, len(codes)) for word in words], dtype=np.int64)
    grams, number = each, len(words) - n + 1
    for i in range(1, n):
        further = each[i : len(words)]
        pairs = grams[: len(further)] * np.int64(len(words)) + further
        grams = np.unique(pairs, return_inverse=True)[1]
    return np.unique(grams[:number], return_counts=True)[1]


def guard(seen: Behaviour) -> list[BehaviourWarning]:
    """The warnings that one model's behaviour gives; none where there are too few answers."""
    if seen.n < FEWEST:
        return []
    found: list[BehaviourWarning] = []

    def warn(name: str, value: float, limit: float, text: str) -> None:
        found.append(
            BehaviourWarning(
                model=seen.model,
                benchmark=seen.benchmark,
                guard=name,
                value=value,
                limit=limit,
                n=seen.n,
                text=text,
            )
        )

    if seen.constant >= CONSTANT and seen.constant_text:
        told = f"{seen.constant:.1%} of {seen.n:,} answers are the same: {_short(seen)!r}"
        warn(
            "constant", seen.constant, CONSTANT, f"{told}. A score then says nothing of the model."
        )
    if seen.yes is not None and not ALL_NO <= seen.yes <= ALL_YES:
        told = f"{seen.yes:.1%} of the yes/no answers are yes"
        limit = ALL_YES if seen.yes > ALL_YES else ALL_NO
        warn("yes", seen.yes, limit, f"{told}; accuracy then follows the labels' own share.")
    if seen.repeating > REPEATING:
        told = f"{seen.repeating:.1%} of the answers repeat four words four times or more"
        warn("repeating", seen.repeating, REPEATING, f"{told}.")
    if seen.distinct_2 is not None and seen.distinct_2 < POOR:
        told = f"only {seen.distinct_2:.1%} of an answer's word pairs are different"
        warn("distinct_2", seen.distinct_2, POOR, f"{told}, on average.")
    for name, value, limit, what in (
        ("refusals", seen.refusals, REFUSING, "refuse to answer"),
        ("empty", seen.empty, EMPTY, "are empty"),
        ("cut", seen.cut or 0.0, CUT, "were cut at the longest length"),
        ("unparsed", seen.unparsed, UNPARSED, "could not be read"),
    ):
        if value > limit:
            count = round(value * seen.n)
            warn(name, value, limit, f"{count:,} of {seen.n:,} answers ({value:.1%}) {what}.")
    return found


def guard_change(ours: Behaviour, theirs: Behaviour) -> list[BehaviourWarning]:
    """The warnings that a model's behaviour gives beside that of another on the same items."""
    if min(ours.n, theirs.n) < FEWEST:
        return []
    found: list[BehaviourWarning] = []
    if max(ours.words, theirs.words) >= PROSE:
        change = ours.words / theirs.words if theirs.words else float("inf")
        if not SHORTER <= change <= LONGER:
            which = "shorter" if change < 1 else "longer"
            warned = (
                f"answers are {which} than those of {theirs.model}: {ours.words:.1f} words "
                f"instead of {theirs.words:.1f}. Fewer words alone mean fewer hallucinations."
            )
            found.append(
                _change(ours, "words", ours.words, SHORTER if change < 1 else LONGER, warned)
            )
    if ours.yes is not None and theirs.yes is not None:
        shift = ours.yes - theirs.yes
        if abs(shift) > YES_SHIFT:
            told = f"the share of yes went from {theirs.yes:.1%} to {ours.yes:.1%}"
            found.append(_change(ours, "yes", ours.yes, YES_SHIFT, f"{told}."))
    return found


def guards(groups: Iterable[Sequence[Score]]) -> list[BehaviourWarning]:
    """The warnings of each group of scores of one model, benchmark and decoding."""
    return [warning for scores in groups for warning in guard(behaviour(scores))]


def _change(seen: Behaviour, name: str, value: float, limit: float, text: str) -> BehaviourWarning:
    return BehaviourWarning(
        model=seen.model,
        benchmark=seen.benchmark,
        guard=name,
        value=value,
        limit=limit,
        n=seen.n,
        text=text,
    )


def _short(seen: Behaviour) -> str:
    return seen.constant_text if len(seen.constant_text) <= 40 else seen.constant_text[:37] + "..."
