"""A judge of MMHal-Bench and SHR that knows the scene: rules instead of a large model.

It reads answers with the world's own rules and holds them against the truth. Its replies have the
form that the benchmarks ask of a judge. It errs as often as is wanted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from groundtune.bench.world import parsers
from groundtune.records import Record
from groundtune.world.read import Reading, place_of, read
from groundtune.world.scenes import Scene
from groundtune.world.truth import Finding, check


class Grade(Record):
    """What an answer to a question of MMHal-Bench is worth."""

    wrong: bool
    """It says something that isn't so."""
    information: int
    """0, nothing that was asked, to 3."""

    @property
    def rating(self) -> int:
        """MMHal-Bench's number: 3 to 6 for an answer without inventions, else 0 to 2."""
        return min(self.information, 2) if self.wrong else 3 + self.information


def grade(scene: Scene, kind: str, reference: str, answer: str) -> Grade:
    """Compares an answer with a scene and with the true answer to a question of a kind."""
    reading = read(answer)
    found = check(scene, reading)
    if kind == "holistic":
        return Grade(wrong=bool(found), information=_coverage(scene, reading))
    if kind == "adversarial":
        denied = _denies(answer, reading)
        return Grade(wrong=bool(found) or not denied, information=2 * denied)
    said, right = (_READERS[kind](text) for text in (answer, reference))
    # "more cups than forks" names forks without saying that there are some
    wrong = kind != "comparison" and bool(found)
    if said != right:
        return Grade(wrong=wrong or said is not None, information=0)
    return Grade(wrong=wrong, information=3 if reading.asserted_mentions else 2)


def mmhal_reply(judged: Grade, rng: np.random.Generator, error_rate: float) -> str:
    """The judge's reply; with a chance of `error_rate` it errs on whether something is wrong."""
    wrong = judged.wrong != bool(rng.random() < error_rate)
    judged = judged.model_copy(update={"wrong": wrong})
    why = "Something is invented." if wrong else "Nothing is invented."
    return f"{why}\nRating: {judged.rating}"


def shr_reply(
    scene: Scene,
    answer: str,
    parts: Iterable[tuple[int, int]],
    rng: np.random.Generator,
    error_rate: float,
) -> str:
    """The judge's labels of the sentences at [start, end), each wrong with a chance."""
    reading = read(answer)
    found = check(scene, reading)
    lines = ["Judgement:"]
    for number, (start, end) in enumerate(parts, 1):
        label, why = _label(reading, found, start, end)
        if label != "cannot judge" and rng.random() < error_rate:
            label, why = ("correct" if label == "hallucination" else "hallucination"), "a slip"
        lines.append(f"{number}. {label}: {why}")
    return "\n".join(lines)


def _label(reading: Reading, found: Sequence[Finding], start: int, end: int) -> tuple[str, str]:
    wrong = [each for each in found if start <= each.start < end]
    if wrong:
        return "hallucination", f"the {', the '.join(each.kind for each in wrong)}"
    marks = (reading.context, reading.background)
    starts = [each.start for each in (*reading.mentions, *marks) if each is not None]
    if not any(start <= each < end for each in starts):
        return "cannot judge", "nothing of it is known"
    return "correct", "all of it is so"


def _coverage(scene: Scene, reading: Reading) -> int:
    """3 where all is named that is there, 2 from half on, 1 for anything."""
    named = {mention.category for mention in reading.asserted_mentions} & scene.categories
    share = len(named) / len(scene.things)
    return 3 if share == 1 else 2 if share >= 0.5 else int(share > 0)


def _denies(answer: str, reading: Reading) -> bool:
    return any(mention.negated for mention in reading.mentions) or (
        parsers.yes_or_no(answer) is False
    )


def _place(text: str) -> str | None:
    reading = read(text)
    return None if reading.context is None else reading.context.value


def _first_named(text: str) -> str | None:
    return next((mention.category for mention in read(text).asserted_mentions), None)


_READERS: Mapping[str, Callable[[str], object]] = {
    "attribute": parsers.colour,
    "comparison": parsers.yes_or_no,
    "counting": parsers.number,
    "relation": place_of,
    "environment": _place,
    "other": _first_named,
}
