"""The benchmarks about hard scenes are those about clear ones, about other images."""

from pathlib import Path

import pytest

from groundtune.bench import registry
from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.world.images import find_scene
from groundtune.store.images import ImageStore


def items(name: str, folder: Path) -> list[Item]:
    load = registry.load(name).load
    assert load is not None
    return load(ItemSelection(split="development", n=5, seed=0), ImageStore(folder))


@pytest.mark.parametrize("part", ["captions", "questions"])
def test_items_are_about_hard_scenes_and_have_the_same_parts(part: str, tmp_path: Path) -> None:
    hard, clear = items(f"world-hard-{part}", tmp_path), items(f"world-{part}", tmp_path)
    assert all(find_scene(item.image).hard for item in hard)
    assert not any(find_scene(item.image).hard for item in clear)
    parts = {item.benchmark.replace("world-", "world-hard-") for item in clear}
    assert {item.benchmark for item in hard} == parts


@pytest.mark.parametrize("part", ["captions", "questions"])
def test_answers_are_scored_under_the_name_of_the_hard_benchmark(part: str, tmp_path: Path) -> None:
    benchmark = registry.load(f"world-hard-{part}")
    asked = items(benchmark.name, tmp_path)
    answers = [ItemAnswer(text="There are nine toilets.", item=item.key) for item in asked]
    assert benchmark.score is not None
    scores = benchmark.score(asked, answers, Scoring(model="m"))
    assert {score.benchmark.partition("/")[0] for score in scores} == {benchmark.name}


def test_nothing_named_still_runs_the_clear_world() -> None:
    assert [each.name for each in registry.load_all(registry.DEFAULT)] == [
        "world-captions",
        "world-questions",
    ]
