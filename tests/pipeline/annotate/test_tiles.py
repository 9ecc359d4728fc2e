"""Tiles of large images together are the image."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.pipeline.annotate.scaled import ScaledImages
from groundtune.pipeline.annotate.tiles import Tiles
from groundtune.store.images import ImageStore


@pytest.fixture
def images(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def tiles(images: ImageStore, tmp_path: Path) -> Tiles:
    return Tiles(images, tmp_path / "scaled")


def joined(tiles: Tiles, sha256: str, level: int) -> Image.Image:
    """All tiles of a level, put where they belong."""
    found = tiles.levels(sha256)
    whole = Image.new("RGB", found.size(level))
    tiles.cut(sha256, level)
    column = row = 0
    while found.has(level, 0, row):
        while found.has(level, column, row):
            data = tiles.find(sha256, level, column, row)
            assert data is not None
            with Image.open(BytesIO(data)) as tile:
                whole.paste(tile, (column * found.side, row * found.side))
            column += 1
        column, row = 0, row + 1
    return whole


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def smooth(size: tuple[int, int]) -> Image.Image:
    """An image whose every part is another colour."""
    x, y = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("layout", ["PNG", "JPEG"])
def test_the_tiles_of_each_level_make_up_the_image(tiles: Tiles, images: ImageStore, layout: str):
    image, stream = smooth((3301, 1100)), BytesIO()
    image.save(stream, layout)
    sha256 = images.add(stream.getvalue())
    found = tiles.levels(sha256)
    assert (found.width, found.height, found.levels) == (3301, 1100, 2)
    assert found.size(1) == (1651, 550)
    assert not found.has(1, 2, 0)
    assert not found.has(2, 0, 0)
    assert tiles.find(sha256, 0, 0, 0) is None
    assert difference(joined(tiles, sha256, 0), image) < 1
    assert difference(joined(tiles, sha256, 1), image.resize((1651, 550))) < 1
    assert tiles.find(sha256, 0, 3, 1) is not None


def test_a_turned_photograph_has_upright_tiles(tiles: Tiles, images: ImageStore):
    upright, stream, turned = smooth((1700, 800)), BytesIO(), Image.Exif()
    turned[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(stream, "JPEG", exif=turned)
    sha256 = images.add(stream.getvalue())
    assert tiles.levels(sha256).size(0) == (1700, 800)
    assert difference(joined(tiles, sha256, 0), upright) < 1


def test_an_image_whose_copy_has_all_its_pixels_has_none(tiles: Tiles, images: ImageStore):
    stream = BytesIO()
    Image.new("RGB", (1600, 5000)).save(stream, "PNG")
    assert tiles.levels(images.add(stream.getvalue())).levels == 0


@pytest.mark.parametrize(
    ("layout", "size", "is_cut", "is_scaled"),
    [
        ("PNG", (3301, 2500), True, True),
        ("JPEG", (3301, 2500), False, False),
        ("JPEG", (6100, 4000), False, True),
    ],
)
def test_large_images_that_take_long_are_made_ready_when_they_are_added(
    *,
    tiles: Tiles,
    images: ImageStore,
    tmp_path: Path,
    layout: str,
    size: tuple[int, int],
    is_cut: bool,
    is_scaled: bool,
):
    image, stream = smooth(size), BytesIO()
    image.save(stream, layout)
    sha256 = images.add(stream.getvalue())
    tiles.prepare(sha256, ScaledImages(images, tmp_path / "scaled"))
    cut = [tiles.find(sha256, level, 0, 0) is not None for level in (0, 1, 2)]
    assert cut == [is_cut, is_cut, False]
    copy = tmp_path / "scaled" / f"{sha256}-1600.jpg"
    assert copy.is_file() == is_scaled
    if is_scaled:
        with Image.open(copy) as made:
            assert difference(made, image.resize(made.size)) < 1


def test_a_missing_image_is_reported(tiles: Tiles):
    with pytest.raises(UserError, match="doesn't exist"):
        tiles.levels("0" * 64)
