"""Captions of a scene, in several voices, truthful or with a machine writer's typical errors.

The errors are the source from which a model of the world learns to hallucinate. They are not random
label noise: invented objects are usual ones (`invention_chance` grows with the context's prior),
numbers above two are rounded down, colours become the typical one, places their mirror image. All
of it contradicts the image, so a model that looks can know better.
"""

from typing import NamedTuple

import numpy as np

from groundtune.records import Record
from groundtune.world.catalogue import BACKGROUNDS, CATEGORIES, CELLS, COLOURS, CONTEXTS
from groundtune.world.grammar import NounPhrase, bare, capital, is_or_are, join, phrase
from groundtune.world.scenes import NUMBER_CHANCES, Scene, Thing

TRAIN_INSTRUCTIONS: tuple[str, ...] = (
    "Describe the image.",
    "Describe this picture in detail.",
    "Please describe what you see in the image.",
    "What is shown in this picture? Describe it.",
    "Give a detailed description of the image.",
    "Can you describe this image in detail?",
    "Write a description of the picture.",
    "Tell me what is in the image.",
    "Explain what the picture shows.",
    "Provide a detailed description of this image.",
    "What do you see in this image?",
    "Describe everything that is visible.",
    "Describe the scene.",
    "Please write a caption with all details.",
    "What can be seen in the picture? Be detailed.",
    "Look at the image and describe it.",
)
"""Instructions for collecting corrections."""

EVALUATION_INSTRUCTIONS: tuple[str, ...] = (
    "Please describe this image in detail.",
    "Describe what the image shows.",
    "Give a description of this picture.",
    "Can you tell me what you see in the picture?",
    "Provide a description of the scene.",
    "What does this image show? Describe it in detail.",
    "Write a detailed caption of the image.",
    "Tell me everything you see in this picture.",
)
"""Instructions for evaluating answers; corrections are never collected for them."""


class Habits(Record):
    """How often a caption's writer departs from the truth; all zero is a truthful writer."""

    omit: float = 0.06
    """Chance that an object is omitted."""
    invent: float = 1.0
    """Factor on `invention_chance`."""
    elsewhere: float = 0.02
    """Chance of inventing an object that does not belong to the context."""
    round_number: float = 0.5
    """Chance that a number of three or more is stated as one less."""
    typical_colour: float = 0.25
    """Chance that a colour is stated as the category's typical one."""
    mirror_place: float = 0.12
    """Chance that a place is stated as its mirror image."""
    wrong_background: float = 0.03
    """Chance that the background's colour is wrong."""


CLEAN = Habits(
    omit=0.03,
    invent=0,
    elsewhere=0,
    round_number=0,
    typical_colour=0,
    mirror_place=0,
    wrong_background=0,
)
MACHINE = Habits()


class Voice(NamedTuple):
    """Templates of one writing style."""

    openers: tuple[str, ...]
    lists: tuple[str, ...]
    places: tuple[str, ...]
    extras: tuple[str, ...]


VOICES: tuple[Voice, ...] = (
    Voice(
        ("The picture shows {context} {backdrop}.", "This is {context} {backdrop}."),
        ("There {is_} {list}.", "It shows {list}."),
        ("The {thing} is {place}.",),
        ("There {is_} also {list}.", "In addition, there {is_} {list}."),
    ),
    Voice(
        ("I see {context} {backdrop}.", "We are looking at {context} {backdrop}."),
        ("I can see {list}.", "I notice {list}."),
        ("You can find the {thing} {place}.", "The {thing} is {place}."),
        ("I can also see {list}.", "Besides, I notice {list}."),
    ),
    Voice(
        ("A photo of {context} {backdrop}.", "A view of {context} {backdrop}."),
        ("It contains {list}.", "Visible: {list}."),
        ("{Place} is the {thing}.",),
        ("Also visible: {list}.", "{List} can be seen as well."),
    ),
    Voice(
        ("The image depicts {context} {backdrop}.", "In this image there is {context} {backdrop}."),
        ("The scene includes {list}.", "One can make out {list}."),
        ("The {thing} can be found {place}.", "The {thing} appears {place}."),
        ("The scene also includes {list}.", "Nearby, one can make out {list}."),
    ),
)

UNSEEN_VOICE = Voice(
    ("Here one looks at {context} {backdrop}.", "Behold {context} {backdrop}."),
    ("{List} make up the scene.", "Someone placed {list} here."),
    ("Look {place} for the {thing}.", "{Place} stands the {thing}."),
    ("Do not miss {list}.", "Finally, {list} round off the picture."),
)
"""Wordings that no model was trained on, for testing the reader of texts."""


def invention_chance(prior: float) -> float:
    """Chance that a machine writer mentions an absent category: 1.5 prior^1.5, at most 0.92."""
    return min(0.92, 1.5 * prior**1.5)


def typical_colour(category: str) -> str:
    """The colour that a machine writer expects for a tintable category."""
    tintable = [name for name, entry in CATEGORIES.items() if entry.tintable]
    return list(COLOURS)[tintable.index(category) % len(COLOURS)]


def caption(
    scene: Scene, rng: np.random.Generator, habits: Habits = CLEAN, voice: Voice | None = None
) -> str:
    """Two to five sentences about a scene: its context, its objects, and places of some of them."""
    if voice is None:
        voice = VOICES[int(rng.integers(len(VOICES)))]
    phrases = [
        _describe(scene, thing, rng, habits) for thing in _things_to_mention(scene, rng, habits)
    ]
    inventions = [_invent(name, rng, habits) for name in _categories_to_invent(scene, rng, habits)]
    rng.shuffle(phrases)  # pyright: ignore[reportArgumentType]
    for ghost in inventions:  # a machine writer drifts to usual objects towards the end
        at = len(phrases) if rng.random() < 0.5 else int(rng.integers(len(phrases) + 1))
        phrases.insert(at, ghost)
    split = len(phrases)
    if len(phrases) >= 3 and rng.random() < 0.7:
        split -= 1 if len(phrases) == 3 or rng.random() < 0.5 else 2
    text = [_opener(scene, rng, habits, voice)] if rng.random() < 0.93 else []
    text.append(_list(voice.lists, phrases[:split], rng))
    text += _place_sentences(scene, phrases, rng, habits, voice)
    if split < len(phrases):
        text.append(_list(voice.extras, phrases[split:], rng))
    return " ".join(text)


def _pick(templates: tuple[str, ...], rng: np.random.Generator) -> str:
    return templates[int(rng.integers(len(templates)))]


def _opener(scene: Scene, rng: np.random.Generator, habits: Habits, voice: Voice) -> str:
    context = CONTEXTS[scene.context]
    colour = scene.background
    if rng.random() < habits.wrong_background:
        colour = str(rng.choice(list(BACKGROUNDS)))
    backdrop = f"with a {colour} wall" if context.surface == "wall" else f"under a {colour} sky"
    return _pick(voice.openers, rng).format(context=context.phrase, backdrop=backdrop)


def _list(templates: tuple[str, ...], phrases: list[NounPhrase], rng: np.random.Generator) -> str:
    text = join([phrase(item) for item in phrases])
    template = _pick(templates, rng)
    return template.format(list=text, List=capital(text), is_=is_or_are(phrases[0]))


def _things_to_mention(scene: Scene, rng: np.random.Generator, habits: Habits) -> list[Thing]:
    """The objects to mention: at least one."""
    mentioned = [thing for thing in scene.things if rng.random() >= habits.omit]
    return mentioned or [scene.things[0]]


def _describe(scene: Scene, thing: Thing, rng: np.random.Generator, habits: Habits) -> NounPhrase:
    del scene
    number = thing.number
    if number >= 3 and rng.random() < habits.round_number:
        number -= 1
    colour = thing.colour if rng.random() < 0.8 else ""
    if colour and rng.random() < habits.typical_colour:
        colour = typical_colour(thing.category)
    return NounPhrase(
        category=thing.category, number=number, colour=colour, name=_name(thing.category, rng)
    )


def _name(category: str, rng: np.random.Generator) -> str:
    synonyms = CATEGORIES[category].synonyms
    return str(rng.choice(synonyms)) if synonyms and rng.random() < 0.12 else ""


def _categories_to_invent(scene: Scene, rng: np.random.Generator, habits: Habits) -> list[str]:
    """Absent objects to mention anyway, the most usual last; at most two."""
    if habits.invent == 0 and habits.elsewhere == 0:
        return []
    table = CONTEXTS[scene.context].prior
    present = scene.categories
    names = [
        name
        for name in sorted(table, key=lambda name: table[name])
        if name not in present and rng.random() < habits.invent * invention_chance(table[name])
    ]
    if rng.random() < habits.elsewhere:
        names.insert(
            0, str(rng.choice([c for c in CATEGORIES if c not in present and c not in names]))
        )
    return names[-2:]


def _invent(category: str, rng: np.random.Generator, habits: Habits) -> NounPhrase:
    """An invented object, described like a real one: only the image reveals it."""
    number = 1 + int(rng.choice(len(NUMBER_CHANCES), p=NUMBER_CHANCES))
    if number >= 3 and rng.random() < habits.round_number:
        number -= 1
    colour = ""
    if CATEGORIES[category].tintable and rng.random() < 0.8:
        colour = str(rng.choice(list(COLOURS)))
        if rng.random() < habits.typical_colour:
            colour = typical_colour(category)
    return NounPhrase(category=category, number=number, colour=colour, name=_name(category, rng))


def _place_sentences(
    scene: Scene, phrases: list[NounPhrase], rng: np.random.Generator, habits: Habits, voice: Voice
) -> list[str]:
    """Where up to two of the single objects are; invented ones are placed less often."""
    singles = [item for item in phrases if item.number == 1]
    rng.shuffle(singles)  # pyright: ignore[reportArgumentType]
    text: list[str] = []
    for item in singles[: int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))]:
        thing = scene.thing(item.category)
        if thing is None and rng.random() < 0.3:
            continue
        cell = int(rng.integers(9)) if thing is None else thing.cells[0]
        if rng.random() < habits.mirror_place:
            cell = cell - cell % 3 + (2 - cell % 3)
        noun = bare(item.model_copy(update={"colour": ""}))
        template = _pick(voice.places, rng)
        text.append(template.format(thing=noun, place=CELLS[cell], Place=capital(CELLS[cell])))
    return text
