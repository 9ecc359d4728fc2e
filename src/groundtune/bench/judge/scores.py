"""What judged benchmarks share: the mean over a judge's repeats, and what a result says of both.

Repeated samples of one judge are averaged item by item, so that every metric is that of the mean
judgement. Each repeat's own value stays beside it ("repeat:0", ...), for the judge's variance.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from groundtune.bench.judge.judge import Judging
from groundtune.bench.stats.variance import components
from groundtune.errors import UserError
from groundtune.records import Score

REPEAT = "repeat:"
SHOWN = 600
"""Characters of a judge's reply that a score repeats."""
IMAGES = (".jpg", ".png", ".jpeg", ".webp")


def over_repeats(judging: Judging, once: Callable[[int], list[Score]], column: str) -> list[Score]:
    """The scores of `once(repeat)`, averaged over the judging's repeats.

    An item is unparsed where every repeat is; values are the mean over the repeats that have any.
    """
    rounds = [once(repeat) for repeat in range(judging.repeats)]
    if len(rounds) == 1:
        return rounds[0]
    return [_mean(each, column) for each in zip(*rounds, strict=True)]


def _mean(scores: Sequence[Score], column: str) -> Score:
    valued = [score for score in scores if score.values]
    first = next((score for score in scores if score.status == "scored"), scores[0])
    names = dict.fromkeys(name for score in valued for name in score.values)
    values = {
        name: sum(score.values.get(name, 0.0) for score in valued) / len(valued) for name in names
    }
    values |= {
        f"{REPEAT}{number}": score.values[column]
        for number, score in enumerate(scores)
        if column in score.values
    }
    return first.model_copy(update={"values": values})


def variance_note(scores: Sequence[Score], what: str) -> list[str]:
    """A sentence on the judge's variance beside the items'; nothing without repeats."""
    repeats = [
        [value for name, value in score.values.items() if name.startswith(REPEAT)]
        for score in scores
    ]
    found = components(repeats)
    if found is None:
        return []
    return [
        f"The judge was asked {found.repeats:.3g} times an item: the variance of {what} is "
        f"{found.item_variance:.4g} between items and {found.judge_variance:.4g} between a judge's "
        f"repeats of one item, which makes {100 * found.judge_share:.0f}% of the mean's variance."
    ]


def shown(reply: str) -> str:
    """A judge's reply, as far as a score repeats it."""
    return reply if len(reply) <= SHOWN else reply[:SHOWN] + " ..."


def image_in(folder: Path, *names: str) -> str:
    """The first of the names, with any suffix of an image, that the folder has.

    Raises:
        UserError: it has none of them.
    """
    for name in names:
        base = Path(name).name
        for each in (base, *(Path(base).stem + suffix for suffix in IMAGES)):
            if (folder / each).is_file():
                return each
    raise UserError(
        f"The image {names[0]} isn't in the folder.",
        str(folder),
        f"Name it {' or '.join(dict.fromkeys(Path(name).name for name in names))}.",
    )
