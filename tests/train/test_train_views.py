"""Changed images: the same every time, of the image's size, and the image stays as it is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from groundtune.methods.pairwise import View
from groundtune.train.views import ViewedImages, apply_view
from training_folder import fill_folder

CROP = View("corrupted", "crop", 0.01, 0.2)


def gradient(width: int, height: int) -> Image.Image:
    """Red tells the column and green the row of a pixel."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x], -1).round().astype(np.uint8))


@settings(max_examples=30)
@given(width=st.integers(2, 90), height=st.integers(2, 90), seed=st.integers(0, 9))
def test_a_view_has_the_images_size_and_leaves_it_alone(width: int, height: int, seed: int):
    image = gradient(width, height)
    before = image.tobytes()
    for change in ("crop", "noise", "blank"):
        made = apply_view(image, "a" * 64, View("v", change, 0.01, 1.0), seed)
        assert (made.size, made.mode) == (image.size, "RGB")
    assert image.tobytes() == before


@pytest.mark.parametrize("change", ["crop", "noise"])
def test_a_view_depends_on_image_view_and_seed_alone(change: str):
    image, view = gradient(64, 48), View("v", change, 0.1, 0.5)
    first = apply_view(image, "a", view, 1).tobytes()
    assert apply_view(image.copy(), "a", view, 1).tobytes() == first
    for other in (("b", view, 1), ("a", view, 2), ("a", view._replace(name="w"), 1)):
        assert apply_view(image, *other).tobytes() != first


def test_a_crop_keeps_its_share_of_the_area():
    image = gradient(200, 200)
    shares = []
    for seed in range(60):
        pixels = np.asarray(apply_view(image, "a", CROP, seed), dtype=float)
        width, height = (np.ptp(pixels[:, :, channel]) / 255 for channel in (0, 1))
        assert 3 / 4 - 0.2 < width / height < 4 / 3 + 0.3
        shares.append(width * height)
    assert 0.005 < min(shares) < 0.05
    assert 0.15 < max(shares) < 0.21
    assert np.mean(shares) == pytest.approx(0.105, abs=0.03)


def test_a_crop_of_a_very_long_image_stays_in_it():
    made = apply_view(gradient(400, 4), "a", View("v", "crop", 0.9, 0.9), 0)
    pixels = np.asarray(made, dtype=float)
    assert np.ptp(pixels[:, :, 0]) / 255 == pytest.approx(0.95, abs=0.02)


def test_no_noise_is_the_image_and_all_noise_shows_nothing_of_it():
    image = gradient(40, 40)
    none = apply_view(image, "a", View("v", "noise", 0, 0), 0)
    assert none.tobytes() == image.tobytes()
    whole = np.asarray(apply_view(image, "a", View("v", "noise", 1, 1), 0), dtype=float)
    told = np.corrcoef(whole[:, :, 0].ravel(), np.asarray(image)[:, :, 0].ravel())[0, 1]
    assert abs(told) < 0.1
    blank = np.asarray(apply_view(image, "a", View("v", "blank"), 0))
    assert len(np.unique(blank)) == 1


def test_viewed_images_open_as_the_stored_ones_changed(tmp_path: Path):
    folder = fill_folder(tmp_path, 2)
    sha256 = folder.prompts.read()[1].images[0]
    viewed = ViewedImages(folder.images, View("v", "blank"), 0)
    assert np.unique(np.asarray(viewed.open(sha256))).tolist() == [127]
    assert np.unique(np.asarray(folder.images.open(sha256))).tolist() != [127]
