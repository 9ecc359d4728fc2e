"""Prompts as the body of an OpenAI-compatible request, pictures as data URLs."""

import base64
import threading
from collections import OrderedDict
from io import BytesIO
from typing import Any

from PIL import Image

from groundtune.protocols import Images
from groundtune.records import ImagePart, Message, Prompt, Sampling
from groundtune.store.images import ImageStore

_KEPT = 16
"""Data URLs kept: requests come ordered by picture, so few pictures are asked about at a time."""
_PLAIN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_ORIENTATION = 0x0112
"""EXIF's tag of how the camera was held; 1 is upright."""


class DataUrls:
    """Pictures as data URLs, the same picture that a model in this process sees.

    The file goes as it is where every server reads it alike (JPEG, PNG or WebP, RGB, upright);
    otherwise the upright RGB picture goes as PNG.
    """

    def __init__(self, images: Images) -> None:
        self.images = images
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sha256: str) -> str:
        """The picture's data URL. Raises UserError if it is missing or unreadable."""
        with self._lock:
            if sha256 in self._kept:
                self._kept.move_to_end(sha256)
                return self._kept[sha256]
        url = self._make(sha256)
        with self._lock:
            self._kept[sha256] = url
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return url

    def _make(self, sha256: str) -> str:
        picture = self.images.open(sha256)
        if isinstance(self.images, ImageStore):
            data = self.images.path(sha256).read_bytes()
            mime = _plain_type(data)
            if mime:
                return data_url(data, mime)
        stream = BytesIO()
        picture.save(stream, "PNG", compress_level=1)
        return data_url(stream.getvalue(), "image/png")


def data_url(data: bytes, mime: str) -> str:
    """Bytes as a data URL."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def chat_messages(prompt: Prompt, pictures: DataUrls) -> list[dict[str, Any]]:
    """A prompt's messages as the API has them; a message of one text is that text.

    Raises:
        UserError: a picture is missing or unreadable.
    """
    return [{"role": m.role, "content": _content(m, pictures)} for m in prompt.messages]


def sampling_fields(sampling: Sampling) -> dict[str, Any]:
    """The settings as the API names them. top_k is no part of it: it goes only where it is set."""
    fields: dict[str, Any] = {
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    return fields | ({"top_k": sampling.top_k} if sampling.top_k else {})


def _content(message: Message, pictures: DataUrls) -> str | list[dict[str, Any]]:
    parts = message.content
    if len(parts) == 1 and not isinstance(parts[0], ImagePart):
        return parts[0].text
    return [
        {"type": "image_url", "image_url": {"url": pictures.of(part.image)}}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for part in parts
    ]


def _plain_type(data: bytes) -> str:
    """The file's type if all servers see the same picture in it, else ""."""
    with Image.open(BytesIO(data), formats=tuple(_PLAIN)) as image:
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        plain = upright and image.mode == "RGB" and not image.has_transparency_data
        return _PLAIN.get(image.format or "", "") if plain else ""
