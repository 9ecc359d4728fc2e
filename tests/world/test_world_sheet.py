"""The contact sheet: every scene's image and truth on one page."""

import numpy as np
import pytest

from groundtune.world.render import render_large
from groundtune.world.scenes import scene, scenes
from groundtune.world.sheet import (
    ACCENT,
    CARD_PX,
    FACTOR,
    GAP_PX,
    IMAGE_PX,
    MARGIN_PX,
    TITLE_PX,
    draw_sheet,
    truth,
)


def test_a_sheet_has_a_card_for_each_scene_with_its_image() -> None:
    shown = list(scenes("development", 5))
    sheet = draw_sheet(shown, title="Five scenes", columns=3)
    assert sheet.width == 2 * MARGIN_PX + 3 * CARD_PX + 2 * GAP_PX
    for column, found in enumerate(shown[:3]):
        left = MARGIN_PX + column * (CARD_PX + GAP_PX)
        image = sheet.crop((left, TITLE_PX, left + IMAGE_PX, TITLE_PX + IMAGE_PX))
        expected = np.asarray(render_large(found, FACTOR))
        # corners are rounded
        inside = slice(20, -20)
        assert np.array_equal(np.asarray(image)[:, inside], expected[:, inside])


def test_what_comes_from_elsewhere_stands_out() -> None:
    def accents(found_key: str) -> int:
        split, index = found_key.split("/")
        sheet = np.asarray(draw_sheet([scene(split, int(index))], title="One"))
        return int((sheet == np.array(ACCENT)).all(-1).sum())

    drawn = list(scenes("development", 60))
    stranger = next(s for s in drawn if any(not thing.usual for thing in s.things))
    usual = next(s for s in drawn if all(thing.usual for thing in s.things))
    assert accents(stranger.key) > 5 > accents(usual.key) == 0


def test_titles_that_are_too_long_stay_on_the_sheet() -> None:
    sheet = draw_sheet([scene("development", 0)], title="A title that is very long " * 3)
    pixels = np.asarray(sheet)[:TITLE_PX]
    assert (pixels[:, -MARGIN_PX // 2 :] == pixels[0, -1]).all()


def test_a_sheet_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_sheet([], title="None")


def test_the_truth_is_plain_words_and_numbers() -> None:
    found = scene("development", 0)
    told = truth(found)
    assert told["key"] == "development/0"
    assert told["objects"][0] == {  # type: ignore[index]
        "category": "giraffe",
        "number": 3,
        "colour": "",
        "places": ["in the top right corner", "on the left", "on the right"],
        "boxes": [[b.x, b.y, b.side, b.side] for b in found.things[0].boxes],
        "prior": 0.55,
    }
