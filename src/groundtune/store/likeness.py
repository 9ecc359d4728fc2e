"""Images that are equal or look alike: the same bytes, or a difference hash with few other bits.

The hash has 512 bits: whether each of 16 x 16 grey values is above its left and its upper neighbour
(dHash, Krawetz 2013, in both directions). At most ALIKE bits may differ. Measured: photographs of
GROUNDTUNE_TEST_DATA (61) after JPEG of quality 30, a quarter of their size, a square of 336 pixels,
without colour or 10% brighter differ by at most 26 bits, two of different photographs by at least
182; of 1,000 training scenes of the embedded world and 1,000 development scenes (a million pairs)
the closest two differ by 42. Not found: crops (2% per side: a median of 57 bits) and mirror images.
Images with almost no contrast all look alike: only their bytes are compared.
"""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groundtune.errors import UserError
from groundtune.store.files import DiskError, write_atomic
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import json_of

log = logging.getLogger(__name__)

ALIKE = 26
"""The maximum number of the 512 bits in which two images that look alike differ."""
SIDE = 16
FLAT = 4.0
"""Standard deviation of the grey values, of 255, below which an image has no hash."""
_ROWS = 2000
"""Images per batch of distance computations."""


class SharedImage(NamedTuple):
    """An image that is in two sets."""

    first: str
    """The image's sha256 in the first set."""
    second: str
    bits: int
    """Number of differing bits of the hash; 0 for the same bytes, too."""


def look_of(image: Image.Image) -> bytes:
    """Return an image's difference hash, 64 bytes; empty for an image with almost no contrast."""
    grey = image.convert("L")
    wide = _values(grey, SIDE + 1, SIDE)
    if float(wide.std()) < FLAT:
        return b""
    high = _values(grey, SIDE, SIDE + 1)
    bits = [wide[:, 1:] > wide[:, :-1], high[1:] > high[:-1]]
    return np.packbits(np.concatenate([each.ravel() for each in bits])).tobytes()


def looks_of(images: ImageStore, hashes: Collection[str]) -> dict[str, bytes]:
    """Return the hash of each stored image; earlier hashes are cached in a file of the store.

    Raises:
        UserError: an image is not in the store, or is damaged.
    """
    file = images.root / ".looks.json"
    cache = _read(file.read_bytes()) if file.exists() else {}
    new = {sha256: look_of(images.open(sha256)) for sha256 in hashes if sha256 not in cache}
    if new:
        text = {sha256: look.hex() for sha256, look in {**cache, **new}.items()}
        try:
            write_atomic(file, json_of(text).encode(), durable=False)
        except DiskError as error:
            log.info("%s: not saved (%s)", file, error.what)
    return {sha256: cache.get(sha256, new.get(sha256, b"")) for sha256 in hashes}


def common_images(first: Mapping[str, bytes], second: Mapping[str, bytes]) -> list[SharedImage]:
    """Return the images of `second` that are in `first`, each with the closest one there."""
    matches = {sha256: SharedImage(sha256, sha256, 0) for sha256 in second if sha256 in first}
    names = [sha256 for sha256, look in first.items() if look]
    others = [sha256 for sha256, look in second.items() if look and sha256 not in matches]
    if not names or not others:
        return list(matches.values())
    first_signs = _signs([first[sha256] for sha256 in names])
    for start in range(0, len(others), _ROWS):
        chunk = others[start : start + _ROWS]
        distances = (
            8 * len(first[names[0]]) - _signs([second[s] for s in chunk]) @ first_signs.T
        ) / 2
        for sha256, row in zip(chunk, distances, strict=True):
            closest = int(row.argmin())
            if row[closest] <= ALIKE:
                matches[sha256] = SharedImage(names[closest], sha256, int(row[closest]))
    return [matches[sha256] for sha256 in second if sha256 in matches]


def _values(grey: Image.Image, width: int, height: int) -> NDArray[np.int16]:
    return np.asarray(grey.resize((width, height), Image.Resampling.LANCZOS), dtype=np.int16)


def _signs(looks: Sequence[bytes]) -> NDArray[np.float32]:
    bits = np.unpackbits(np.frombuffer(b"".join(looks), dtype=np.uint8).reshape(len(looks), -1), 1)
    return bits.astype(np.float32) * 2 - 1


def _read(data: bytes) -> dict[str, bytes]:
    try:
        cache: object = json.loads(data)
        assert isinstance(cache, dict)
        return {str(name): bytes.fromhex(str(look)) for name, look in cache.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    except (ValueError, AssertionError, UserError):
        return {}  # computed again
