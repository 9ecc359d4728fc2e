"""Small copies of images, as data URIs."""

import base64
import io
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from groundtune.errors import UserError

LONGEST_PX = 480
"""Longest side of a copy."""
TINY_PX = 128
"""An image up to this size is kept as it is, and shown enlarged with hard pixels."""


class EmbeddedImage(NamedTuple):
    """A copy to embed: its data URI, its size in pixels, and whether it is a tiny one."""

    uri: str
    width: int
    height: int
    tiny: bool


def embed(data: bytes, where: str) -> EmbeddedImage:
    """A copy of an image file of at most 480 pixels: PNG if it is tiny, JPEG otherwise.

    Raises:
        UserError: the bytes are not an image; `where` names it.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            image = _flat(ImageOps.exif_transpose(opened))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise UserError(
            "An image of the report can't be read.",
            where,
            "Sample again with --skip-bad, or fix the file.",
        ) from error
    tiny = max(image.size) <= TINY_PX
    buffer = io.BytesIO()
    if tiny:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.LANCZOS)
        image.save(buffer, "JPEG", quality=80, optimize=True, progressive=True)
    kind = "png" if tiny else "jpeg"
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return EmbeddedImage(f"data:image/{kind};base64,{text}", *image.size, tiny)


def _flat(image: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered).convert("RGB")
