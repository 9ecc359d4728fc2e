"""RLHF-V's over-generalisation probe on captions of COCO's images.

Yu et al. 2023, arXiv 2312.00849, section 4: models invent what is usual in a scene. Four scenes
(living room, kitchen, bathroom, street) are found by these words in people's captions. For each
scene, with the ten most frequent classes of its images:

    in_scene = answers about its images that name one of the ten where it isn't there / answers
    overall  = the same share over the answers to all images
    delta    = in_scene - overall

and the metrics are the means over the scenes that have answers. A model that looks has a delta near
0. Published means of delta, in points: LLaVA-1.5 +9.2, LLaVA-RLHF +5.2, Qwen-VL +5.0, GPT-4V +5.0,
RLHF-V +1.7.

No code was published. Objects are read and compared with the images as in CHAIR (`chair.py`), in
both modes; a scene's word counts with or without an s, and an image may belong to several scenes.
The ten classes are counted over all images in the annotations, with ties by name. `overgeneral.py`
is the same for the embedded world, where every scene is known.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from groundtune.bench.benchmark import Benchmark, Protocol, Scoring, score_key
from groundtune.bench.item import Item, ItemAnswer
from groundtune.bench.metric import Floats, Metric, ratio, unparsed_metric
from groundtune.bench.tasks.chair import chair
from groundtune.bench.tasks.chair.chair import CHAIR
from groundtune.bench.tasks.chair.data import ChairData, read_data
from groundtune.bench.tasks.chair.tally import note_on_several
from groundtune.errors import UserError
from groundtune.records import Score
from groundtune.store.images import ImageStore

NAME = "overgeneral"
SCENES = ("living room", "kitchen", "bathroom", "street")
USUAL = 10
_WORDS = {
    scene: re.compile(r"\b" + scene.replace(" ", r"[\s-]") + r"s?\b", re.IGNORECASE)
    for scene in SCENES
}


def scenes_of(captions: Sequence[str]) -> list[str]:
    """The scenes that any of an image's captions names."""
    return [scene for scene, word in _WORDS.items() if any(map(word.search, captions))]


def usual_objects(data: ChairData, *, strict: bool) -> dict[str, tuple[str, ...]]:
    """The ten most frequent classes of each scene's images, the most frequent first.

    Raises:
        UserError: the data has no captions, so that scenes can't be found.
    """
    if not data.images.captions:
        raise UserError(
            "Scenes are detected in the reference captions, and the data has none.",
            "--data",
            "Give COCO's captions_*.json and instances_*.json; chair.pkl is not enough.",
        )
    counts: dict[str, Counter[str]] = {scene: Counter() for scene in SCENES}
    for image, captions in data.images.captions.items():
        for scene in scenes_of(captions):
            counts[scene].update(data.truth(image, strict=strict))
    return {
        scene: tuple(sorted(counter, key=lambda name: (-counter[name], name))[:USUAL])
        for scene, counter in counts.items()
    }


def score(data: ChairData, answers: Sequence[ItemAnswer], scoring: Scoring) -> list[Score]:
    """One score per caption: the usual objects that it invents, by scene."""
    strict = scoring.mode == "strict"
    usual = usual_objects(data, strict=strict)
    chair_scores = chair.score(data, answers, scoring)
    return [
        _score(scenes, answer, data, usual, scoring)
        for scenes, answer in zip(chair_scores, answers, strict=True)
    ]


def _score(
    chair_score: Score,
    answer: ItemAnswer,
    data: ChairData,
    usual: Mapping[str, tuple[str, ...]],
    scoring: Scoring,
) -> Score:
    image = chair.image_of(answer)
    true_classes = data.truth(image, strict=scoring.mode == "strict")
    wrong_classes = [
        name for name in dict.fromkeys(chair_score.extracted) if name not in true_classes
    ]
    inside = scenes_of(data.images.captions.get(image, ()))
    values: dict[str, float] = {}
    if chair_score.status == "scored":
        values = {name: chair_score.values[name] for name in ("words", "mentions", "invented")} | {
            "all": 1.0
        }
        for scene in SCENES:
            wrong = float(any(name in usual[scene] for name in wrong_classes))
            values[f"wrong:{scene}"] = wrong
            values[f"in:{scene}"] = float(scene in inside)
            values[f"in_wrong:{scene}"] = wrong * (scene in inside)
    return chair_score.model_copy(
        update={
            "key": score_key(OVERGENERAL, answer.item, answer.text, scoring),
            "benchmark": NAME,
            "values": values,
            "extracted": tuple(wrong_classes),
            "why": f"scenes: {', '.join(inside) or 'none of the four'}; {chair_score.why}".strip(
                "; "
            ),
        }
    )


def _in_scene(sums: Mapping[str, Floats], scene: str) -> Floats:
    return ratio(sums[f"in_wrong:{scene}"], sums[f"in:{scene}"])


def _overall(sums: Mapping[str, Floats], scene: str) -> Floats:
    return ratio(sums[f"wrong:{scene}"], sums["all"])


def _delta(sums: Mapping[str, Floats], scene: str) -> Floats:
    return _in_scene(sums, scene) - _overall(sums, scene)


def _mean(
    share: Callable[[Mapping[str, Floats], str], Floats],
) -> Callable[[Mapping[str, Floats]], Floats]:
    """The mean of a share over the scenes that have answers."""

    def mean(sums: Mapping[str, Floats]) -> Floats:
        shares = np.stack([share(sums, scene) for scene in SCENES])
        has_answers = np.stack([sums[f"in:{scene}"] > 0 for scene in SCENES])
        return ratio(
            np.where(has_answers, shares, 0.0).sum(0), has_answers.sum(0).astype(np.float64)
        )

    return mean


def _of(scene: str) -> Callable[[Mapping[str, Floats]], Floats]:
    return lambda sums: _delta(sums, scene)


def notes(data: ChairData, answers: Sequence[ItemAnswer], scores: Sequence[Score]) -> list[str]:
    """The number of answers per scene, and its usual objects."""
    sentences = [
        f"{scene}: {sum(int(each.values.get(f'in:{scene}', 0)) for each in scores):,} answers; "
        f"usual: {', '.join(names)}."
        for scene, names in usual_objects(data, strict=False).items()
    ]
    return sentences + note_on_several(Counter(score.image for score in scores))


def items(data: ChairData, images: Path, store: ImageStore) -> list[Item]:
    """CHAIR's instruction for each image of a folder."""
    return [
        item.model_copy(update={"benchmark": NAME}) for item in chair.items(data, images, store)
    ]


OVERGENERAL: Benchmark[ChairData] = Benchmark(
    name=NAME,
    protocol=Protocol(
        label="Over-generalisation probe",
        prompt=chair.INSTRUCTION,
        parser="CHAIR's reading of objects",
        counted="answers that invent one of a scene's ten usual objects, less the same overall",
        source="Yu et al. 2023, arXiv 2312.00849, section 4",
        max_new_tokens=512,
        items="any images of COCO's train2014 and val2014",
    ),
    revision="none was published; objects as in " + CHAIR.revision,
    metrics=(
        Metric(
            name="delta",
            label="Usual objects invented in their scene, less overall",
            formula=_mean(_delta),
            better="lower",
            range=(-1, 1),
            explanation="Mean of the scenes; near 0 for a model that looks.",
        ),
        Metric(
            name="in_scene",
            label="Answers that invent a usual object in its scene",
            formula=_mean(_in_scene),
            better="lower",
        ),
        Metric(
            name="overall",
            label="Answers that invent such an object anywhere",
            formula=_mean(_overall),
            better="lower",
        ),
        *(
            Metric(
                name=f"{scene.replace(' ', '_')}_delta",
                label=f"The difference in the scene {scene}",
                formula=_of(scene),
                better="lower",
                range=(-1, 1),
            )
            for scene in SCENES
        ),
        Metric(
            name="mentions",
            label="Objects named per caption",
            numerator={"mentions": 1},
            denominator={"all": 1},
            role="cost",
            unit="objects",
            scale=1,
        ),
        Metric(
            name="words",
            label="Words per caption",
            numerator={"words": 1},
            denominator={"all": 1},
            role="cost",
            unit="words",
            scale=1,
        ),
        unparsed_metric(),
    ),
    headline="delta",
    read_data=read_data,
    read_answers=chair.read_answers,
    score=score,
    layouts="as CHAIR's",
    items=items,
    notes=notes,
)
