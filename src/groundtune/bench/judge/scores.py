"""Helpers shared by judged benchmarks: means over a judge's repeats, the variance note, excerpts.

Repeated samples of one judge are averaged per item, so every metric uses the mean judgement. The
value of each repeat is kept too ("repeat:0", ...), to estimate the judge's variance.
"""

from collections.abc import Callable, Sequence

from groundtune.bench.judge.judge import Judging
from groundtune.bench.stats.variance import components
from groundtune.records import Score

REPEAT = "repeat:"
EXCERPT = 600
"""Maximum characters of a judge's reply in a score's `why`."""


def over_repeats(
    judging: Judging, score_once: Callable[[int], list[Score]], column: str
) -> list[Score]:
    """Return the scores of `score_once(repeat)`, averaged over the judging's repeats.

    An item is unparsed if every repeat is. Values are means over the repeats that have values.
    """
    repeats = [score_once(repeat) for repeat in range(judging.repeats)]
    if len(repeats) == 1:
        return repeats[0]
    return [_mean(scores, column) for scores in zip(*repeats, strict=True)]


def _mean(scores: Sequence[Score], column: str) -> Score:
    with_values = [score for score in scores if score.values]
    first = next((score for score in scores if score.status == "scored"), scores[0])
    names = dict.fromkeys(name for score in with_values for name in score.values)
    values = {
        name: sum(score.values.get(name, 0.0) for score in with_values) / len(with_values)
        for name in names
    }
    values |= {
        f"{REPEAT}{number}": score.values[column]
        for number, score in enumerate(scores)
        if column in score.values
    }
    return first.model_copy(update={"values": values})


def variance_note(scores: Sequence[Score], quantity: str) -> list[str]:
    """Return a sentence on the variance between items and between repeats; [] without repeats."""
    repeats = [
        [value for name, value in score.values.items() if name.startswith(REPEAT)]
        for score in scores
    ]
    variance = components(repeats)
    if variance is None:
        return []
    return [
        f"The judge was asked {variance.repeats:.3g} times per item. The variance of {quantity} is "
        f"{variance.item_variance:.4g} between items and {variance.judge_variance:.4g} between "
        "repeats of one item; the judge causes "
        f"{100 * variance.judge_share:.0f}% of the mean's variance."
    ]


def excerpt(reply: str) -> str:
    """Return a judge's reply, shortened for a score's `why`."""
    return reply if len(reply) <= EXCERPT else reply[:EXCERPT] + " ..."
