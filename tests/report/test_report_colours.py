"""WCAG 2.2, contrast (minimum): text needs 4.5 to 1, marks of a chart 3 to 1."""

import re
from importlib import resources

import pytest

STYLE = resources.files("groundtune.report").joinpath("templates/style.css").read_text("utf-8")
KINDS = ("object", "attribute", "number", "position", "action", "other")
MODELS = tuple(f"m{i}" for i in range(6))
TEXT = ("ink", "muted", "link", "better", "worse", *MODELS)


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT, DARK = (colours(block) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2])


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_twenty_one_to_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(theme: dict[str, str]) -> None:
    weak = {
        (text, ground): round(contrast(theme[text], theme[ground]), 2)
        for text in TEXT
        for ground in ("paper", "faint")
        if contrast(theme[text], theme[ground]) < 4.5
    }
    assert weak == {}
    assert contrast(theme["ink"], theme["warn-ground"]) >= 4.5


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_marked_words_and_their_underlines_can_be_seen(theme: dict[str, str]) -> None:
    for kind in KINDS:
        assert contrast(theme["ink"], theme[f"{kind}-ground"]) >= 4.5
        assert contrast(theme[kind], theme[f"{kind}-ground"]) >= 3
