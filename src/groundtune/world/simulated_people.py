"""Simulated people: an annotator who corrects segments, and one who compares two answers.

Both see the image's truth, as a person would, and make mistakes at configurable rates. Their random
choices are seeded by their input, so that the same answer always gets the same correction.
"""

import hashlib

import numpy as np

from groundtune.errors import UserError
from groundtune.records import Answer, Comparison, Correction, Producer, Prompt, Record, Side
from groundtune.store.keys import key_of
from groundtune.world import DATASET
from groundtune.world.catalogue import BACKGROUNDS, CATEGORIES, COLOURS, CONTEXTS, NUMBERS
from groundtune.world.edits import (
    Change,
    Edit,
    apply,
    cased_at,
    edits,
    phrase_at,
    place_at,
    without_repeats,
)
from groundtune.world.read import Mention, StatedFacts, read
from groundtune.world.scenes import WORLD_VERSION, Scene, Thing, find
from groundtune.world.truth import FalseStatement, check

RULES = 3
"""Version of the rules for correcting answers: it distinguishes stored corrections of other
rules."""


class Mistakes(Record):
    """Error rates of a simulated annotator."""

    miss: float = 0.0
    """Chance that an error is left unchanged."""
    wrong_fix: float = 0.0
    """Chance that an error is replaced by another error."""
    false_alarm: float = 0.0
    """Chance that a right mention is marked and replaced by an error."""

    @classmethod
    def of_rate(cls, rate: float) -> "Mistakes":
        """Return mistakes of one overall rate.

        A share `rate` of the errors is missed or wrongly fixed (half each); a quarter of `rate` of
        the right mentions is spoilt.
        """
        return cls(miss=rate / 2, wrong_fix=rate / 2, false_alarm=rate / 4)


def scene_of(prompt: Prompt) -> Scene:
    """The scene of a prompt. Raises UserError if it isn't a scene of the world."""
    if prompt.source.dataset != DATASET:
        raise UserError(
            "A simulated annotator can only correct answers about the embedded world.",
            f"prompt {prompt.key} of {prompt.source.dataset or 'an unnamed data set'}",
            "Use prompts of the world, or let people correct the answers.",
        )
    return find(prompt.source.row)


class SimulatedAnnotator:
    """Corrects the wrong segments of an answer, like RLHF-V's annotators.

    Replaces an error if something true fits, else deletes it; leaves the other text unchanged. A
    sentence that repeats an earlier one, or would after the edits, is removed.
    """

    def __init__(
        self, mistakes: Mistakes | None = None, *, seed: int = 0, replace: float = 0.8
    ) -> None:
        """`replace` is the chance that an invented object becomes a real, omitted one."""
        self._mistakes = mistakes or Mistakes()
        self._seed = seed
        self._replace = replace
        self._producer = Producer(
            kind="simulated",
            name="world-annotator",
            revision=key_of(RULES, self._mistakes, replace)[:12],
            seed=seed,
        )

    def correct(self, prompt: Prompt, answer: Answer) -> Correction:
        """Return the correction of an answer about a scene."""
        scene = scene_of(prompt)
        rng = _rng(self._seed, prompt.key, answer.text)
        edit_list = _AnswerCorrection(
            scene, answer.text, self._mistakes, self._replace, rng
        ).edits()
        seconds = 15.0 + float(sum(rng.lognormal(2.3, 0.4) for _ in edit_list))
        return Correction(
            key=key_of("correction", answer.key, self._producer),
            prompt=prompt.key,
            answer=answer.key,
            text=answer.text,
            spans=tuple(edit.span(self._producer.name) for edit in edit_list),
            corrected=apply(answer.text, edit_list),
            by=self._producer,
            seconds=round(seconds, 1),
        )


def annotator(error_rate: float, seed: int) -> tuple[SimulatedAnnotator, Producer]:
    """Return an annotator of one overall error rate, and its producer.

    The producer's revision has the rate. Corrections are stored under this producer.
    """
    by = Producer(
        kind="simulated",
        name="world-annotator",
        revision=f"world {WORLD_VERSION}, rules {RULES}, error rate {error_rate:g}",
        seed=seed,
    )
    return SimulatedAnnotator(Mistakes.of_rate(error_rate), seed=seed), by


class SimulatedComparer:
    """Compares two answers, honesty first: fewer errors, then more right objects."""

    def __init__(self, error_rate: float = 0.0, *, seed: int = 0) -> None:
        """`error_rate` is the chance that a verdict is reversed."""
        self._error_rate = error_rate
        self._seed = seed
        self.producer = Producer(
            kind="simulated", name="world-comparer", revision=str(error_rate), seed=seed
        )
        """Who compares: the error rate is in its revision."""

    def compare(self, prompt: Prompt, first: Answer, second: Answer) -> Comparison:
        """Return which of two answers about a scene is better, and which hallucinates more."""
        scene = scene_of(prompt)
        rng = _rng(self._seed, prompt.key, first.text, second.text)
        (wrong_1, right_1), (wrong_2, right_2) = (_tally(scene, a.text) for a in (first, second))
        more = _larger(wrong_1, wrong_2)
        better = {"first": "second", "second": "first", "tie": _larger(right_1, right_2)}[more]
        if rng.random() < self._error_rate:
            more, better = _reversed(more), _reversed(better)
        return Comparison(
            key=key_of("comparison", first.key, second.key, self.producer),
            prompt=prompt.key,
            first=first.key,
            second=second.key,
            better=_side(better),
            hallucinates_more=_side(more),
            by=self.producer,
            seconds=round(20.0 + float(rng.lognormal(2.3, 0.4)), 1),
        )


def _side(name: str) -> Side:
    return "first" if name == "first" else "second" if name == "second" else "tie"


def _reversed(name: str) -> str:
    return {"first": "second", "second": "first"}.get(name, "tie")


def _larger(first: int, second: int) -> str:
    return "first" if first > second else "second" if second > first else "tie"


def _tally(scene: Scene, text: str) -> tuple[int, int]:
    """The number of errors in a text, and of categories that it names rightly."""
    reading = read(text)
    categories = {mention.category for mention in reading.asserted_mentions}
    return len(check(scene, reading)), len(categories & scene.categories)


def _rng(seed: int, *texts: str) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(texts).encode()).digest()[:8]
    return np.random.default_rng([seed, int.from_bytes(digest, "big")])


class _AnswerCorrection:
    """The correction of one answer."""

    def __init__(
        self, scene: Scene, text: str, mistakes: Mistakes, replace: float, rng: np.random.Generator
    ) -> None:
        self._scene = scene
        self._text = text
        self._reading: StatedFacts = read(text)
        self._mistakes = mistakes
        self._replace = replace
        self._rng = rng
        categories = {mention.category for mention in self._reading.asserted_mentions}
        self._unmentioned = [thing for thing in scene.things if thing.category not in categories]
        rng.shuffle(self._unmentioned)  # pyright: ignore[reportArgumentType, reportCallIssue]
        self._changes: dict[int, Change] = {}
        self._edits: list[Edit] = []
        self._instead: dict[str, Thing | None] = {}

    def edits(self) -> list[Edit]:
        """Return all edits, in the order of the text."""
        for finding in self._noticed_errors():
            self._fix(finding, wrongly=self._rng.random() < self._mistakes.wrong_fix)
        self._false_alarms()
        ordered = edits(self._text, self._reading.mentions, self._changes)
        ranges = [(edit.start, edit.end) for edit in ordered]
        rest = [e for e in self._edits if not any(s < e.end and e.start < t for s, t in ranges)]
        return without_repeats(self._text, [*ordered, *rest])

    def _noticed_errors(self) -> list[FalseStatement]:
        """The errors that aren't missed; an object is missed in all its mentions or in none."""
        is_missed: dict[str, bool] = {}
        result: list[FalseStatement] = []
        for finding in check(self._scene, self._reading):
            name = finding.category if finding.kind == "object" else f"{finding.start}"
            if name not in is_missed:
                is_missed[name] = bool(self._rng.random() < self._mistakes.miss)
            if not is_missed[name]:
                result.append(finding)
        return result

    def _fix(self, finding: FalseStatement, *, wrongly: bool) -> None:
        mention = None if finding.mention is None else self._reading.mentions[finding.mention]
        if mention is None:
            self._fix_setting(finding, wrongly=wrongly)
        elif finding.kind == "object":
            self._fix_object(finding, mention, wrongly=wrongly)
        elif finding.kind == "number":
            self._fix_number(finding, mention, wrongly=wrongly)
        else:
            self._fix_word(finding, mention, wrongly=wrongly)

    def _fix_setting(self, finding: FalseStatement, *, wrongly: bool) -> None:
        """Fix the context or its background's colour."""
        new = finding.truth
        if finding.kind == "other":
            name = str(self._rng.choice(list(CONTEXTS))) if wrongly else new
            new = CONTEXTS[name].phrase
        elif wrongly:
            new = str(self._rng.choice(list(BACKGROUNDS)))
        self._edit(finding, cased_at(self._text, finding.start, new))

    def _fix_object(self, finding: FalseStatement, mention: Mention, *, wrongly: bool) -> None:
        assert finding.mention is not None
        name = finding.category
        if name not in self._instead:
            use = bool(self._unmentioned) and self._rng.random() < self._replace
            self._instead[name] = self._unmentioned.pop() if use else None
        thing = self._instead[name]
        if wrongly:
            other = self._somewhere_else()
            self._changes[finding.mention] = Change(phrase=phrase_at(mention, other, 1, ""))
        elif thing is None or (mention.definite and thing.number > 1):
            self._changes[finding.mention] = Change(phrase=None)
        else:
            text = phrase_at(mention, thing.category, thing.number, thing.colour)
            self._changes[finding.mention] = Change(phrase=text, number=thing.number)
            if mention.place_mark:
                mark = mention.place_mark
                place = place_at(self._text, mark.start, thing.cells[0])
                self._edits.append(
                    Edit(start=mark.start, end=mark.end, text=place, kind="position")
                )

    def _fix_number(self, finding: FalseStatement, mention: Mention, *, wrongly: bool) -> None:
        assert finding.mention is not None
        assert mention.number is not None
        thing = self._scene.thing(mention.category)
        assert thing is not None
        number = mention.number % len(NUMBERS[1:5]) + 1 if wrongly else thing.number
        colour = mention.colour_mark.value if mention.colour_mark else ""
        if colour and thing.colour and not wrongly:
            colour = thing.colour
        text = phrase_at(mention, mention.category, number, colour)
        self._changes[finding.mention] = Change(phrase=text, number=number, kind="number")

    def _fix_word(self, finding: FalseStatement, mention: Mention, *, wrongly: bool) -> None:
        """Fix a colour or a place."""
        if finding.mention in self._changes:
            return
        if finding.kind == "position":
            cell = int(self._rng.integers(9)) if wrongly else int(finding.truth)
            self._edit(finding, place_at(self._text, finding.start, cell))
        else:
            assert finding.mention is not None
            colour = str(self._rng.choice(list(COLOURS))) if wrongly else finding.truth
            number = mention.number or 1
            text = phrase_at(mention, mention.category, number, colour)
            self._changes[finding.mention] = Change(phrase=text, number=number, kind="attribute")

    def _false_alarms(self) -> None:
        for index, mention in enumerate(self._reading.mentions):
            if mention.negated or mention.definite or index in self._changes:
                continue
            if self._rng.random() < self._mistakes.false_alarm:
                text = phrase_at(mention, self._somewhere_else(), 1, "")
                self._changes[index] = Change(phrase=text)

    def _somewhere_else(self) -> str:
        absent = [name for name in CATEGORIES if self._scene.thing(name) is None]
        return str(self._rng.choice(absent))

    def _edit(self, finding: FalseStatement, new: str) -> None:
        if new != self._text[finding.start : finding.end]:
            edit = Edit(start=finding.start, end=finding.end, text=new, kind=finding.kind)
            self._edits.append(edit)
