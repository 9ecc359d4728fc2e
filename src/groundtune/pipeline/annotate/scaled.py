"""Images at the size that a screen needs; tiles (`tiles.py`) only when someone zooms in.

A scaled copy is made once and kept in the project's folder `scaled/`.
"""

from io import BytesIO
from pathlib import Path
from threading import Semaphore
from typing import Literal

from PIL import Image, ImageOps

from groundtune.store.files import write_atomic
from groundtune.store.images import FORMATS, ImageStore, decode, is_image

WIDTHS = (480, 1600)
"""Widths of scaled copies, in pixels: for lists and phones, and for screens."""
_SLOW_PIXELS = 8_000_000
"""A PNG of 40 megapixels takes 1.7 CPU seconds to scale, a JPEG 0.3."""
_SLOW_JPEG_PIXELS = 24_000_000
AT_ONCE = Semaphore(2)
"""A decoded image of 40 megapixels takes 120 MB."""
_MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
}


class ScaledImages:
    """The images of a store at other widths; copies are kept in the folder `path`."""

    def __init__(self, images: ImageStore, path: Path) -> None:
        self._images = images
        self._path = path

    def of_width(self, sha256: str, width: int) -> tuple[bytes, str]:
        """Return an image's bytes at most `width` pixels wide, and their media type.

        Raises:
            UserError: the image is missing, damaged, or not one that can be read.
        """
        path = self._copy(sha256, width)
        if path.is_file():
            return path.read_bytes(), "image/jpeg"
        original = self._images.read(sha256)
        if _media_type(original) and _fits(original, width):
            return original, _media_type(original)
        larger = self._copy(sha256, WIDTHS[-1])
        with AT_ONCE:
            source = larger.read_bytes() if larger.is_file() else original
            image = opened(source, width, f"image {sha256}")
            data = as_jpeg(image, width)
        write_atomic(path, data, durable=False)
        return data, "image/jpeg"

    def whole(self, sha256: str) -> tuple[bytes, str]:
        """Return an image's file as it is where browsers read its format, else as JPEG.

        Raises:
            UserError: as `of_width`.
        """
        original = self._images.read(sha256)
        media_type = _media_type(original)
        if media_type:
            return original, media_type
        with AT_ONCE:
            image = decode(original, f"image {sha256}")
            return as_jpeg(image), "image/jpeg"

    def ahead(self, sha256: str) -> Literal["nothing", "copy", "tiles"]:
        """What of an image is better made before someone waits for it.

        Of a large JPEG the copy for screens; of other large images, which take longer, tiles too.
        """
        path = self._images.path(sha256)
        if not is_image(path):
            return "nothing"  # the page says so
        data = path.read_bytes()
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            pixels = image.width * image.height
        if _media_type(data) == "image/jpeg":
            return "copy" if pixels > _SLOW_JPEG_PIXELS else "nothing"
        return "tiles" if pixels > _SLOW_PIXELS else "nothing"

    def add_copy(self, sha256: str, image: Image.Image) -> None:
        """Keep the copy for screens of an image that is open."""
        width = WIDTHS[-1]
        write_atomic(self._copy(sha256, width), as_jpeg(image, width), durable=False)

    def _copy(self, sha256: str, width: int) -> Path:
        return self._path / f"{sha256}-{width}.jpg"


def _fits(original: bytes, width: int) -> bool:
    """Whether neither side is longer; only the file's beginning is read."""
    with Image.open(BytesIO(original), formats=FORMATS) as image:
        return max(image.size) <= width


def opened(original: bytes, width: int, where: str) -> Image.Image:
    """The image, upright, its longer side at least `width` pixels if it has as many.

    A JPEG of 40 megapixels is decoded at a fraction of its size, which is much faster. The image
    was decoded whole when it was stored, and its bytes have their sha256.
    """
    if _media_type(original) != "image/jpeg":
        return decode(original, where)
    image = Image.open(BytesIO(original), formats=("JPEG",))
    image.draft("RGB", (width, width))  # not below this, so that the rest is scaled down smoothly
    return ImageOps.exif_transpose(image).convert("RGB")


def as_jpeg(image: Image.Image, width: int = 0) -> bytes:
    """The image as a JPEG file, at most `width` pixels wide; 0 for its own width."""
    if 0 < width < image.width:
        height = max(1, round(image.height * width / image.width))
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def _media_type(data: bytes) -> str:
    """The type of a file that browsers read; "" for others."""
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "")
