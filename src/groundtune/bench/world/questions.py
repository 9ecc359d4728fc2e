"""Questions about the embedded world: existence as in POPE, attributes, numbers, colours, places.

POPE: Li et al. 2023, arXiv 2305.10355 (`pope_sampling.py`), with the split's scenes as the set of
images. Yes is the positive class; the three settings share their yes questions, each of which is
asked once. Attribute questions ("Are there exactly two cups?") are like AMBER's (Wang et al. 2023,
arXiv 2311.07397). Questions about numbers, colours and places are about present categories. Every
question has one true answer.

Unreadable answers are counted, and are not in accuracy, precision, recall and F1. POPE's parser
reads everything (`parsers.yes_or_no`): that is mode official.
"""

from collections.abc import Sequence

import numpy as np

from groundtune.bench.benchmark import Protocol, Scoring
from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.bench.world import parsers
from groundtune.bench.world import sampling as pope_sampling
from groundtune.bench.world.images import (
    add_image,
    answered_items,
    ask_about,
    blank_score,
    sets_of,
    split_scenes,
)
from groundtune.bench.world.parsers import YesNoParser
from groundtune.records import Score
from groundtune.store.images import ImageStore
from groundtune.store.keys import seed_of
from groundtune.world.catalogue import CELLS, NUMBERS
from groundtune.world.questions import (
    EXISTENCE,
    SUFFIX,
    Question,
    ask_attribute,
    ask_colour,
    ask_number,
    ask_place,
    existence,
)
from groundtune.world.read import place_of
from groundtune.world.scenes import Difficulty, Scene

NAME = "world-questions"
RULES = "world-questions 1"
YES_NO = ("random", "popular", "adversarial", "attribute")
OPEN = ("number", "colour", "place")

PROTOCOL = Protocol(
    label="Questions about the embedded world",
    prompt='one of six wordings by a seed; yes/no questions end in "Answer yes or no."',
    parser="first word yes or no; one number, colour or place in the first sentence; else unparsed",
    counted="yes is the positive class; unparsed answers are counted and in no other figure",
    source="Li et al. 2023, arXiv 2305.10355 (existence); Wang et al. 2023, arXiv 2311.07397",
    max_new_tokens=24,
    items="three present and three absent categories a scene and setting; four other questions",
)


def load(
    selection: ItemSelection, images: ImageStore, difficulty: Difficulty = "clear"
) -> list[Item]:
    """The questions about `n` usual scenes of a split.

    Raises:
        UserError: no such split, or the disk is full.
    """
    scenes = split_scenes(
        selection.split, selection.n, difficulty=difficulty, start=selection.start
    )
    hashes = {scene.key: add_image(scene, images) for scene in scenes}
    items = _existence_items(scenes, hashes, selection.seed)
    for scene in scenes:
        items += _other_items(scene, hashes[scene.key], selection.seed)
    return items


def existence_question(scene: Scene, category: str, seed: int) -> Question:
    """The yes/no question about a category; its wording depends on seed, scene and category."""
    choice = seed_of("existence", seed, scene.key, category) % len(EXISTENCE)
    return existence(category, category in scene.categories, EXISTENCE[choice] + SUFFIX)


def _existence_items(scenes: Sequence[Scene], hashes: dict[str, str], seed: int) -> list[Item]:
    samples = pope_sampling.draw(sets_of(scenes), seed=seed)
    items: list[Item] = []
    for scene in scenes:
        present, absent = samples[scene.key]
        names = dict.fromkeys((*present, *(name for row in absent.values() for name in row)))
        item_of = {
            name: _item(
                scene, hashes[scene.key], existence_question(scene, name, seed), "existence"
            )
            for name in names
        }
        items += [
            _of_part(item_of[name], setting)
            for setting in pope_sampling.SETTINGS
            for name in (*present, *absent[setting])
        ]
    return items


def _other_items(scene: Scene, sha256: str, seed: int) -> list[Item]:
    """One question each on an attribute, a number, a colour and a place, if possible."""
    rng = np.random.default_rng(seed_of("questions", seed, scene.key))
    attribute = ask_attribute(scene, rng)
    attribute = attribute.model_copy(update={"text": attribute.text + SUFFIX})
    questions = {
        "attribute": attribute,
        "number": _present_number(scene, rng),
        "colour": ask_colour(scene, rng),
        "place": ask_place(scene, rng),
    }
    return [_item(scene, sha256, q, part) for part, q in questions.items() if q is not None]


def _present_number(scene: Scene, rng: np.random.Generator) -> Question:
    question = ask_number(scene, rng)
    while question.about not in scene.categories:
        question = ask_number(scene, rng)
    return question


def _item(scene: Scene, sha256: str, question: Question, part: str) -> Item:
    return Item(
        key=f"{scene.key}/{part}/{question.about}",
        benchmark=f"{NAME}/{part}",
        image=scene.key,
        prompt=ask_about(scene, sha256, question.text),
        kind=part,
        target=question.answer,
        strata={"context": scene.context, "category": question.about},
    )


def _of_part(item: Item, part: str) -> Item:
    """The same question in another part of the benchmark."""
    key = f"{item.image}/{part}/{item.strata['category']}"
    return item.model_copy(update={"key": key, "benchmark": f"{NAME}/{part}", "kind": part})


def score(items: Sequence[Item], answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Compare each answer with the true one."""
    parser = "official" if scoring.mode == "official" else "first_word"
    return [score_answer(*pair, parser) for pair in answered_items(items, answers, scoring)]


def score_answer(item: Item, answer: ItemAnswer, parser: YesNoParser = "first_word") -> Score:
    """Compare one answer with the true one."""
    reading = extract(item.kind, answer.text, parser)
    rules = RULES if parser == "first_word" else f"{RULES}, {parser}"
    blank = blank_score(item, answer, rules)
    if reading is None:
        why = f"no {'yes or no' if item.kind in YES_NO else item.kind} could be read"
        return blank.model_copy(update={"status": "unparsed", "why": why})
    right = reading == item.target
    values = {"correct": float(right)}
    if item.kind in YES_NO:
        values |= _confusion(reading == "yes", item.target == "yes")
    update = {"values": values, "extracted": (reading,), "why": "" if right else item.target}
    return blank.model_copy(update=update)


def extract(kind: str, answer: str, parser: YesNoParser = "first_word") -> str | None:
    """The content of an answer to a kind of question, like `Item.target`; None if unreadable."""
    if kind in YES_NO:
        yes = parsers.yes_or_no(answer, parser)
        return None if yes is None else ("yes" if yes else "no")
    if kind == "number":
        number = parsers.number(answer)
        return NUMBERS[number] if number is not None and number < len(NUMBERS) else _digits(number)
    if kind == "colour":
        return parsers.colour(answer)
    cell = place_of(answer)
    return None if cell is None else CELLS[cell]


def _digits(number: int | None) -> str | None:
    return None if number is None else str(number)


def _confusion(yes: bool, truth: bool) -> dict[str, float]:
    name = ("t" if yes == truth else "f") + ("p" if yes else "n")
    return {outcome: float(outcome == name) for outcome in ("tp", "fp", "tn", "fn")} | {
        "yes": float(yes)
    }


METRICS: tuple[Metric, ...] = (
    Metric(
        name="accuracy",
        label="Right answers to questions",
        numerator={"correct": 1},
        denominator={"scored": 1},
        better="higher",
    ),
    Metric(
        name="f1",
        label="F1",
        numerator={"tp": 2},
        denominator={"tp": 2, "fp": 1, "fn": 1},
        better="higher",
        explanation="Harmonic mean of precision and recall; yes is the positive class.",
    ),
    Metric(
        name="precision",
        label="Precision of yes",
        numerator={"tp": 1},
        denominator={"tp": 1, "fp": 1},
        better="higher",
    ),
    Metric(
        name="yes_recall",
        label="Recall of yes",
        numerator={"tp": 1},
        denominator={"tp": 1, "fn": 1},
        better="higher",
    ),
    Metric(
        name="yes_rate",
        label="Answers that are yes",
        numerator={"yes": 1},
        denominator={"tp": 1, "fp": 1, "tn": 1, "fn": 1},
        role="cost",
        explanation="The true answer is yes for half of the questions.",
    ),
    unparsed_metric(),
)
