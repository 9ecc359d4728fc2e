"""Changed images on which a method also runs the chosen answers.

A change depends only on the image's sha256, the view and a seed. It is the same in every epoch, on
every machine and after a restart, so the reference's log-probabilities can be cached. It is applied
before the model's processor and keeps the image's size, so a view has as many image tokens as the
image. Stored images and those of evaluations never change.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from groundtune.methods.pairwise import View
from groundtune.protocols import Images
from groundtune.store.keys import seed_of

SIDE_RATIO = (3 / 4, 4 / 3)
"""A crop's width over its height, as in torchvision's RandomResizedCrop, which mDPO's code uses."""
_TRIES = 10
_GREY = 127


@dataclass(frozen=True, slots=True)
class ViewedImages:
    """`Images` that applies a view to another `Images`."""

    images: Images
    view: View
    seed: int

    def open(self, sha256: str) -> Image.Image:
        """Return the changed image, RGB, of the same size."""
        return apply_view(self.images.open(sha256), sha256, self.view, self.seed)


def apply_view(image: Image.Image, sha256: str, view: View, seed: int) -> Image.Image:
    """Return the image changed by the view, RGB, of the same size."""
    draw = np.random.default_rng(seed_of("view", sha256, list(view), seed))
    share = draw.uniform(view.low, view.high)
    if view.change == "crop":
        box = _crop_box(image.size, share, draw)
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)
    if view.change == "noise":
        return _add_noise(image, share, draw)
    return Image.new("RGB", image.size, (_GREY, _GREY, _GREY))


def _crop_box(
    size: tuple[int, int], share: float, draw: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a random box with that share of the area, >= 1 pixel."""
    width, height = size
    low, high = (math.log(ratio) for ratio in SIDE_RATIO)
    for _ in range(_TRIES):
        ratio = math.exp(draw.uniform(low, high))
        w = max(1, round(math.sqrt(share * width * height * ratio)))
        h = max(1, round(math.sqrt(share * width * height / ratio)))
        if w <= width and h <= height:
            break
    else:  # the image is far from square and the share is large: use the image's shape
        w, h = (max(1, round(side * math.sqrt(share))) for side in size)
    left, top = int(draw.integers(0, width - w + 1)), int(draw.integers(0, height - h + 1))
    return left, top, left + w, top + h


def _add_noise(image: Image.Image, share: float, draw: np.random.Generator) -> Image.Image:
    """Mix sqrt(1 - share) of the image and sqrt(share) of Gaussian noise, in units of [-1, 1]."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 127.5 - 1
    mixed = math.sqrt(1 - share) * pixels + math.sqrt(share) * draw.standard_normal(pixels.shape)
    return Image.fromarray(((mixed.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8))
