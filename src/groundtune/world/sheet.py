"""A contact sheet: images of scenes, each with its truth below it.

Lengths are pixels. Fonts are Pillow's, so that a sheet looks the same everywhere.
"""

from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from groundtune.world.catalogue import BACKGROUNDS, CELLS, COLOURS, CONTEXTS
from groundtune.world.grammar import NounPhrase, capital, phrase
from groundtune.world.render import render_large
from groundtune.world.scenes import SIDE_PX, Scene, Thing, prior

Colour = tuple[int, int, int]

FACTOR = 4
"""Scale of the images, compared with the model's input."""
IMAGE_PX = SIDE_PX * FACTOR
MARGIN_PX = 44
GAP_PX = 28
INSET_PX = 20
HEAD_PX = 80
"""Height of a card's lines above its list: the context and the background."""
ROW_PX = 38
TITLE_PX = 128
CARD_PX = IMAGE_PX

PAPER: Colour = (243, 241, 236)
CARD: Colour = (255, 255, 255)
INK: Colour = (36, 38, 44)
FAINT: Colour = (122, 125, 133)
LINE: Colour = (226, 223, 216)
ACCENT: Colour = (196, 76, 42)


def draw_sheet(scenes: Sequence[Scene], *, title: str, columns: int = 4) -> Image.Image:
    """One card per scene, row by row, under a title. Raises ValueError without scenes."""
    if not scenes:
        raise ValueError("a sheet needs at least one scene")
    columns = min(columns, len(scenes))
    rows = [scenes[i : i + columns] for i in range(0, len(scenes), columns)]
    heights = [max(_card_height(scene) for scene in row) for row in rows]
    width = 2 * MARGIN_PX + columns * CARD_PX + (columns - 1) * GAP_PX
    height = TITLE_PX + sum(heights) + (len(rows) - 1) * GAP_PX + MARGIN_PX
    sheet = Image.new("RGB", (width, height), PAPER)
    _draw_title(sheet, title)
    top = TITLE_PX
    for row, row_height in zip(rows, heights, strict=True):
        for column, scene in enumerate(row):
            left = MARGIN_PX + column * (CARD_PX + GAP_PX)
            sheet.paste(_card(scene, row_height), (left, top))
        top += row_height + GAP_PX
    return sheet


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw_title(sheet: Image.Image, title: str) -> None:
    draw = ImageDraw.Draw(sheet)
    room = sheet.width - 2 * MARGIN_PX
    draw.text((MARGIN_PX, 30), title, INK, _fitting(draw, title, 38, room))
    legend = (
        "What is there, its chance in such a place (0%: it comes from elsewhere), where it stands",
        "What is there, its chance (0%: from elsewhere), where",
        "What, chance, where",
    )
    subtitle = next(
        (text for text in legend if draw.textlength(text, _font(21)) <= room), legend[-1]
    )
    draw.text((MARGIN_PX, 82), subtitle, FAINT, _font(21))


def _fitting(
    draw: ImageDraw.ImageDraw, text: str, size: int, room: int
) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font up to a size in which a line fits."""
    while size > 12 and draw.textlength(text, _font(size)) > room:
        size -= 1
    return _font(size)


def _note(scene: Scene) -> str:
    """What the stratum changed in the scene."""
    table = CONTEXTS[scene.context].prior
    most_usual = max(table, key=lambda name: table[name])
    return "" if scene.stratum == "usual" else f"no {most_usual}"


def _card_height(scene: Scene) -> int:
    return IMAGE_PX + HEAD_PX + ROW_PX * len(scene.things) + 14


def _card(scene: Scene, height: int) -> Image.Image:
    """A white card with round corners: the image, then its truth."""
    card = Image.new("RGB", (CARD_PX, height), CARD)
    card.paste(render_large(scene, FACTOR), (0, 0))
    draw = ImageDraw.Draw(card)
    top, right = IMAGE_PX + 14, CARD_PX - INSET_PX
    draw.text((INSET_PX, top), capital(scene.context), INK, _font(27))
    _draw_right(draw, scene.key, right, top + 8, FAINT, 17)
    surface = CONTEXTS[scene.context].surface
    _swatch(draw, INSET_PX, top + 41, BACKGROUNDS[scene.background])
    draw.text((INSET_PX + 26, top + 37), f"{scene.background} {surface}", FAINT, _font(19))
    _draw_right(draw, _note(scene), right, top + 37, ACCENT, 19)
    for rank, thing in enumerate(scene.things):
        _draw_thing(draw, scene, thing, IMAGE_PX + HEAD_PX + ROW_PX * rank)
    mask = Image.new("L", card.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, CARD_PX - 1, height - 1), 14, fill=255)
    return Image.composite(card, Image.new("RGB", card.size, PAPER), mask)


def _draw_right(
    draw: ImageDraw.ImageDraw, text: str, right: int, top: int, colour: Colour, size: int
) -> None:
    font = _font(size)
    draw.text((right - draw.textlength(text, font), top), text, colour, font)


def _draw_thing(draw: ImageDraw.ImageDraw, scene: Scene, thing: Thing, top: int) -> None:
    """A line of the list: a dot of its colour, its name, its chance, its cells."""
    right = CARD_PX - INSET_PX
    draw.line((INSET_PX, top, right, top), LINE)
    if thing.colour:
        _swatch(draw, INSET_PX, top + 11, _tint(thing.colour))
    else:
        draw.ellipse((INSET_PX + 6, top + 17, INSET_PX + 10, top + 21), LINE)
    text = phrase(NounPhrase(category=thing.category, number=thing.number, colour=thing.colour))
    draw.text((INSET_PX + 26, top + 7), text, INK, _fitting(draw, text, 21, 228))
    chance = prior(scene.context, thing.category)
    _draw_right(draw, f"{chance:.0%}", right - 42, top + 9, FAINT if chance else ACCENT, 18)
    _draw_cells(draw, thing, right - 28, top + 5)


def _draw_cells(draw: ImageDraw.ImageDraw, thing: Thing, left: int, top: int) -> None:
    """Nine small squares, with the object's cells filled."""
    for cell in range(9):
        x, y = left + 10 * (cell % 3), top + 10 * (cell // 3)
        draw.rectangle((x, y, x + 7, y + 7), INK if cell in thing.cells else LINE)


def _swatch(draw: ImageDraw.ImageDraw, left: int, top: int, colour: Colour) -> None:
    draw.rounded_rectangle((left, top, left + 16, top + 16), 4, colour, FAINT)


@cache
def _tint(name: str) -> Colour:
    hue = round(COLOURS[name] / 360 * 255)
    pixel = Image.new("HSV", (1, 1), (hue, 190, 225)).convert("RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    red, green, blue = pixel
    return int(red), int(green), int(blue)


def truth(scene: Scene) -> dict[str, object]:
    """The truth of a scene as words and numbers, ready for JSON."""
    return {
        "key": scene.key,
        "stratum": scene.stratum,
        "context": scene.context,
        "background": scene.background,
        "objects": [_object_row(scene, thing) for thing in scene.things],
    }


def _object_row(scene: Scene, thing: Thing) -> dict[str, object]:
    return {
        "category": thing.category,
        "number": thing.number,
        "colour": thing.colour,
        "places": [CELLS[cell] for cell in thing.cells],
        "boxes": [[box.x, box.y, box.side, box.side] for box in thing.boxes],
        "prior": prior(scene.context, thing.category),
    }
