"""Shared by the world's benchmarks: a split's scenes, their images, prompts, blank scores."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from io import BytesIO

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Item, ItemAnswer
from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, Score, Source, TextPart
from groundtune.store.images import ImageStore
from groundtune.store.keys import key_of
from groundtune.world import DATASET
from groundtune.world.questions import facts
from groundtune.world.render import render
from groundtune.world.scenes import SPLITS, Difficulty, Scene, Stratum, find, scenes

find_scene = lru_cache(maxsize=8192)(find)
"""`scenes.find`, cached: a summary needs each scene many times."""


def split_scenes(
    split: str,
    n: int,
    stratum: Stratum = "usual",
    difficulty: Difficulty = "clear",
    *,
    start: int = 0,
) -> list[Scene]:
    """N scenes of a split, from `start` on.

    Raises:
        UserError: the world has no such split.
    """
    if split not in SPLITS:
        raise UserError(
            f"The world has no split {split!r}.", "--split", f"Use one of {', '.join(SPLITS)}."
        )
    return list(scenes(split, n, start=start, stratum=stratum, difficulty=difficulty))


def add_image(scene: Scene, images: ImageStore) -> str:
    """Draw a scene and store it as PNG; return its sha256."""
    # pyright doesn't know that pydantic makes a frozen record hashable
    data = _png(scene)  # pyright: ignore[reportArgumentType]
    return images.add(data, name=f"scene {scene.key}")


@lru_cache(maxsize=2048)
def _png(scene: Scene) -> bytes:
    data = BytesIO()
    render(scene).save(data, "PNG")
    return data.getvalue()


def ask_about(scene: Scene, sha256: str, question: str) -> Prompt:
    """A prompt of one turn, with the scene's image and its facts."""
    messages = (Message(role="user", content=(ImagePart(image=sha256), TextPart(text=question))),)
    return Prompt(
        key=key_of(DATASET, messages),
        messages=messages,
        facts=facts(scene),
        source=Source(dataset=DATASET, split=scene.split, row=scene.key),
    )


def sets_of(scenes_: Sequence[Scene]) -> dict[str, tuple[str, ...]]:
    """The categories of each scene, by its key, in the scene's order."""
    return {scene.key: tuple(thing.category for thing in scene.things) for scene in scenes_}


def answered_items(
    items: Sequence[Item], answers: Sequence[ItemAnswer], scoring: Scoring
) -> Iterator[tuple[Item, ItemAnswer]]:
    """Each answer with its item, with the scoring's names of model and decoding."""
    by_key = {item.key: item for item in items}
    for answer in answers:
        renamed = replace(answer, model=scoring.model, decoding=answer.decoding or scoring.decoding)
        yield by_key[answer.item], renamed


def blank_score(item: Item, answer: ItemAnswer, rules: str) -> Score:
    """The score of an answer before it is read; `rules` are part of its key."""
    decoding = answer.decoding or "greedy"
    parts = (item.benchmark, item.key, answer.model, decoding, answer.text, answer.truncated)
    return Score(
        key=key_of("score", rules, *parts),
        benchmark=item.benchmark,
        item=item.key,
        image=item.image,
        model=answer.model,
        decoding=decoding,
        answer=answer.text,
        strata=item.strata,
    )
