"""Images of requests: decoded from data URLs, stored only while their request runs."""

import base64
import binascii
import hashlib
import threading
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from groundtune.errors import UserError
from groundtune.serve.errors import ApiError
from groundtune.serve.limits import Limits
from groundtune.store.images import FORMATS, decode


class RequestImage(NamedTuple):
    """One image of a request."""

    sha256: str
    """Of its file's bytes."""
    image: Image.Image
    """RGB, upright, not cropped."""


class LentImages:
    """The images of running requests, as `Images` for the models. Thread-safe."""

    def __init__(self) -> None:
        self._loans: dict[str, tuple[Image.Image, int]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, images: Sequence[RequestImage]) -> Generator[None]:
        """Make the images available within this context; two requests may share one."""
        with self._lock:
            for request_image in images:
                image, count = self._loans.get(request_image.sha256, (request_image.image, 0))
                self._loans[request_image.sha256] = image, count + 1
        try:
            yield
        finally:
            self._take_back(images)

    def open(self, sha256: str) -> Image.Image:
        """Return the image. Raises UserError if no running request has it."""
        with self._lock:
            entry = self._loans.get(sha256)
        if entry is None:
            raise UserError("The image is no longer available.", sha256, "Send it again.")
        return entry[0]

    def __len__(self) -> int:
        return len(self._loans)

    def _take_back(self, images: Sequence[RequestImage]) -> None:
        with self._lock:
            for request_image in images:
                image, count = self._loans.pop(request_image.sha256)
                if count > 1:
                    self._loans[request_image.sha256] = image, count - 1


def read_image(url: str, limits: Limits, param: str, *, pixels: int = 0) -> RequestImage:
    """Return an image from its data URL. `param` names the field in errors.

    `pixels` is the total of the request's earlier images.

    Raises:
        ApiError: not a data URL, bad base64, too large, or not an image that can be read.
    """
    data = image_bytes(url, limits, param)
    _refuse_bombs(data, limits, param, pixels)
    try:
        image = decode(data, param)
    except UserError as error:
        raise ApiError("invalid_image", error.what, param=param) from error
    return RequestImage(hashlib.sha256(data).hexdigest(), image)


def image_bytes(url: str, limits: Limits, param: str) -> bytes:
    """Return the bytes of an image's file from its data URL.

    Raises:
        ApiError: not a data URL, bad base64, or too large.
    """
    head, comma, payload = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64") or not comma:
        raise ApiError(
            "invalid_image_url",
            "The image must be a data URL (data:image/png;base64,...): addresses are not fetched.",
            param=param,
        )
    if len(payload) > limits.image_bytes * 4 // 3 + 4:
        message = f"More than {limits.image_bytes:,} bytes in an image."
        raise ApiError("image_too_large", message, param=param)
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"The image is not base64: {error}."
        raise ApiError("invalid_base64", message, param=param) from error


def _refuse_bombs(data: bytes, limits: Limits, param: str, pixels: int) -> None:
    """Check the image's size in its header, before anything is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(limits, param) from error
    except Exception as error:  # Pillow may raise anything on an untrusted header
        message = "The file is not an image that can be read."
        raise ApiError("invalid_image", message, param=param) from error
    if pixels + width * height > limits.image_pixels:
        raise _too_many_pixels(limits, param)


def _too_many_pixels(limits: Limits, param: str) -> ApiError:
    message = f"More than {limits.image_pixels:,} pixels in all images."
    return ApiError("too_many_pixels", message, param=param)
