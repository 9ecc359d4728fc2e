"""Captions of the embedded world, compared with the full truth: CHAIR and errors that it misses.

CHAIR: Rohrbach, Hendricks, Burns, Darrell, Saenko 2018, "Object Hallucination in Image Captioning",
arXiv 1809.02156. A mention is a noun phrase that states that a category is present; a definite one
("the cup") counts too, and repetitions count. It is invented if the scene has no object of its
category.

    chair_sentence = answers with an invented mention / answers      (CHAIRs)
    chair_instance = invented mentions / mentions                    (CHAIRi)
    recall         = distinct present categories that are named / present categories
    wrong_any      = answers with anything wrong: object, number, colour, place, context / answers

Departures: mentions are read by the world's rules (`world.read`), which handle negation ("there is
no cup" is not a mention; CHAIR counts it); the truth is the scene's, not a union of labels and
captions; an answer without a word is unparsed, while CHAIR counts it as right. Recall is a ratio of
sums, not a mean over images, so that a scene with more objects has more weight.

Scenes of the strata "missing" and "replaced" are separate parts (`overgeneral.py`).
"""

import re
from collections import Counter
from collections.abc import Sequence

from groundtune.bench.benchmark import Protocol, Scoring
from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.metric import Metric, unparsed_metric
from groundtune.bench.world.images import (
    add_image,
    answered_items,
    ask_about,
    blank_score,
    find_scene,
    split_scenes,
)
from groundtune.records import Score, SpanKind
from groundtune.store.images import ImageStore
from groundtune.store.keys import seed_of
from groundtune.world.captions import EVALUATION_INSTRUCTIONS
from groundtune.world.grammar import sentences
from groundtune.world.read import StatedFacts, read
from groundtune.world.scenes import Difficulty, Scene, Stratum
from groundtune.world.truth import FalseStatement, check

NAME = "world-captions"
RULES = "world-captions 2"
"""Part of every score's key: it must change whenever the scoring changes."""
STRATA: tuple[Stratum, ...] = ("missing", "replaced")
KINDS: dict[SpanKind, str] = {
    "object": "an invented object",
    "number": "a wrong number",
    "attribute": "a wrong colour",
    "position": "a wrong place",
    "other": "a wrong context",
}

PROTOCOL = Protocol(
    label="Captions of the embedded world",
    prompt="one of eight instructions that no feedback was collected on, by a seed and the scene",
    parser="rules over a lexicon of names, numbers, colours and places; negated mentions are none",
    counted="CHAIR's sentence and instance rates on the scene's whole truth; every mention counts",
    source="Rohrbach et al. 2018, arXiv 1809.02156",
    max_new_tokens=128,
    items="scenes of a split, one answer each",
)

_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) sorry|i (?:can ?not|can't|could ?n[o']t|won't) (?:see|view|help|assist|tell|"
    r"describe|provide|answer|determine|identify)|(?:i(?:'m| am)|am) (?:unable|not able)|"
    r"as an ai|(?:no|not any) (?:image|picture|photo) (?:is |was |has been )?"
    r"(?:provided|attached|given|visible)|i (?:don't|do not) (?:see|have) (?:an?|any|the) "
    r"(?:image|picture|photo))\b",
    re.IGNORECASE,
)


def refuses(text: str) -> bool:
    """Whether an answer refuses in one of the usual phrases, and names nothing."""
    return bool(_REFUSAL.search(text)) and not read(text).asserted_mentions


def load(
    selection: ItemSelection, images: ImageStore, difficulty: Difficulty = "clear"
) -> list[Item]:
    """`n` usual scenes, and a fifth as many of each stratum, with an instruction each.

    Raises:
        UserError: no such split, or the disk is full.
    """
    split, start = selection.split, selection.start
    usual = split_scenes(split, selection.n, difficulty=difficulty, start=start)
    items = [_item(scene, selection.seed, images, NAME) for scene in usual]
    for stratum in STRATA:
        number = max(1, selection.n // 5)
        stratum_scenes = split_scenes(split, number, stratum, difficulty, start=start)
        items += [
            _item(scene, selection.seed, images, f"{NAME}/{stratum}") for scene in stratum_scenes
        ]
    return items


def _item(scene: Scene, seed: int, images: ImageStore, benchmark: str) -> Item:
    choice = seed_of("instruction", seed, scene.key) % len(EVALUATION_INSTRUCTIONS)
    prompt = ask_about(scene, add_image(scene, images), EVALUATION_INSTRUCTIONS[choice])
    return Item(
        key=scene.key,
        benchmark=benchmark,
        image=scene.key,
        prompt=prompt,
        kind="caption",
        strata={"context": scene.context, "stratum": scene.stratum},
    )


def score(items: Sequence[Item], answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """Compare each caption with its scene."""
    return [
        score_caption(find_scene(item.image), item, answer)
        for item, answer in answered_items(items, answers, scoring)
    ]


def score_caption(scene: Scene, item: Item, answer: ItemAnswer) -> Score:
    """Compare one caption with its scene."""
    blank = blank_score(item, answer, RULES)
    text = answer.text
    if not re.search(r"\w", text):
        return blank.model_copy(update={"status": "unparsed", "why": "the answer has no words"})
    reading = read(text)
    errors = check(scene, reading)
    return blank.model_copy(
        update={
            "values": caption_values(scene, text, reading, errors)
            | {"cut": float(answer.truncated)},
            "extracted": tuple(mention.category for mention in reading.asserted_mentions),
            "spans": tuple(finding.span() for finding in errors),
            "why": "; ".join(_in_words(text, finding) for finding in errors),
        }
    )


def caption_values(
    scene: Scene, text: str, reading: StatedFacts, errors: list[FalseStatement]
) -> dict[str, float]:
    """The values from which the metrics are computed.

    `wrong_KIND` is 0 or 1, `wrong_KINDs` a count; `numbers`, `colours` and `places` count those
    stated for present objects; `repeated` counts the most frequent sentence, `again` is 1 from two
    times on, `looping` from three.
    """
    sentence_counts = Counter(text[start:end].lower() for start, end in sentences(text))
    repetitions = max(sentence_counts.values(), default=0)
    mentions = reading.asserted_mentions
    right = [mention for mention in mentions if mention.category in scene.categories]
    counts = {kind: sum(finding.kind == kind for finding in errors) for kind in KINDS}
    values = {
        "mentions": len(mentions),
        "invented_mentions": counts["object"],
        "invented": counts["object"] > 0,
        "wrong": len(errors) > 0,
        "classes": len({mention.category for mention in right}),
        "truth_classes": len(scene.things),
        "words": len(text.split()),
        "sentences": sentence_counts.total(),
        "repeated": repetitions,
        "again": repetitions > 1,
        "looping": repetitions > 2,
        "refusal": bool(_REFUSAL.search(text)) and not mentions,
        "numbers": sum(mention.number_mark is not None for mention in right),
        "colours": sum(
            mention.colour_mark is not None and scene_colour(scene, mention.category)
            for mention in right
        ),
        "places": sum(mention.place_mark is not None for mention in right),
    }
    for kind, count in counts.items():
        values |= {f"wrong_{kind}": count > 0, f"wrong_{kind}s": count}
    values["wrong_colours"] = sum(f.kind == "attribute" and f.mention is not None for f in errors)
    return {name: float(value) for name, value in values.items()}


def scene_colour(scene: Scene, category: str) -> bool:
    """Whether the objects of a category have a colour that can be right or wrong."""
    thing = scene.thing(category)
    return thing is not None and bool(thing.colour)


def invented_categories(score: Score) -> list[str]:
    """The distinct absent categories that a scored caption names, in its order."""
    present = find_scene(score.image).categories
    return [name for name in dict.fromkeys(score.extracted) if name not in present]


def _in_words(text: str, finding: FalseStatement) -> str:
    phrase = text[finding.start : finding.end]
    if finding.kind == "object":
        return f'"{phrase}": not there'
    if finding.kind == "position":
        return f'"{phrase}": another place'
    return f'"{phrase}": {finding.truth}'


def _per_answer(
    name: str, label: str, unit: str = "%", *, cost: bool = False, **more: str
) -> Metric:
    share = unit == "%"
    return Metric(
        name=name,
        label=label,
        numerator={more.get("value", name): 1},
        denominator={"scored": 1},
        better="lower" if share else "neutral",
        role="cost" if cost else "quality",
        unit=unit,
        scale=100 if share else 1,
        explanation=more.get("explanation", ""),
    )


def _per_mention(name: str, label: str, wrong: str, of: str) -> Metric:
    return Metric(name=name, label=label, numerator={wrong: 1}, denominator={of: 1}, better="lower")


METRICS: tuple[Metric, ...] = (
    _per_answer(
        "chair_sentence",
        "Answers with an invented object",
        value="invented",
        explanation="CHAIRs: answers that name an object that is not in the image.",
    ),
    Metric(
        name="chair_instance",
        label="Invented objects among all mentioned",
        numerator={"invented_mentions": 1},
        denominator={"mentions": 1},
        better="lower",
        explanation="CHAIRi: each mention counts, however often.",
    ),
    _per_answer(
        "wrong_any",
        "Answers with anything wrong",
        value="wrong",
        explanation="An object, a number, a colour, a place, the context or the background.",
    ),
    *(
        _per_answer(f"wrong_{kind}", f"Answers with {words}")
        for kind, words in KINDS.items()
        if kind != "object"
    ),
    _per_mention("number_error", "Wrong numbers among those said", "wrong_numbers", "numbers"),
    _per_mention("colour_error", "Wrong colours among those said", "wrong_colours", "colours"),
    _per_mention("place_error", "Wrong places among those said", "wrong_positions", "places"),
    Metric(
        name="recall",
        label="Objects in the image that are named",
        numerator={"classes": 1},
        denominator={"truth_classes": 1},
        better="higher",
        role="cost",
        explanation="Distinct categories named over categories there, summed over the images.",
    ),
    _per_answer("mentions", "Objects mentioned per answer", "mentions", cost=True),
    _per_answer("words", "Words per answer", "words", cost=True),
    _per_answer("sentences", "Sentences per answer", "sentences", cost=True),
    _per_answer("again", "Answers that say a sentence again", cost=True),
    _per_answer(
        "looping",
        "Answers that say a sentence three times or more",
        cost=True,
        explanation="No object is invented by it, and yet nobody wants to read it.",
    ),
    _per_answer("refusals", "Answers that refuse", cost=True, value="refusal"),
    _per_answer("cut", "Answers truncated at the longest length", cost=True),
    unparsed_metric(),
)
