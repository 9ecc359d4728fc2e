"""Questions about a scene, with true answers: existence as in POPE, attributes, open questions.

Every answer is true: a model of the world knows better than its captions say.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from groundtune.records import Record
from groundtune.world.catalogue import CATEGORIES, CELLS, COLOURS, CONTEXTS, NUMBERS
from groundtune.world.grammar import NounPhrase, bare, capital, join, phrase, plural
from groundtune.world.scenes import Scene, Thing

Negative = Literal["random", "popular", "adversarial"]
Kind = Literal[
    "existence",
    "number",
    "colour",
    "place",
    "content",
    "environment",
    "comparison",
    "choice",
    "attribute",
]


class Question(Record):
    """A question about a scene."""

    text: str
    kind: Kind
    answer: str
    """The short true answer, in lower case without a full stop: "yes", "three", "on the left"."""
    long: str
    """The answer as a sentence."""
    about: str = ""
    """The category in question."""


EXISTENCE: tuple[str, ...] = (
    "Is there {a} in the image?",
    "Is there {a} in the picture?",
    "Can you see {a}?",
    "Does the image contain {a}?",
    "Is {a} visible here?",
    "Do you see {a} in this photo?",
)
HELD_OUT_EXISTENCE: tuple[str, ...] = (
    "Would you say that {a} is present?",
    "Does {a} appear anywhere?",
)
NUMBER = (
    "How many {many} are there?",
    "How many {many} can you see?",
    "Count the {many} in the image.",
)
COLOUR = (
    "What colour is the {one}?",
    "What is the color of the {one}?",
    "Which colour does the {one} have?",
)
COLOURS_OF = ("What colour are the {many}?", "What is the color of the {many}?")
PLACE = (
    "Where is the {one}?",
    "Where in the picture is the {one}?",
    "In which place is the {one}?",
)
CONTENT = ("What is {place}?", "What can be seen {place}?", "Which object is {place}?")
ENVIRONMENT = (
    "What kind of place is this?",
    "Where was this photo taken?",
    "Which place does the image show?",
)
BACKDROP = ("What colour is the {surface}?", "Which colour does the {surface} have?")
COMPARISON = ("Are there more {many} than {others}?", "Do you see more {many} than {others}?")
CHOICE = ("Which of these is in the picture? (A) {a} (B) {b} (C) {c}",)
SUFFIX = " Answer yes or no."


def existence(category: str, there: bool, template: str) -> Question:
    """Whether a category is in the image."""
    a = phrase(NounPhrase(category=category))
    answer = "yes" if there else "no"
    long = (
        f"Yes, there is {a}."
        if there
        else f"No, there is no {bare(NounPhrase(category=category))}."
    )
    return Question(
        text=template.format(a=a), kind="existence", answer=answer, long=long, about=category
    )


def negatives(scene: Scene, rng: np.random.Generator, kind: Negative, number: int) -> list[str]:
    """Absent categories, sampled as in POPE (arXiv 2305.10355, section 4).

    Random ones, the most frequent ones of all scenes, or those that co-occur most with the scene's
    objects.
    """
    absent = [name for name in CATEGORIES if name not in scene.categories]
    if kind == "random":
        return [str(name) for name in rng.choice(absent, size=number, replace=False)]
    if kind == "popular":
        weight = _popularity()
    else:
        context_prior = CONTEXTS[scene.context].prior
        weight = {name: context_prior.get(name, 0.0) for name in absent}
    absent.sort(key=lambda name: (-weight.get(name, 0.0), name))
    return absent[:number]


def _popularity() -> dict[str, float]:
    """Expected number of scenes with a category, over all contexts."""
    return {
        name: sum(context.prior.get(name, 0.0) for context in CONTEXTS.values())
        for name in CATEGORIES
    }


def _pick(templates: tuple[str, ...], rng: np.random.Generator) -> str:
    return templates[int(rng.integers(len(templates)))]


def _any_thing(scene: Scene, rng: np.random.Generator) -> Thing:
    return scene.things[int(rng.integers(len(scene.things)))]


def ask_existence(scene: Scene, rng: np.random.Generator) -> Question:
    """A balanced yes/no question; absent categories from all samplings and from the full prior."""
    template = _pick(EXISTENCE, rng)
    if rng.random() < 0.5:
        return existence(_any_thing(scene, rng).category, True, template)
    draw = rng.random()
    if draw < 0.5:
        table = [name for name in CONTEXTS[scene.context].prior if scene.thing(name) is None]
        weights = np.array([CONTEXTS[scene.context].prior[name] for name in table])
        return existence(str(rng.choice(table, p=weights / weights.sum())), False, template)
    pool = negatives(scene, rng, "popular" if draw < 0.7 else "random", 8)
    return existence(pool[int(rng.integers(len(pool)))], False, template)


def ask_number(scene: Scene, rng: np.random.Generator) -> Question:
    """The number of a present category; sometimes of an absent one."""
    if rng.random() < 0.12:
        name = negatives(scene, rng, "adversarial", 1)[0]
        many, number = plural(name), 0
        long = f"There are no {many}."
    else:
        thing = _any_thing(scene, rng)
        name, number, many = thing.category, thing.number, plural(thing.category)
        verb = "is" if number == 1 else "are"
        long = f"There {verb} {phrase(NounPhrase(category=name, number=number))}."
        if number == 1:
            long = f"There is one {bare(NounPhrase(category=name))}."
    text = _pick(NUMBER, rng).format(many=many)
    return Question(text=text, kind="number", answer=NUMBERS[number], long=long, about=name)


def ask_colour(scene: Scene, rng: np.random.Generator) -> Question | None:
    """The colour of a tintable category; None if the scene has none."""
    tinted = [thing for thing in scene.things if thing.colour]
    if not tinted:
        return None
    thing = tinted[int(rng.integers(len(tinted)))]
    if thing.number == 1:
        one = bare(NounPhrase(category=thing.category))
        text, long = _pick(COLOUR, rng).format(one=one), f"The {one} is {thing.colour}."
    else:
        many = plural(thing.category)
        text, long = _pick(COLOURS_OF, rng).format(many=many), f"The {many} are {thing.colour}."
    return Question(text=text, kind="colour", answer=thing.colour, long=long, about=thing.category)


def ask_place(scene: Scene, rng: np.random.Generator) -> Question | None:
    """The place of the only object of a category; None if every category has several."""
    singles = [thing for thing in scene.things if thing.number == 1]
    if not singles:
        return None
    thing = singles[int(rng.integers(len(singles)))]
    one, place = bare(NounPhrase(category=thing.category)), CELLS[thing.cells[0]]
    text = _pick(PLACE, rng).format(one=one)
    return Question(
        text=text, kind="place", answer=place, long=f"The {one} is {place}.", about=thing.category
    )


def ask_content(scene: Scene, rng: np.random.Generator) -> Question:
    """The object in a place; mostly a place that isn't empty."""
    full = [cell for thing in scene.things for cell in thing.cells]
    cell = int(rng.choice(full)) if rng.random() < 0.85 else int(rng.integers(9))
    thing = scene.at(cell)
    answer = (
        "nothing"
        if thing is None
        else phrase(NounPhrase(category=thing.category, colour=thing.colour))
    )
    about = "" if thing is None else thing.category
    long = f"There is {answer} {CELLS[cell]}."
    return Question(
        text=_pick(CONTENT, rng).format(place=CELLS[cell]),
        kind="content",
        answer=answer,
        long=long,
        about=about,
    )


def ask_environment(scene: Scene, rng: np.random.Generator) -> Question:
    """The kind of place, or the colour of its wall or sky."""
    context = CONTEXTS[scene.context]
    if rng.random() < 0.6:
        text, answer, long = _pick(ENVIRONMENT, rng), context.phrase, f"This is {context.phrase}."
    else:
        text = _pick(BACKDROP, rng).format(surface=context.surface)
        answer, long = scene.background, f"The {context.surface} is {scene.background}."
    return Question(text=text, kind="environment", answer=answer, long=long)


def ask_comparison(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Which of two categories has more objects; None if all numbers are equal."""
    numbers = {thing.category: thing.number for thing in scene.things}
    absent = negatives(scene, rng, "adversarial", 1)[0]
    numbers[absent] = 0
    first, second = (str(name) for name in rng.choice(list(numbers), size=2, replace=False))
    if numbers[first] == numbers[second]:
        return None
    more = numbers[first] > numbers[second]
    winner, loser = (first, second) if more else (second, first)
    long = f"{'Yes' if more else 'No'}, there are more {plural(winner)} than {plural(loser)}."
    text = _pick(COMPARISON, rng).format(many=plural(first), others=plural(second))
    return Question(
        text=text, kind="comparison", answer="yes" if more else "no", long=long, about=first
    )


def ask_choice(scene: Scene, rng: np.random.Generator) -> Question:
    """Which of three categories is present."""
    right = _any_thing(scene, rng).category
    names = [right, *negatives(scene, rng, "adversarial" if rng.random() < 0.5 else "random", 2)]
    order = rng.permutation(3)
    options = [phrase(NounPhrase(category=names[int(i)])) for i in order]
    letter = "ABC"[int(np.flatnonzero(order == 0)[0])]
    text = _pick(CHOICE, rng).format(a=options[0], b=options[1], c=options[2])
    long = f"({letter}) {phrase(NounPhrase(category=right))}."
    return Question(text=text, kind="choice", answer=f"({letter.lower()})", long=long, about=right)


def ask_attribute(scene: Scene, rng: np.random.Generator) -> Question:
    """A yes/no question on number, colour or place of a present category, as in AMBER."""
    thing = _any_thing(scene, rng)
    true = rng.random() < 0.5
    kinds = ["number"] + ["colour"] * bool(thing.colour) + ["place"] * (thing.number == 1)
    kind = str(rng.choice(kinds))
    name = thing.category
    if kind == "number":
        number = (
            thing.number
            if true
            else int(rng.choice([n for n in (1, 2, 3, 4) if n != thing.number]))
        )
        text_of_number = phrase(NounPhrase(category=name, number=number))
        text_of_number = f"one {bare(NounPhrase(category=name))}" if number == 1 else text_of_number
        text = f"{'Is' if number == 1 else 'Are'} there exactly {text_of_number}?"
    elif kind == "colour":
        colour = (
            thing.colour if true else str(rng.choice([c for c in COLOURS if c != thing.colour]))
        )
        text = f"Is the {bare(NounPhrase(category=name))} {colour}?"
        if thing.number > 1:
            text = f"Are the {plural(name)} {colour}?"
    else:
        wrong = [cell for cell in range(9) if cell != thing.cells[0]]
        cell = thing.cells[0] if true else int(rng.choice(wrong))
        text = f"Is the {bare(NounPhrase(category=name))} {CELLS[cell]}?"
    answer = "yes" if true else "no"
    return Question(
        text=text, kind="attribute", answer=answer, long=f"{capital(answer)}.", about=name
    )


ASKERS: tuple[tuple[float, Callable[[Scene, np.random.Generator], Question | None]], ...] = (
    (0.38, ask_existence),
    (0.16, ask_number),
    (0.08, ask_colour),
    (0.10, ask_place),
    (0.08, ask_content),
    (0.04, ask_environment),
    (0.04, ask_comparison),
    (0.04, ask_choice),
    (0.08, ask_attribute),
)
"""Share of each kind in the training data of a model of the world."""


def ask(scene: Scene, rng: np.random.Generator) -> Question:
    """A question of any kind."""
    weights = np.array([share for share, _ in ASKERS])
    asker = ASKERS[int(rng.choice(len(ASKERS), p=weights / weights.sum()))][1]
    question = asker(scene, rng)
    return question if question is not None else ask_existence(scene, rng)


def as_turn(question: Question, rng: np.random.Generator) -> tuple[str, str]:
    """A question and its answer as a turn: short or long, with or without "Answer yes or no."."""
    short = (
        question.answer.upper() if question.kind == "choice" else capital(question.answer)
    ) + "."
    if question.answer in ("yes", "no") and rng.random() < 0.4:
        return question.text + SUFFIX, short
    return question.text, short if rng.random() < 0.6 else question.long


def facts(scene: Scene) -> tuple[str, ...]:
    """All facts of a scene, as sentences, for fact-augmented judges and models."""
    context = CONTEXTS[scene.context]
    lines = [f"The place is {context.phrase}.", f"The {context.surface} is {scene.background}."]
    for thing in scene.things:
        objects = phrase(
            NounPhrase(category=thing.category, number=thing.number, colour=thing.colour)
        )
        verb = "is" if thing.number == 1 else "are"
        lines.append(f"There {verb} {objects} {join([CELLS[cell] for cell in thing.cells])}.")
    return tuple(lines)
