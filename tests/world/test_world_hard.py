"""Hard scenes: the same truth, seen badly."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.world.catalogue import CATEGORIES, LOOK_ALIKES
from groundtune.world.render import NOISE, render, render_large
from groundtune.world.scenes import (
    CELL_PX,
    ELSEWHERE_HARD,
    SIDE_PX,
    Scene,
    Stratum,
    find,
    prior,
    scene,
    scenes,
)

STRATA: st.SearchStrategy[Stratum] = st.sampled_from(["usual", "missing", "replaced"])
HARD = st.builds(
    scene, st.sampled_from(["train", "test"]), st.integers(0, 10**6), STRATA, st.just("hard")
)


def test_a_hard_image_is_the_same_everywhere() -> None:
    digest = hashlib.sha256(render(find("hard/development/7")).tobytes()).hexdigest()
    assert digest[:32] == "59328c48e994a5dc0147355dce5eaeb4"


@given(HARD)
def test_a_hard_scene_is_found_by_its_key_and_knows_its_split(found: Scene) -> None:
    assert find(found.key) == found
    assert found.hard
    assert found.key.startswith(f"hard/{found.split}/")


@given(HARD)
def test_the_middle_of_an_object_is_in_its_cell_and_all_of_it_in_the_image(found: Scene) -> None:
    for thing in found.things:
        for cell, box in zip(thing.cells, thing.boxes, strict=True):
            middle = (box.y + box.side // 2) // CELL_PX, (box.x + box.side // 2) // CELL_PX
            assert middle == divmod(cell, 3)
            assert min(box.x, box.y) >= 0
            assert max(box.x, box.y) + box.side <= SIDE_PX
            assert 13 <= box.side <= 22


def test_a_hard_scene_is_no_clear_scene_with_another_key() -> None:
    clear, hard = scene("train", 3), scene("train", 3, difficulty="hard")
    assert (clear.split, clear.hard) == ("train", False)
    assert hard.seed != clear.seed


def test_what_is_from_elsewhere_looks_like_something_usual_that_is_not_there() -> None:
    strangers = 0
    for found in scenes("train", 500, difficulty="hard"):
        for thing in found.things:
            if not thing.usual:
                strangers += 1
                groups = [group for group in LOOK_ALIKES if thing.category in group]
                tempting = {name for group in groups for name in group} - found.categories
                assert any(prior(found.context, name) for name in tempting)
    # 3 standard errors of a share of 0.6 among 500
    assert strangers / 500 == pytest.approx(ELSEWHERE_HARD, abs=0.066)


def test_no_category_looks_like_those_of_two_groups() -> None:
    listed = [name for group in LOOK_ALIKES for name in group]
    assert len(set(listed)) == len(listed)
    assert set(listed) <= CATEGORIES.keys()


def test_about_half_of_the_objects_are_partly_covered_and_none_wholly() -> None:
    hidden: list[float] = []
    for found in scenes("train", 60, difficulty="hard"):
        for thing in found.things:
            for box in thing.boxes:
                alone = thing.model_copy(update={"cells": thing.cells[:1], "boxes": (box,)})
                hidden.append(share_hidden(found.model_copy(update={"things": (alone,)})))
    covered = np.array(hidden)
    assert np.mean(covered > 0.1) == pytest.approx(0.5, abs=0.12)
    assert covered.max() < 0.97


def share_hidden(found: Scene) -> float:
    """Share of the pixels of a scene's only object that its hard image shows otherwise."""
    box = found.things[0].boxes[0]
    area = (slice(box.y, box.y + box.side), slice(box.x, box.x + box.side))
    clear = found.model_copy(update={"key": found.key.removeprefix("hard/")})
    whole, empty, shown = (
        np.asarray(render(each)).astype(int)[area]
        for each in (clear, clear.model_copy(update={"things": ()}), found)
    )
    its_own = np.abs(whole - empty).max(-1) > 2 * NOISE
    return float((np.abs(shown - whole).max(-1) > NOISE)[its_own].mean()) if its_own.any() else 0.0


def test_the_large_image_of_a_hard_scene_is_the_one_that_models_see() -> None:
    found = scene("development", 2, difficulty="hard")
    large = np.asarray(render_large(found, 3))
    assert np.array_equal(large[1::3, 1::3], np.asarray(render(found)))
