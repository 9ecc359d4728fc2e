"""Scenes and their images: the same everywhere, whole, and drawn as the catalogue says."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.world.catalogue import CATEGORIES, COLOURS, CONTEXTS
from groundtune.world.render import render, render_large
from groundtune.world.scenes import (
    CELL_PX,
    ELSEWHERE,
    MAX_OBJECTS,
    SIDE_PX,
    Scene,
    Stratum,
    find,
    prior,
    scene,
    scenes,
)

GOLDEN = {
    "train/0": "e84e255f326562affc3a89f262c14c45",
    "development/7": "a5eab24a377636ec0dc8f1f58370e05e",
    "development/missing/3": "1f0b8c30a7c7852b0b27016621e54a95",
    "test/replaced/11": "222fe0b7a9e161e6d56aa6ab9c9e4d9b",
}
"""sha256 of a scene's JSON and its image's bytes: a change here makes every trained model, every
corrected answer and every figure of the world another one, and needs a new WORLD_VERSION."""

SPLITS = st.sampled_from(["train", "development", "test"])
STRATA: st.SearchStrategy[Stratum] = st.sampled_from(["usual", "missing", "replaced"])
ANY = st.builds(scene, SPLITS, st.integers(0, 10**7), STRATA)


def fingerprint(key: str) -> str:
    found = find(key)
    digest = hashlib.sha256(found.model_dump_json().encode())
    digest.update(render(found).tobytes())
    return digest.hexdigest()[:32]


def most_usual(context: str) -> str:
    table = CONTEXTS[context].prior
    return max(table, key=lambda name: table[name])


@pytest.mark.parametrize("key", GOLDEN)
def test_scenes_and_images_are_those_that_the_models_were_trained_on(key: str) -> None:
    assert fingerprint(key) == GOLDEN[key]


def test_scenes_are_the_same_in_another_process_and_order() -> None:
    program = (
        "import sys, json;"
        "from groundtune.world.scenes import find;"
        "print(json.dumps({k: find(k).model_dump_json() for k in json.loads(sys.argv[1])}))"
    )
    keys = [f"train/{i}" for i in range(5)] + list(GOLDEN)
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(keys[::-1])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert json.loads(done.stdout) == {key: find(key).model_dump_json() for key in keys}


def test_a_run_of_scenes_is_the_scenes_one_by_one() -> None:
    assert list(scenes("train", 4, start=10)) == [scene("train", i) for i in range(10, 14)]


def test_splits_and_strata_share_no_seed_and_no_image() -> None:
    drawn = [
        scene(split, i, stratum)
        for split in ("train", "development", "test")
        for stratum in ("usual", "missing", "replaced")
        for i in range(100)
    ]
    assert len({found.key for found in drawn}) == 900
    assert len({found.seed for found in drawn}) == 900
    assert len({render(found).tobytes() for found in drawn}) == 900


def test_about_a_quarter_of_scenes_holds_one_object_from_elsewhere() -> None:
    strangers = [sum(not t.usual for t in found.things) for found in scenes("train", 3000)]
    assert set(strangers) == {0, 1}
    # 3 standard errors of a share of 0.25 among 3,000
    assert np.mean(strangers) == pytest.approx(ELSEWHERE, abs=0.024)


def test_the_most_usual_objects_are_there_most_often() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    places: Counter[str] = Counter()
    for found in scenes("train", 3000):
        places[found.context] += 1
        seen.update((found.context, name) for name in found.categories)
    assert set(places) == set(CONTEXTS)
    told = [
        (p, seen[c, name] / places[c]) for c in CONTEXTS for name, p in CONTEXTS[c].prior.items()
    ]
    expected, shares = np.array(told).T
    assert np.corrcoef(expected, shares)[0, 1] > 0.95
    assert np.abs(expected - shares).mean() < 0.06


def test_missing_scenes_lack_their_most_usual_object_and_hold_nothing_from_elsewhere() -> None:
    for found in scenes("development", 300, stratum="missing"):
        assert most_usual(found.context) not in found.categories
        assert all(thing.usual for thing in found.things)


def test_replaced_scenes_have_something_from_elsewhere_instead_of_their_most_usual_object() -> None:
    for found in scenes("development", 300, stratum="replaced"):
        assert most_usual(found.context) not in found.categories
        assert sum(not thing.usual for thing in found.things) == 1


@given(ANY)
def test_objects_lie_inside_their_own_cells_inside_the_image(found: Scene) -> None:
    cells = [cell for thing in found.things for cell in thing.cells]
    assert len(cells) == len(set(cells)) <= MAX_OBJECTS
    for thing in found.things:
        assert thing.number == len(thing.boxes) >= 1
        for cell, box in zip(thing.cells, thing.boxes, strict=True):
            row, column = divmod(cell, 3)
            assert column * CELL_PX <= box.x
            assert box.x + box.side <= (column + 1) * CELL_PX <= SIDE_PX
            assert row * CELL_PX <= box.y
            assert box.y + box.side <= (row + 1) * CELL_PX <= SIDE_PX


@given(ANY)
def test_a_scenes_own_words_agree(found: Scene) -> None:
    assert 2 <= len(found.things) <= 5
    assert len(found.categories) == len(found.things)
    for thing in found.things:
        assert (thing.colour in COLOURS) == CATEGORIES[thing.category].tintable
        assert thing.usual == (prior(found.context, thing.category) > 0)
        assert found.thing(thing.category) == thing
        assert all(found.at(cell) == thing for cell in thing.cells)


@given(ANY)
def test_a_scene_is_found_again_by_its_key(found: Scene) -> None:
    assert find(found.key) == found


@pytest.mark.parametrize(
    "key", ["", "train", "train/x", "train/-1", "nowhere/1", "train/odd/1", "train/missing/1/2"]
)
def test_a_key_of_no_scene_is_an_error(key: str) -> None:
    with pytest.raises(ValueError, match="not the key of a scene"):
        find(key)


def test_a_image_shows_each_object_in_its_box_and_nothing_else() -> None:
    found = scene("development", 5)
    empty = np.asarray(render(found.model_copy(update={"things": ()}))).astype(int)
    full = np.asarray(render(found)).astype(int)
    changed = np.abs(full - empty).sum(-1) > 0
    inside = np.zeros_like(changed)
    for thing in found.things:
        for box in thing.boxes:
            area = (slice(box.y, box.y + box.side), slice(box.x, box.x + box.side))
            inside[area] = True
            assert changed[area].mean() > 0.2
    assert full.shape == (SIDE_PX, SIDE_PX, 3)
    assert not changed[~inside].any()


def test_a_tint_is_its_hue() -> None:
    cup = next(
        found.things[0].model_copy(update={"colour": ""})
        for found in scenes("train", 1000)
        if found.things[0].category == "cup" and found.things[0].number == 1
    )
    base = scene("train", 0).model_copy(update={"background": "white"})
    for colour, hue in COLOURS.items():
        told = base.model_copy(update={"things": (cup.model_copy(update={"colour": colour}),)})
        box = cup.boxes[0]
        image = render(told).crop((box.x, box.y, box.x + box.side, box.y + box.side))
        hsv = np.asarray(image.convert("HSV")).astype(int)
        tinted = hsv[..., 0][(hsv[..., 1] > 150) & (hsv[..., 2] > 60)]
        away = np.abs((np.median(tinted) - hue / 360 * 255 + 128) % 256 - 128)
        assert away < 8, colour


def test_the_large_image_is_the_same_image() -> None:
    found = scene("development", 2)
    large = render_large(found, 3)
    assert large.size == (3 * SIDE_PX, 3 * SIDE_PX)
    small = np.asarray(large.resize((SIDE_PX, SIDE_PX))).astype(int)
    assert np.abs(small - np.asarray(render(found)).astype(int)).mean() < 6
