"""Rasterises the world's glyphs from Noto Color Emoji (OFL 1.1) to 64-pixel PNGs.

Run once; the results are committed.

python tools/make_glyphs.py /path/to/NotoColorEmoji.ttf
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from groundtune.world.catalogue import CATEGORIES

NATIVE_PX = 109  # the only size in the font's bitmap table
OUT_PX = 64


def main(font_path: str) -> None:
    font = ImageFont.truetype(font_path, NATIVE_PX)
    folder = Path(__file__).parents[1] / "src" / "groundtune" / "world" / "glyphs"
    folder.mkdir(exist_ok=True)
    for category in CATEGORIES.values():
        canvas = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(canvas).text((10, 10), category.emoji, font=font, embedded_color=True)
        box = canvas.getbbox()
        assert box, f"no glyph for {category.name}"
        glyph = canvas.crop(box)
        side = max(glyph.size)
        square = Image.new("RGBA", (side, side))
        square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
        small = square.resize((OUT_PX, OUT_PX), Image.Resampling.LANCZOS)
        small.save(folder / f"{category.name.replace(' ', '_')}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
