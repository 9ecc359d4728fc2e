"""Draws a scene: background, then glyphs. 96 x 96 pixels, RGB, equal on every machine.

In a hard scene, patches in the colours of the background cover parts of some objects, and all
pixels are noisy.
"""

from functools import cache
from importlib import resources

import numpy as np
from PIL import Image, ImageDraw

from groundtune.world.catalogue import BACKGROUNDS, COLOURS
from groundtune.world.scenes import SIDE_PX, Box, Scene

Colour = tuple[int, int, int]

COVERED = 0.5
"""Chance that an object of a hard scene is partly covered."""
HIDDEN = (0.3, 0.6)
"""How much of its width or height then is."""
NOISE = 36
"""Largest change of a pixel's channels in a hard scene."""

_FLOORS: dict[str, Colour] = {
    "kitchen": (201, 190, 178),
    "living room": (160, 110, 82),
    "bedroom": (196, 160, 170),
    "office": (120, 128, 140),
    "bathroom": (190, 216, 220),
    "restaurant": (122, 76, 64),
    "street": (96, 94, 102),
    "park": (112, 164, 84),
    "beach": (228, 206, 150),
    "farm": (138, 160, 78),
    "savanna": (206, 184, 112),
    "airport": (132, 132, 136),
    "ski slope": (240, 244, 250),
    "train station": (128, 116, 108),
    "market": (176, 148, 112),
    "harbor": (84, 132, 176),
}


def render(scene: Scene) -> Image.Image:
    """The image of a scene."""
    canvas = _background(scene).copy()
    for thing in scene.things:
        for box in thing.boxes:
            sprite = _sprite(thing.category, thing.colour, box.side)
            canvas.paste(sprite, (box.x, box.y), sprite)
    return _spoilt(scene, canvas) if scene.hard else canvas


def _spoilt(scene: Scene, canvas: Image.Image) -> Image.Image:
    """The image as a hard scene shows it."""
    rng = np.random.default_rng([scene.seed, 1])
    draw = ImageDraw.Draw(canvas)
    paints = (_darker(_FLOORS[scene.context]), _darker(BACKGROUNDS[scene.background]))
    for thing in scene.things:
        for box in thing.boxes:
            if rng.random() < COVERED:
                draw.rectangle(_cover(box, rng), fill=paints[int(rng.integers(2))])
    noise = rng.integers(-NOISE, NOISE + 1, size=(SIDE_PX, SIDE_PX, 3))
    return Image.fromarray(np.clip(np.array(canvas) + noise, 0, 255).astype(np.uint8))


def _cover(box: Box, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A part of a box, on one of its sides: left, top, right, bottom."""
    depth = max(1, round(box.side * float(rng.uniform(*HIDDEN))))
    left, top, right, bottom = box.x, box.y, box.x + box.side - 1, box.y + box.side - 1
    sides = (
        (left, top, left + depth - 1, bottom),
        (right - depth + 1, top, right, bottom),
        (left, top, right, top + depth - 1),
        (left, bottom - depth + 1, right, bottom),
    )
    return sides[int(rng.integers(4))]


def render_large(scene: Scene, factor: int = 4) -> Image.Image:
    """The same image, sharper and larger, for people; models never see it.

    A hard scene is shown as models see it.
    """
    side = SIDE_PX * factor
    if scene.hard:
        return render(scene).resize((side, side), Image.Resampling.NEAREST)
    canvas = _background(scene).resize((side, side), Image.Resampling.NEAREST)
    for thing in scene.things:
        for box in thing.boxes:
            sprite = _sprite(thing.category, thing.colour, box.side * factor)
            canvas.paste(sprite, (box.x * factor, box.y * factor), sprite)
    return canvas


@cache
def _glyph(category: str) -> Image.Image:
    name = f"{category.replace(' ', '_')}.png"
    file = resources.files("groundtune.world").joinpath("glyphs", name)
    with file.open("rb") as stream:
        return Image.open(stream).convert("RGBA")


@cache
def _sprite(category: str, colour: str, side: int) -> Image.Image:
    """A glyph at a size, tinted if it has a colour."""
    glyph = _glyph(category)
    if colour:
        glyph = _tint(glyph, COLOURS[colour])
    return glyph.resize((side, side), Image.Resampling.LANCZOS)


def _tint(glyph: Image.Image, hue: int) -> Image.Image:
    """Set every pixel to a hue; greys gain saturation, near-blacks stay dark."""
    hsv = np.array(glyph.convert("RGB").convert("HSV")).astype(np.float32)
    value = hsv[..., 2]
    hsv[..., 0] = hue / 360 * 255
    hsv[..., 1] = np.maximum(hsv[..., 1], 170)
    hsv[..., 2] = np.clip(value * 0.75 + 70, 0, 255)
    result = Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGBA")
    result.putalpha(glyph.getchannel("A"))
    return result


def _background(scene: Scene) -> Image.Image:
    return _drawn_background(scene.context, scene.background, scene.seed % 3)


@cache
def _drawn_background(context: str, colour: str, variant: int) -> Image.Image:
    """A wall or sky, a floor or ground, and a few marks of the context; three variants each."""
    horizon = (52, 58, 64)[variant]
    canvas = Image.new("RGB", (SIDE_PX, SIDE_PX), BACKGROUNDS[colour])
    draw = ImageDraw.Draw(canvas)
    floor = _FLOORS[context]
    draw.rectangle((0, horizon, SIDE_PX, SIDE_PX), fill=floor)
    _MARKS[context](draw, horizon, _darker(floor), _darker(BACKGROUNDS[colour]))
    return canvas


def _darker(colour: Colour, factor: float = 0.86) -> Colour:
    red, green, blue = (int(c * factor) for c in colour)
    return red, green, blue


def _tiles(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    for x in range(0, SIDE_PX, 16):
        draw.line((x, horizon, x, SIDE_PX), fill=floor)
        draw.line((x, 0, x, horizon), fill=wall)
    for y in range(4, SIDE_PX, 16):
        draw.line((0, y, SIDE_PX, y), fill=floor if y > horizon else wall)


def _planks(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    for y in range(horizon + 6, SIDE_PX, 8):
        draw.line((0, y, SIDE_PX, y), fill=floor)
    draw.rectangle((8, 8, 30, 28), outline=wall)


def _stripes(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    for x in range(6, SIDE_PX, 12):
        draw.line((x, 0, x, horizon), fill=wall, width=3)
    draw.line((0, horizon + 2, SIDE_PX, horizon + 2), fill=floor, width=2)


def _window(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    draw.rectangle((36, 6, 60, 30), outline=wall, width=2)
    draw.line((48, 6, 48, 30), fill=wall)
    draw.line((0, horizon + 14, SIDE_PX, horizon + 14), fill=floor, width=3)


def _lanes(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    for x, top in ((0, 30), (18, 22), (40, 34), (58, 20), (80, 28)):
        draw.rectangle((x, top, x + 14, horizon - 1), fill=wall)
    for x in range(2, SIDE_PX, 18):
        draw.rectangle((x, horizon + 16, x + 9, horizon + 18), fill=(226, 220, 190))


def _trees(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    del wall
    for x in (4, 40, 74):
        draw.ellipse((x, horizon - 20, x + 20, horizon + 2), fill=floor)


def _waves(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    del wall
    draw.rectangle((0, horizon - 8, SIDE_PX, horizon - 1), fill=(104, 164, 206))
    for x in range(0, SIDE_PX, 14):
        draw.arc((x, horizon + 18, x + 14, horizon + 26), 0, 180, fill=floor)


def _fence(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    del wall
    for x in range(2, SIDE_PX, 10):
        draw.line((x, horizon - 8, x, horizon + 4), fill=(118, 84, 56), width=2)
    draw.line((0, horizon - 4, SIDE_PX, horizon - 4), fill=(118, 84, 56))
    draw.line((0, horizon + 20, SIDE_PX, horizon + 20), fill=floor)


def _sun(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    draw.ellipse((66, horizon - 14, 88, horizon + 8), fill=wall)
    draw.rectangle((0, horizon, SIDE_PX, horizon + 9), fill=floor)


def _runway(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    draw.polygon(((40, horizon), (56, horizon), (84, 96), (12, 96)), fill=floor)
    draw.rectangle((70, 24, 78, horizon), fill=wall)


def _mountains(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    draw.polygon(((0, horizon), (26, 14), (54, horizon)), fill=wall)
    draw.polygon(((40, horizon), (72, 22), (96, horizon)), fill=floor)


def _rails(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    draw.rectangle((0, 6, SIDE_PX, 12), fill=wall)
    for y in (horizon + 10, horizon + 22):
        draw.line((0, y, SIDE_PX, y), fill=floor, width=2)
    for x in range(0, SIDE_PX, 8):
        draw.line((x, horizon + 8, x, horizon + 24), fill=floor)


def _awning(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    for x in range(0, SIDE_PX, 16):
        draw.rectangle((x, 0, x + 7, 10), fill=wall)
    for x in range(0, SIDE_PX, 24):
        draw.rectangle((x + 2, horizon + 6, x + 20, horizon + 16), outline=floor)


def _masts(draw: ImageDraw.ImageDraw, horizon: int, floor: Colour, wall: Colour) -> None:
    for x in (14, 50, 78):
        draw.line((x, 18, x, horizon), fill=wall, width=2)
    for y in range(horizon + 6, SIDE_PX, 9):
        draw.line((0, y, SIDE_PX, y), fill=floor)


_MARKS = {
    "kitchen": _tiles,
    "living room": _planks,
    "bedroom": _window,
    "office": _stripes,
    "bathroom": _tiles,
    "restaurant": _planks,
    "street": _lanes,
    "park": _trees,
    "beach": _waves,
    "farm": _fence,
    "savanna": _sun,
    "airport": _runway,
    "ski slope": _mountains,
    "train station": _rails,
    "market": _awning,
    "harbor": _masts,
}
