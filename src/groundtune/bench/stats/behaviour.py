"""Warnings that qualify a benchmark's metrics: degenerate answers, with numbers.

A model that answers every question alike, says yes to nearly all, repeats itself, refuses, is
truncated or says less can still get a presentable score (50.0 on every task of a balanced yes/no
benchmark, a low hallucination rate of short captions). Each guard looks at one model's answers to
one benchmark and warns if a limit is exceeded. We chose the limits; each warning states them, and
no metric is changed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from groundtune.records import Record, Score

FEWEST = 20
"""Number of answers below which shares are not informative."""
CONSTANT = 0.95
"""Largest share of one identical answer."""
ALL_YES, ALL_NO = 0.9, 0.1
"""Share of yes among answers that begin with yes or no."""
REPEATING = 0.02
"""Share of answers in which some four consecutive words occur four times or more."""
POOR = 0.3
"""Least share of distinct word pairs in answers of 20 words or more (distinct-2)."""
REFUSING = 0.02
EMPTY = 0.0
CUT = 0.02
UNPARSED = 0.01
LONGER, SHORTER = 1.25, 0.8
"""Ratio of the mean numbers of words of two models."""
YES_SHIFT = 0.1
"""Change of the share of yes between two models."""
PROSE = 4.0
"""Mean words from which the length of answers is compared."""
LONG = 20
"""Least number of words for counting word pairs."""
MANY = 1 << 14
"""Number of words from which n-grams are counted as integers."""
KEPT = 1 << 16
"""Least number of distinct answers that are counted separately."""

LABELS: dict[str, str] = {
    "constant": "Most frequent answer",
    "yes": "Yes among yes and no",
    "repeating": "Answers that repeat themselves",
    "distinct_2": "Distinct word pairs",
    "refusals": "Answers that refuse",
    "empty": "Empty answers",
    "cut": "Answers truncated at the longest length",
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
    """A guard's warning about one model, or about one compared with another."""

    model: str
    benchmark: str
    """With its decoding, as in `Estimate.benchmark`."""
    guard: str
    value: float
    limit: float
    n: int
    text: str


class Behaviour(Record):
    """Counts of answers for any benchmark; shares in [0, 1]."""

    model: str
    benchmark: str
    n: int
    words: float
    """Mean number of words."""
    empty: float
    refusals: float
    cut: float | None
    """Share truncated at the longest length; None if not recorded."""
    unparsed: float
    constant: float
    """Share of the most common answer, ignoring case and punctuation."""
    constant_text: str
    yes: float | None
    """Share of yes; None unless four answers in five begin with yes or no."""
    repeating: float
    distinct_2: float | None
    """Distinct word pairs over all pairs of an answer; mean over answers of 20 words or more."""


def refuses(text: str) -> bool:
    """Return whether an answer begins with one of the usual phrases of a refusal."""
    return bool(_REFUSAL.match(text))


def behaviour(scores: Sequence[Score]) -> Behaviour:
    """The behaviour in one model's scores, for one benchmark and decoding.

    Raises:
        ValueError: there are none.
    """
    running = RunningBehaviour()
    running.add(scores)
    return running.behaviour()


class RunningBehaviour:
    """The behaviour in scores that arrive in batches."""

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
        """Return the behaviour so far.

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
    """The behaviour in answers with their counts; a text may come several times.

    With very many distinct answers, the rarer ones are dropped in counting the most common one: a
    share above one half is exact if it holds throughout.
    """
    counts = _TextCounts()
    for text, times in texts:
        counts.add(text, times)
    return counts.behaviour(model, benchmark, unparsed, cut)


class _TextCounts:
    """Counts of texts."""

    def __init__(self) -> None:
        self.n = 0
        self._same: Counter[str] = Counter()
        self._yes_no_counts: Counter[str] = Counter()
        self._words = self._empty = self._refusals = self._repeating = self._long = 0
        self._distinct = 0.0

    def add(self, text: str, times: int) -> None:
        words = _WORD.findall(text.lower())
        self.n += times
        self._words += times * len(words)
        self._empty += times * (not words)
        self._same[" ".join(words)] += times
        if len(self._same) > 2 * KEPT:
            self._same = Counter(dict(self._same.most_common(KEPT)))
        self._refusals += times * refuses(text)
        match = _YES_NO.match(text)
        self._yes_no_counts[match.group(1).lower() if match else ""] += times
        self._repeating += times * repeats_itself(words)
        if len(words) >= LONG:
            self._long += times
            self._distinct += times * distinct_n(words)

    def behaviour(self, model: str, benchmark: str, unparsed: int, cut: float | None) -> Behaviour:
        text, most_frequent = self._same.most_common(1)[0]
        n, readable = self.n, self._yes_no_counts["yes"] + self._yes_no_counts["no"]
        return Behaviour(
            model=model,
            benchmark=benchmark,
            n=n,
            words=self._words / n,
            empty=self._empty / n,
            refusals=self._refusals / n,
            cut=cut,
            unparsed=unparsed / n,
            constant=most_frequent / n,
            constant_text=text,
            yes=self._yes_no_counts["yes"] / readable if readable >= 0.8 * n else None,
            repeating=self._repeating / n,
            distinct_2=self._distinct / self._long if self._long else None,
        )


def distinct_n(words: Sequence[str], n: int = 2) -> float:
    """Distinct n-grams over all n-grams, in (0, 1]; 1 if there are none (arXiv 1510.03055)."""
    number = len(words) - n + 1
    if number < 1:
        return 1.0
    if number > MANY:
        return len(_gram_counts(words, n)) / number
    return len(set(_grams(words, n))) / number


def repeats_itself(words: Sequence[str], n: int = 4, times: int = 4) -> bool:
    """Whether some n consecutive words occur `times` times."""
    if len(words) < n + times - 1:
        return False
    if len(words) > MANY:
        return bool(_gram_counts(words, n).max() >= times)
    if len(words) - len(set(words)) < times - 1:
        return False  # no word occurs that often
    return max(Counter(_grams(words, n)).values()) >= times


def _grams(words: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def _gram_counts(words: Sequence[str], n: int) -> NDArray[np.int64]:
    """The count of each n-gram of very many words, without tuples."""
    codes: dict[str, int] = {}
    word_codes = np.array([codes.setdefault(word, len(codes)) for word in words], dtype=np.int64)
    grams, number = word_codes, len(words) - n + 1
    for i in range(1, n):
        further = word_codes[i : len(words)]
        pairs = grams[: len(further)] * np.int64(len(words)) + further
        grams = np.unique(pairs, return_inverse=True)[1]
    return np.unique(grams[:number], return_counts=True)[1]


def guard(answers: Behaviour) -> list[BehaviourWarning]:
    """The warnings about one model's behaviour; [] if there are too few answers."""
    if answers.n < FEWEST:
        return []
    warnings: list[BehaviourWarning] = []

    def warn(name: str, value: float, limit: float, text: str) -> None:
        warnings.append(_warning(answers, name, value, limit, text))

    if answers.constant >= CONSTANT and answers.constant_text:
        text_ = f"{answers.constant:.1%} of {answers.n:,} answers are the same: {_short(answers)!r}"
        warn(
            "constant",
            answers.constant,
            CONSTANT,
            f"{text_}. A score then says nothing about the model.",
        )
    if answers.yes is not None and not ALL_NO <= answers.yes <= ALL_YES:
        text_ = f"{answers.yes:.1%} of the yes/no answers are yes"
        limit = ALL_YES if answers.yes > ALL_YES else ALL_NO
        warn(
            "yes", answers.yes, limit, f"{text_}; accuracy then depends on the share of yes labels."
        )
    if answers.repeating > REPEATING:
        text_ = f"{answers.repeating:.1%} of the answers repeat four words four times or more"
        warn("repeating", answers.repeating, REPEATING, f"{text_}.")
    if answers.distinct_2 is not None and answers.distinct_2 < POOR:
        text_ = f"only {answers.distinct_2:.1%} of an answer's word pairs are distinct"
        warn("distinct_2", answers.distinct_2, POOR, f"{text_}, on average.")
    for name, value, limit, problem in (
        ("refusals", answers.refusals, REFUSING, "refuse to answer"),
        ("empty", answers.empty, EMPTY, "are empty"),
        ("cut", answers.cut or 0.0, CUT, "were truncated at the longest length"),
        ("unparsed", answers.unparsed, UNPARSED, "could not be read"),
    ):
        if value > limit:
            count = round(value * answers.n)
            warn(name, value, limit, f"{count:,} of {answers.n:,} answers ({value:.1%}) {problem}.")
    return warnings


def guard_change(ours: Behaviour, theirs: Behaviour) -> list[BehaviourWarning]:
    """The warnings about a model's behaviour, compared with another model on the same items."""
    if min(ours.n, theirs.n) < FEWEST:
        return []
    warnings: list[BehaviourWarning] = []
    if max(ours.words, theirs.words) >= PROSE:
        change = ours.words / theirs.words if theirs.words else float("inf")
        if not SHORTER <= change <= LONGER:
            length = "shorter" if change < 1 else "longer"
            text = (
                f"answers are {length} than those of {theirs.model}: {ours.words:.1f} words "
                f"instead of {theirs.words:.1f}. Fewer words alone mean fewer hallucinations."
            )
            warnings.append(
                _warning(ours, "words", ours.words, SHORTER if change < 1 else LONGER, text)
            )
    if ours.yes is not None and theirs.yes is not None:
        shift = ours.yes - theirs.yes
        if abs(shift) > YES_SHIFT:
            yes_text = f"the share of yes went from {theirs.yes:.1%} to {ours.yes:.1%}"
            warnings.append(_warning(ours, "yes", ours.yes, YES_SHIFT, f"{yes_text}."))
    return warnings


def guards(groups: Iterable[Sequence[Score]]) -> list[BehaviourWarning]:
    """The warnings about each group of scores of one model, benchmark and decoding."""
    return [warning for scores in groups for warning in guard(behaviour(scores))]


def _warning(
    answers: Behaviour, name: str, value: float, limit: float, text: str
) -> BehaviourWarning:
    return BehaviourWarning(
        model=answers.model,
        benchmark=answers.benchmark,
        guard=name,
        value=value,
        limit=limit,
        n=answers.n,
        text=text,
    )


def _short(answers: Behaviour) -> str:
    return (
        answers.constant_text
        if len(answers.constant_text) <= 40
        else answers.constant_text[:37] + "..."
    )
