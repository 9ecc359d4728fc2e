"""Prompts about hard scenes, and the simulated people who know these scenes."""

from pathlib import Path
from typing import get_args

import pytest

from groundtune.bench.world.images import find_scene
from groundtune.errors import UserError
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.models.prompt_sources import Part, load, source_of
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer
from groundtune.store.images import ImageStore


@pytest.mark.parametrize("part", get_args(Part))
def test_every_part_is_about_hard_scenes_of_the_split_of_the_clear_ones(
    part: Part, tmp_path: Path
) -> None:
    images = ImageStore(tmp_path)
    hard, clear = (
        load(name).prompts(images, 3, SilentProgress(), part=part, seed=0)
        for name in ("world-hard", "world")
    )
    assert [prompt.source.row for prompt in hard] == [f"hard/{p.source.row}" for p in clear]
    assert {prompt.source.split for prompt in hard} == {prompt.source.split for prompt in clear}


def test_the_annotator_of_the_world_corrects_answers_about_hard_scenes(tmp_path: Path) -> None:
    (prompt,) = load("world-hard").prompts(
        ImageStore(tmp_path), 1, SilentProgress(), part="learning", seed=0
    )
    source = source_of([prompt])
    assert source is not None
    assert source.annotator is not None
    people, _ = source.annotator(0.0, 0)
    there = sorted(find_scene(prompt.source.row).categories)
    text = f"There are nine {there[0]}s."
    said = Answer(key="a", prompt=prompt.key, text=text, producer=Producer(kind="model", name="m"))
    assert people.correct(prompt, said).corrected != text


def test_no_model_comes_with_hard_scenes() -> None:
    with pytest.raises(UserError, match="No model comes with the prompt source world-hard"):
        resolve("world-hard:base")
