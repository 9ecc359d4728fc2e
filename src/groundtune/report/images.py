"""Small copies of images, as data URIs."""

import base64
import io
from typing import NamedTuple

from PIL import Image

from groundtune.store.images import decode

LONGEST_PX = 480
"""Longest side of a copy."""
TINY_PX = 128
"""An image up to this size is not scaled, and is shown enlarged with hard pixels."""


class EmbeddedImage(NamedTuple):
    """A copy to embed: its data URI, its size in pixels, and whether it is tiny."""

    uri: str
    width: int
    height: int
    tiny: bool


def embed(data: bytes, where: str) -> EmbeddedImage:
    """A copy of an image file of at most 480 pixels: PNG if it is tiny, JPEG otherwise.

    Raises:
        UserError: the bytes are not an image; `where` names it.
    """
    image = decode(data, where)
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
