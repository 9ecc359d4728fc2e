"""Tiles of large images: zooming in loads the visible part in full detail.

Level 0 has the image's own pixels, each further level half as many per side. There are levels while
they have more pixels than the copy for screens (`scaled.py`). All tiles of a level are cut at once
and kept in the project's folder `scaled/`.
"""

from io import BytesIO
from pathlib import Path

from PIL import Image

from groundtune.errors import UserError
from groundtune.pipeline.annotate.scaled import AT_ONCE, WIDTHS, ScaledImages, as_jpeg, opened
from groundtune.records import Record
from groundtune.store.files import write_atomic
from groundtune.store.images import FORMATS, ImageStore

SIDE = 1024
"""Width and height of a tile in pixels; the last ones of a row and a column are smaller."""


class Levels(Record):
    """An image's size in pixels, and how many levels of tiles it has: 0 if the copy is enough."""

    width: int
    height: int
    side: int = SIDE
    levels: int

    def size(self, level: int) -> tuple[int, int]:
        """Width and height of a level in pixels."""
        return -(-self.width // 2**level), -(-self.height // 2**level)

    def has(self, level: int, column: int, row: int) -> bool:
        """Whether there is such a tile."""
        width, height = self.size(level)
        return level < self.levels and column * self.side < width and row * self.side < height


class Tiles:
    """Tiles of the images of a store, kept in the folder `path`."""

    def __init__(self, images: ImageStore, path: Path) -> None:
        self._images = images
        self._path = path

    def levels(self, sha256: str) -> Levels:
        """An image's size and levels; only the file's beginning is decoded.

        Raises:
            UserError: the image is missing or damaged.
        """
        with Image.open(BytesIO(self._images.read(sha256)), formats=FORMATS) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # Orientation: on its side
                width, height = height, width
        levels = 0
        while -(-width // 2**levels) > WIDTHS[-1]:
            levels += 1
        return Levels(width=width, height=height, levels=levels)

    def find(self, sha256: str, level: int, column: int, row: int) -> bytes | None:
        """A tile that was cut before, as JPEG."""
        path = self._file(sha256, level, column, row)
        return path.read_bytes() if path.is_file() else None

    def cut(self, sha256: str, level: int) -> None:
        """Cut all tiles of a level.

        Raises:
            UserError: the image is missing or damaged, or the disk is full.
        """
        size = self.levels(sha256).size(level)
        original = self._images.read(sha256)
        with AT_ONCE:
            self._save(sha256, level, opened(original, max(size), f"image {sha256}"), size)

    def prepare(self, sha256: str, scaled: ScaledImages) -> None:
        """Scale and cut an image ahead if that takes long; the page says it if one is damaged.

        Raises:
            DiskError: the disk is full.
        """
        ahead = scaled.ahead(sha256)
        if ahead == "nothing":
            return
        try:
            if ahead == "copy":
                scaled.of_width(sha256, WIDTHS[-1])
                return
            pyramid = self.levels(sha256)
            image = self._images.open(sha256)
        except UserError:
            return
        with AT_ONCE:
            scaled.add_copy(sha256, image)
            for level in range(pyramid.levels):
                self._save(sha256, level, image, pyramid.size(level))

    def _save(self, sha256: str, level: int, image: Image.Image, size: tuple[int, int]) -> None:
        """Cut an image at a level's size."""
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        for left in range(0, size[0], SIDE):
            for top in range(0, size[1], SIDE):
                box = (left, top, min(left + SIDE, size[0]), min(top + SIDE, size[1]))
                path = self._file(sha256, level, left // SIDE, top // SIDE)
                write_atomic(path, as_jpeg(image.crop(box)), durable=False)

    def _file(self, sha256: str, level: int, column: int, row: int) -> Path:
        return self._path / f"{sha256}-tiles" / f"{level}-{column}-{row}.jpg"
