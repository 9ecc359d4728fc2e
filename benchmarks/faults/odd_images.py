"""Image files as they come: odd modes, sizes, formats, notes of cameras, bombs, damage."""

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

_MODES = (
    "1",
    "L",
    "P",
    "LA",
    "PA",
    "RGBA",
    "RGBa",
    "CMYK",
    "I;16",
    "I",
    "F",
    "YCbCr",
    "LAB",
    "HSV",
)
_FORMATS = (
    "PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "ICO", "TGA", "JPEG2000", "PDF",
    "EPS", "DDS", "PCX", "SGI", "ICNS", "MPO",
)  # fmt: skip
_SIZES = ((1, 1), (1, 300), (3_000, 1), (2, 2_000), (20_000, 2), (7, 5), (1, 65_000), (64, 48))


def odd_image(chance: random.Random) -> bytes:
    """Return the bytes of an image file that a reader rarely expects."""
    makers = (
        _of_mode,
        _of_size,
        _of_size,
        _of_format,
        _of_format,
        _bomb,
        _animated,
        _noted,
        _chunks,
    )
    while True:
        try:
            return chance.choice(makers)(chance)
        except (OSError, ValueError, KeyError, SyntaxError, SystemError, struct.error):
            continue  # Pillow can't write this mode in this format: draw again


def plain_image(chance: random.Random, size: tuple[int, int] = (32, 24)) -> Image.Image:
    """Return an RGB image of noise."""
    values = np.frombuffer(chance.randbytes(size[0] * size[1] * 3), np.uint8)
    return Image.fromarray(values.reshape(size[1], size[0], 3))


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    data = BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def _of_mode(chance: random.Random) -> bytes:
    image, mode = plain_image(chance), chance.choice(_MODES)
    image = image.convert("L" if mode in ("I;16", "LA", "I", "F") else "RGB")
    kind = chance.choice(("PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF"))
    return _saved(image.convert("RGBA" if mode == "RGBa" else mode).convert(mode), kind)


def _of_size(chance: random.Random) -> bytes:
    size = chance.choice(_SIZES)
    return _saved(plain_image(chance, size), chance.choice(("PNG", "PNG", "BMP", "TIFF", "WEBP")))


def _of_format(chance: random.Random) -> bytes:
    return _saved(plain_image(chance), chance.choice(_FORMATS))


def _bomb(chance: random.Random) -> bytes:
    """A few bytes that say that they are an enormous image, or hold an enormous note."""
    if chance.random() < 0.3:
        note = PngImagePlugin.PngInfo()
        note.add_text("a", "x" * 5_000_000, zip=True)
        return _saved(plain_image(chance), "PNG", pnginfo=note)
    data = _saved(plain_image(chance), "PNG")
    size = chance.choice(
        ((2**31 - 1, 2**31 - 1), (60_000, 60_000), (13_000, 13_000), (0, 5), (5, 0))
    )
    header = struct.pack(">II", *size) + data[24:29]
    check = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return data[:16] + header + check + data[33:]


def _animated(chance: random.Random) -> bytes:
    kind = chance.choice(("GIF", "WEBP", "PNG", "TIFF", "MPO"))
    frames = [plain_image(chance) for _ in range(3)]
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:])


def _noted(chance: random.Random) -> bytes:
    """Noise for EXIF, colour profile or XMP; orientations that there are and aren't."""
    exif = Image.Exif()
    exif[0x0112] = chance.choice((1, 3, 6, 8, 0, 9, 65_535))
    note: bytes | Image.Exif = chance.choice((exif, b"Exif\0\0" + chance.randbytes(40)))
    profile = chance.choice((b"", chance.randbytes(200)))
    kind = chance.choice(("JPEG", "PNG", "WEBP", "TIFF"))
    return _saved(plain_image(chance), kind, exif=note, icc_profile=profile)


def _chunks(chance: random.Random) -> bytes:
    """A PNG with a chunk put in that is damaged, doubled or unknown."""
    data = _saved(plain_image(chance), "PNG")
    name = chance.choice(
        (b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"gAMA", b"zTXt", b"IEND")
    )
    body = chance.randbytes(chance.choice((0, 1, 4, 30)))
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data[:33] + chunk + data[33:]
