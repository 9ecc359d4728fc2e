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
    "words": "Words an answer",
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
    if not scores:
        raise ValueError("no scores")
    known = [score.values["cut"] for score in scores if "cut" in score.values]
    return behaviour_of_texts(
        ((score.answer, 1) for score in scores),
        model=scores[0].model,
        benchmark=f"{scores[0].benchmark}/{scores[0].decoding}",
        unparsed=sum(score.status == "unparsed" for score in scores),
        cut=sum(known) / len(known) if known else None,
    )


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
    same: Counter[str] = Counter()
    said: Counter[str] = Counter()
    n = words = empty = refusals = repeating = long = 0
    distinct = 0.0
    for text, times in texts:
        own = _WORD.findall(text.lower())
        n += times
        words += times * len(own)
        empty += times * (not own)
        same[" ".join(own)] += times
        if len(same) > 2 * KEPT:
            same = Counter(dict(same.most_common(KEPT)))
        refusals += times * refuses(text)
        found = _YES_NO.match(text)
        said[found.group(1).lower() if found else ""] += times
        repeating += times * repeats_itself(own)
        long += times * (len(own) >= 20)
        distinct += times * distinct_n(own) if len(own) >= 20 else 0.0
    text, most = same.most_common(1)[0]
    read = said["yes"] + said["no"]
    return Behaviour(
        model=model,
        benchmark=benchmark,
        n=n,
        words=words / n,
        empty=empty / n,
        refusals=refusals / n,
        cut=cut,
        unparsed=unparsed / n,
        constant=most / n,
        constant_text=text,
        yes=said["yes"] / read if read >= 0.8 * n else None,
        repeating=repeating / n,
        distinct_2=distinct / long if long else None,
    )


def distinct_n(words: Sequence[str], n: int = 2) -> float:
    """Different n-grams over all n-grams, in (0, 1]; 1 where there are none (arXiv 1510.03055)."""
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def repeats_itself(words: Sequence[str], n: int = 4, times: int = 4) -> bool:
    """Whether some n words in a row stand there that many times."""
    if len(words) < n + times - 1:
        return False
    grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    return max(grams.values()) >= times


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
