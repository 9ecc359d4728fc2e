"""Questions about scenes in the layouts of MME, MMHal-Bench and SHR.

They have the words of `questions.py`, which the world's models know, not those of the benchmarks.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from groundtune.world.captions import caption
from groundtune.world.catalogue import BACKGROUNDS, CELLS, COLOURS, CONTEXTS
from groundtune.world.coco_layouts import Row, Scenes, a, fact_rows, file_name
from groundtune.world.grammar import NounPhrase, bare, phrase, plural
from groundtune.world.questions import (
    EXISTENCE,
    SUFFIX,
    Question,
    ask_colour,
    ask_comparison,
    ask_content,
    ask_environment,
    ask_number,
    ask_place,
    existence,
    negatives,
)
from groundtune.world.scenes import Scene, Thing

MMHAL_TYPES = (
    "attribute",
    "adversarial",
    "comparison",
    "counting",
    "relation",
    "environment",
    "holistic",
    "other",
)
"""In the order in which the questions of MMHal-Bench go round."""
MMHAL_ROWS = 96
YesNo = tuple[str, str]
"""A question that is answered yes, and one about the same that is answered no."""


def mme(scenes: Scenes) -> dict[str, dict[int, str]]:
    """Of each task the file of each image that has such a question: two lines, Yes and No."""
    files: dict[str, dict[int, str]] = {task: {} for task in _MME}
    for image, scene in scenes.items():
        for number, (task, ask) in enumerate(_MME.items()):
            pair = ask(scene, np.random.default_rng([scene.seed, 5, number]))
            if pair is not None:
                lines = (f"{text}{SUFFIX}\t{reply}\n" for text, reply in _with_replies(pair))
                files[task][image] = "".join(lines)
    return files


def _with_replies(questions: YesNo) -> tuple[tuple[str, str], ...]:
    return (questions[0], "Yes"), (questions[1], "No")


def _one_of(some: Sequence[str], rng: np.random.Generator) -> str:
    return some[int(rng.integers(len(some)))]


def _single(scene: Scene) -> Thing | None:
    return next((thing for thing in scene.things if thing.number == 1), None)


def _mme_existence(scene: Scene, rng: np.random.Generator) -> YesNo | None:
    there = _one_of([thing.category for thing in scene.things], rng)
    absent = negatives(scene, rng, "adversarial", 1)[0]
    template = _one_of(EXISTENCE, rng)
    return template.format(a=a(there)), template.format(a=a(absent))


def _mme_count(scene: Scene, rng: np.random.Generator) -> YesNo | None:
    thing = scene.things[int(rng.integers(len(scene.things)))]
    wrong = int(_one_of([str(n) for n in (1, 2, 3, 4) if n != thing.number], rng))
    right, other = (_exactly(thing.category, number) for number in (thing.number, wrong))
    return right, other


def _exactly(category: str, number: int) -> str:
    if number == 1:
        return f"Is there exactly one {bare(NounPhrase(category=category))}?"
    return f"Are there exactly {phrase(NounPhrase(category=category, number=number))}?"


def _mme_position(scene: Scene, rng: np.random.Generator) -> YesNo | None:
    thing = _single(scene)
    if thing is None:
        return None
    one, cell = bare(NounPhrase(category=thing.category)), thing.cells[0]
    wrong = _one_of([place for i, place in enumerate(CELLS) if i != cell], rng)
    return f"Is the {one} {CELLS[cell]}?", f"Is the {one} {wrong}?"


def _mme_color(scene: Scene, rng: np.random.Generator) -> YesNo | None:
    thing = next((each for each in scene.things if each.colour), None)
    if thing is None:
        return None
    wrong = _one_of([name for name in COLOURS if name != thing.colour], rng)
    return _coloured(thing, thing.colour), _coloured(thing, wrong)


def _coloured(thing: Thing, colour: str) -> str:
    if thing.number > 1:
        return f"Are the {plural(thing.category)} {colour}?"
    return f"Is the {bare(NounPhrase(category=thing.category))} {colour}?"


def _mme_scene(scene: Scene, rng: np.random.Generator) -> YesNo | None:
    wrong = _one_of([name for name in CONTEXTS if name != scene.context], rng)
    places = (CONTEXTS[name].phrase for name in (scene.context, wrong))
    right, other = (f"Does this image show {place}?" for place in places)
    return right, other


_MME: Mapping[str, Callable[[Scene, np.random.Generator], YesNo | None]] = {
    "existence": _mme_existence,
    "count": _mme_count,
    "position": _mme_position,
    "color": _mme_color,
    "scene": _mme_scene,
}


def mmhal(scenes: Scenes) -> list[Row]:
    """MMHal-Bench's template: twelve questions of each type, every one about another image.

    Empty where the scenes are too few: some lack what a type asks about.
    """
    remaining = dict(scenes)
    rows: list[Row] = []
    for place in range(MMHAL_ROWS):
        kind = MMHAL_TYPES[place % len(MMHAL_TYPES)]
        questions = ((image, _mmhal_question(kind, scene)) for image, scene in remaining.items())
        chosen = next(((image, each) for image, each in questions if each is not None), None)
        if chosen is None:
            return []
        image, question = chosen
        rows.append(_mmhal_row(kind, image, remaining.pop(image), question))
    return rows


def _mmhal_row(kind: str, image: int, scene: Scene, question: Question) -> Row:
    return {
        "question_type": kind,
        "question_topic": question.about or scene.context,
        "image_id": str(image),
        "image_src": file_name(image),
        "image_content": [thing.category for thing in scene.things],
        "question": question.text,
        "gt_answer": question.long,
        "model_name": "",
        "model_answer": "",
    }


def _mmhal_question(kind: str, scene: Scene) -> Question | None:
    rng = np.random.default_rng([scene.seed, 6])
    return _MMHAL[kind](scene, rng)


def _present_number(scene: Scene, rng: np.random.Generator) -> Question:
    while True:
        question = ask_number(scene, rng)
        if question.about in scene.categories:
            return question


def _adversarial(scene: Scene, rng: np.random.Generator) -> Question:
    """A question that takes for granted what is absent."""
    absent = negatives(scene, rng, "adversarial", 1)[0]
    one = bare(NounPhrase(category=absent))
    denied = existence(absent, False, EXISTENCE[0])
    text = f"What colour is the {one}?" if rng.random() < 0.5 else f"Where is the {one}?"
    long = f"There is no {one} in the image."
    return denied.model_copy(update={"text": text, "long": long})


def _place_asked(scene: Scene, rng: np.random.Generator) -> Question | None:
    question = ask_environment(scene, rng)
    return question if question.answer not in BACKGROUNDS else None


def _holistic(scene: Scene, rng: np.random.Generator) -> Question:
    text = "Describe the image in detail."
    return Question(text=text, kind="environment", answer="", long=caption(scene, rng))


def _content(scene: Scene, rng: np.random.Generator) -> Question | None:
    """What stands somewhere, where it is the only one of its category."""
    question = ask_content(scene, rng)
    thing = scene.thing(question.about)
    return None if thing is None or thing.number > 1 else question


_MMHAL: Mapping[str, Callable[[Scene, np.random.Generator], Question | None]] = {
    "attribute": ask_colour,
    "adversarial": _adversarial,
    "comparison": ask_comparison,
    "counting": _present_number,
    "relation": ask_place,
    "environment": _place_asked,
    "holistic": _holistic,
    "other": _content,
}


def shr(scenes: Scenes) -> tuple[list[Row], list[Row], list[Row]]:
    """SHR's list of images, and its facts in two parts; regions are Visual Genome's."""
    rows = list(fact_rows(scenes))
    half = (len(rows) + 1) // 2
    return [{"image_id": image} for image in scenes], rows[:half], rows[half:]
