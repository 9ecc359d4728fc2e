"""Builds OpenAI-compatible request bodies from prompts, with images as data URLs."""

import base64
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import Image

from groundtune.generate.endpoint import EndpointSettings
from groundtune.protocols import Images
from groundtune.records import ImagePart, Message, Prompt, Sampling
from groundtune.store.images import DAMAGE, FORMATS, ImageStore, decode

_SEEDS = 2**31
"""Some servers and gateways take no larger seeds."""
_KEPT = 16
"""Data URLs kept: requests come ordered by image, so few images are asked about at a time."""
_PLAIN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_ORIENTATION = 0x0112
"""EXIF's tag of how the camera was held; 1 is upright."""


class DataUrls:
    """Images as data URLs, the same image that a model in this process sees.

    The file goes as it is where every server reads it alike (JPEG, PNG or WebP, RGB, upright);
    otherwise the upright RGB image goes as PNG.
    """

    def __init__(self, images: Images) -> None:
        self.images = images
        self._encoded: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sha256: str) -> str:
        """Return the image's data URL. Raises UserError if it is missing or unreadable."""
        with self._lock:
            if sha256 in self._encoded:
                self._encoded.move_to_end(sha256)
                return self._encoded[sha256]
        url = self._make(sha256)
        with self._lock:
            self._encoded[sha256] = url
            while len(self._encoded) > _KEPT:
                self._encoded.popitem(last=False)
        return url

    def _make(self, sha256: str) -> str:
        image = self.images.open(sha256)
        if isinstance(self.images, ImageStore):
            data = self.images.path(sha256).read_bytes()
            mime = _plain_type(data)
            if mime:
                return data_url(data, mime)
        return _as_png(image)


def _as_png(image: Image.Image) -> str:
    stream = BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return data_url(stream.getvalue(), "image/png")


def data_url(data: bytes, mime: str) -> str:
    """Return bytes as a data URL."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def with_plain_images(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages in the API's form, replacing data URLs that servers would read differently.

    Raises:
        UserError: an image can't be read.
    """
    return [{**message, "content": _plain_content(message["content"])} for message in messages]


def _plain_content(content: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_with_plain_image(part) for part in content]


def _with_plain_image(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image_url":
        return part
    url: str = part["image_url"]["url"]
    data = base64.b64decode(url.partition(",")[2])
    plain = url if _plain_type(data) else _as_png(decode(data, "image_url"))
    return {**part, "image_url": {**part["image_url"], "url": plain}}


def chat_messages(prompt: Prompt, images: DataUrls) -> list[dict[str, Any]]:
    """Return a prompt's messages in the API's form; a message of one text is a plain string.

    Raises:
        UserError: an image is missing or unreadable.
    """
    return [{"role": m.role, "content": _content(m, images)} for m in prompt.messages]


def chat_body(
    settings: EndpointSettings,
    messages: Sequence[Mapping[str, Any]],
    sampling: Sampling,
    *,
    seed: int | None = None,
    n: int = 1,
) -> dict[str, Any]:
    """Return the body of a request for n answers to messages in the API's form.

    top_k is not part of the API and is sent only if set.
    """
    body: dict[str, Any] = {
        "model": settings.model,
        "messages": messages,
        settings.limit_field: sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    body |= {"top_k": sampling.top_k} if sampling.top_k else {}
    body |= {"n": n} if n > 1 else {}
    return body if seed is None else body | {"seed": seed % _SEEDS}


def _content(message: Message, images: DataUrls) -> str | list[dict[str, Any]]:
    parts = message.content
    if len(parts) == 1 and not isinstance(parts[0], ImagePart):
        return parts[0].text
    return [
        {"type": "image_url", "image_url": {"url": images.of(part.image)}}
        if isinstance(part, ImagePart)
        else {"type": "text", "text": part.text}
        for part in parts
    ]


def _plain_type(data: bytes) -> str:
    """Return the file's type if all servers see the same image in it, else ""."""
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        try:
            upright = image.getexif().get(_ORIENTATION, 1) == 1
        except (*DAMAGE, TypeError, KeyError):  # the camera's notes, which servers may read or not
            return ""
        plain = upright and image.mode == "RGB" and not image.has_transparency_data
        return _PLAIN.get(image.format or "", "") if plain else ""
