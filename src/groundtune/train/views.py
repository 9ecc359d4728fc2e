"""Changed images under which a method runs the chosen answers too.

A change depends on the image's sha256, the view and a seed alone: it is the same in every epoch,
on every machine and after a restart, so that the reference's figures of it can be stored. It is
made on the image, before the model's processor, and keeps its size, so that a view has as many
image tokens as the image. Stored images and those of evaluations are never touched.
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
    """The images of `images` as a view changes them; an Images itself."""

    images: Images
    view: View
    seed: int

    def open(self, sha256: str) -> Image.Image:
        """The changed image, RGB, of the same size."""
        return changed(self.images.open(sha256), sha256, self.view, self.seed)


def changed(image: Image.Image, sha256: str, view: View, seed: int) -> Image.Image:
    """The image as the view changes it, RGB, of the same size."""
    draw = np.random.default_rng(seed_of("view", sha256, list(view), seed))
    share = draw.uniform(view.low, view.high)
    if view.change == "crop":
        box = _crop(image.size, share, draw)
        return image.resize(image.size, Image.Resampling.BILINEAR, box=box)
    if view.change == "noise":
        return _noisy(image, share, draw)
    return Image.new("RGB", image.size, (_GREY, _GREY, _GREY))


def _crop(
    size: tuple[int, int], share: float, draw: np.random.Generator
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a random box of that share of the area, at least one pixel."""
    width, height = size
    low, high = (math.log(ratio) for ratio in SIDE_RATIO)
    for _ in range(_TRIES):
        ratio = math.exp(draw.uniform(low, high))
        w = max(1, round(math.sqrt(share * width * height * ratio)))
        h = max(1, round(math.sqrt(share * width * height / ratio)))
        if w <= width and h <= height:
            break
    else:  # an image far from square, and a large share of it: a box of its own shape
        w, h = (max(1, round(side * math.sqrt(share))) for side in size)
    left, top = int(draw.integers(0, width - w + 1)), int(draw.integers(0, height - h + 1))
    return left, top, left + w, top + h


def _noisy(image: Image.Image, share: float, draw: np.random.Generator) -> Image.Image:
    """sqrt(1 - share) of the image and sqrt(share) of Gaussian noise, in units of [-1, 1]."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64) / 127.5 - 1
    mixed = math.sqrt(1 - share) * pixels + math.sqrt(share) * draw.standard_normal(pixels.shape)
    return Image.fromarray(((mixed.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8))
