"""Images at the size that a screen needs; the full file only when someone zooms in.

A scaled copy is made once and kept in the project's folder `scaled/`.
"""

from io import BytesIO
from pathlib import Path
from threading import Semaphore

from PIL import Image, ImageOps

from groundtune.pipeline.annotate.project import Project
from groundtune.store.files import write_atomic
from groundtune.store.images import FORMATS, decode

WIDTHS = (480, 1600)
"""Widths of scaled copies, in pixels: for lists and phones, and for screens."""
_AT_ONCE = Semaphore(2)
"""A decoded image of 40 megapixels takes 120 MB."""
_MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
}


def scaled(project: Project, sha256: str, width: int) -> tuple[bytes, str]:
    """Return an image's bytes at most `width` pixels wide, and their media type.

    Raises:
        UserError: the image is missing, damaged, or not one that can be read.
    """
    path = project.path / "scaled" / f"{sha256}-{width}.jpg"
    if path.is_file():
        return path.read_bytes(), "image/jpeg"
    original = project.images.read(sha256)
    if _media_type(original) and _fits(original, width):
        return original, _media_type(original)
    with _AT_ONCE:
        image = _opened(original, width, f"image {sha256}")
        data = _jpeg(image, width)
    write_atomic(path, data, durable=False)
    return data, "image/jpeg"


def whole(project: Project, sha256: str) -> tuple[bytes, str]:
    """Return an image's file as it is where browsers read its format, else as JPEG.

    Raises:
        UserError: as `scaled`.
    """
    original = project.images.read(sha256)
    media_type = _media_type(original)
    if media_type:
        return original, media_type
    with _AT_ONCE:
        image = decode(original, f"image {sha256}")
        return _jpeg(image, image.width), "image/jpeg"


def remove_scaled(folder: Path) -> None:
    """Remove all scaled copies; they are made again when needed."""
    for path in (folder / "scaled").glob("*.jpg"):
        path.unlink()


def _fits(original: bytes, width: int) -> bool:
    """Whether neither side is longer; only the file's beginning is read."""
    with Image.open(BytesIO(original), formats=FORMATS) as image:
        return max(image.size) <= width


def _opened(original: bytes, width: int, where: str) -> Image.Image:
    """The image, upright; a JPEG of 40 megapixels at a fraction of its size, which is much faster.

    The image was decoded whole when it was stored, and its bytes have their sha256.
    """
    if _media_type(original) != "image/jpeg":
        return decode(original, where)
    image = Image.open(BytesIO(original), formats=("JPEG",))
    image.draft("RGB", (width, width))  # not below this, so that the rest is scaled down smoothly
    return ImageOps.exif_transpose(image).convert("RGB")


def _jpeg(image: Image.Image, width: int) -> bytes:
    if image.width > width:
        height = max(1, round(image.height * width / image.width))
        image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    stream = BytesIO()
    image.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def _media_type(data: bytes) -> str:
    """The type of a file that browsers read; "" for others."""
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "")
