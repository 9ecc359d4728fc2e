"""A judge of MMHal-Bench and SHR that knows the scene: rules instead of a large model.

It reads answers by the world's rules and compares them with the truth. Its replies have the form
that the benchmarks request. Its error rate is configurable.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from groundtune.bench.world import parsers
from groundtune.records import Record
from groundtune.world.read import StatedFacts, place_of, read
from groundtune.world.scenes import Scene
from groundtune.world.truth import FalseStatement, check


class Grade(Record):
    """The grade of an answer to a question of MMHal-Bench."""

    wrong: bool
    """The answer has an error."""
    information: int
    """From 0, nothing that was asked for, to 3."""

    @property
    def rating(self) -> int:
        """MMHal-Bench's number: 3 to 6 for an answer without inventions, else 0 to 2."""
        return min(self.information, 2) if self.wrong else 3 + self.information


def grade(scene: Scene, kind: str, reference: str, answer: str) -> Grade:
    """Compare an answer with a scene, and with the true answer to a question of a kind."""
    reading = read(answer)
    errors = check(scene, reading)
    if kind == "holistic":
        return Grade(wrong=bool(errors), information=_coverage(scene, reading))
    if kind == "adversarial":
        denial = _denies(answer, reading)
        return Grade(wrong=bool(errors) or not denial, information=2 * denial)
    answer_reading, right = (_READERS[kind](text) for text in (answer, reference))
    # "more cups than forks" names forks without stating that there are any
    wrong = kind != "comparison" and bool(errors)
    if answer_reading != right:
        return Grade(wrong=wrong or answer_reading is not None, information=0)
    return Grade(wrong=wrong, information=3 if reading.asserted_mentions else 2)


def mmhal_reply(grade_: Grade, rng: np.random.Generator, error_rate: float) -> str:
    """The judge's reply; with probability `error_rate` it is wrong about errors in the answer."""
    wrong = grade_.wrong != bool(rng.random() < error_rate)
    grade_ = grade_.model_copy(update={"wrong": wrong})
    why = "Something is invented." if wrong else "Nothing is invented."
    return f"{why}\nRating: {grade_.rating}"


def shr_reply(
    scene: Scene,
    answer: str,
    parts: Iterable[tuple[int, int]],
    rng: np.random.Generator,
    error_rate: float,
) -> str:
    """The judge's labels of the sentences at [start, end), wrong at the rate `error_rate`."""
    reading = read(answer)
    errors = check(scene, reading)
    lines = ["Judgement:"]
    for number, (start, end) in enumerate(parts, 1):
        label, why = _label(reading, errors, start, end)
        if label != "cannot judge" and rng.random() < error_rate:
            label, why = ("correct" if label == "hallucination" else "hallucination"), "a slip"
        lines.append(f"{number}. {label}: {why}")
    return "\n".join(lines)


def _label(
    reading: StatedFacts, errors: Sequence[FalseStatement], start: int, end: int
) -> tuple[str, str]:
    wrong = [finding for finding in errors if start <= finding.start < end]
    if wrong:
        return "hallucination", f"the {', the '.join(finding.kind for finding in wrong)}"
    marks = (reading.context, reading.background)
    starts = [finding.start for finding in (*reading.mentions, *marks) if finding is not None]
    if not any(start <= finding < end for finding in starts):
        return "cannot judge", "nothing of it is known"
    return "correct", "all of it is so"


def _coverage(scene: Scene, reading: StatedFacts) -> int:
    """3 if all present objects are named, 2 from half on, 1 for any."""
    categories = {mention.category for mention in reading.asserted_mentions} & scene.categories
    share = len(categories) / len(scene.things)
    return 3 if share == 1 else 2 if share >= 0.5 else int(share > 0)


def _denies(answer: str, reading: StatedFacts) -> bool:
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
