"""Images that a file of rows names by path: found on import, written next to the rows on export."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

from PIL import Image, UnidentifiedImageError

from groundtune.errors import UserError
from groundtune.interchange.layout import LayoutError, RowImage
from groundtune.store.files import write_atomic
from groundtune.store.images import FORMATS, ImageStore

_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "PPM": ".ppm"}
_KINDS = ".jpg .jpeg .jpe .mpo .png .webp .gif .bmp .tif .tiff .ppm .avif"


def row_images(value: object, column: str) -> tuple[RowImage, ...]:
    """The images of a column: a path, a struct of bytes and path, or a list of either.

    Raises LayoutError for anything else, also for URLs: nothing is downloaded.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        return (_image(value, column),)
    return tuple(_image(item, column) for item in cast("list[object]", value))


def as_struct(image: RowImage) -> dict[str, Any]:
    """The image in the format of `datasets`."""
    return {"bytes": image.data, "path": image.path}


def store_image(image: RowImage, roots: Sequence[Path], images: ImageStore, where: str) -> str:
    """Store an image and return its sha256.

    Raises:
        UserError: it is missing, not an image or damaged, or the disk is full.
    """
    if image.data is not None:
        return images.add(image.data, name=where)
    assert image.path is not None
    return images.add_named(image.path, roots, where)


def ending_of(path: Path) -> str:
    """The usual file ending of an image, by its contents."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            kind = image.format or ""
    except (UnidentifiedImageError, OSError):
        return ""
    return _ENDINGS.get(kind, f".{kind.lower()}")


def place_image(
    rows: Path, name: str | None, sha256: str, images: ImageStore, ending: str = ""
) -> str:
    """Write an image next to the file `rows`, and return its name in the rows.

    The name stays if it is a path below the rows' folder that has this image or doesn't exist yet.
    Any other image becomes images/SHA256 with its ending, or SHA256 with the required `ending`.

    Raises:
        UserError: the disk is full or the folder can't be written.
    """
    data = images.read(sha256)
    if name is not None and _is_inside(name) and _fits(rows.parent / name, sha256, rows.parent):
        chosen = name
    else:
        chosen = ending and f"{sha256}{ending}"
        chosen = chosen or f"images/{sha256}{ending_of(images.path(sha256))}"
    target = rows.parent / chosen
    if not target.exists():
        write_atomic(target, data, durable=False)
    return chosen


def _image(value: object, column: str) -> RowImage:
    if isinstance(value, Mapping):
        struct = cast("Mapping[str, object]", value)
        data, path = struct.get("bytes"), struct.get("path")
        if isinstance(data, bytes):
            return RowImage(path if isinstance(path, str) else None, data)
        value = path
    if isinstance(value, bytes):
        return RowImage(None, value)
    if not isinstance(value, str) or not value:
        raise LayoutError("The image is neither a path nor bytes", column)
    if value.startswith(("http://", "https://", "data:")) or "\0" in value:
        raise LayoutError(f"The image {value[:40]!r} is not a file", column)
    return RowImage(value)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        not path.is_absolute()
        and "\\" not in name
        and not any(part.startswith(".") for part in path.parts)
        and path.suffix.lower() in _KINDS.split()
        and all(len(part.encode()) <= 255 for part in path.parts)
    )


def _fits(target: Path, sha256: str, root: Path) -> bool:
    try:
        if not target.resolve().is_relative_to(root.resolve()):
            return False
        return hashlib.sha256(target.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return True
    except OSError:
        return False


def image_file(images: ImageStore, sha256: str, where: str) -> Path:
    """The image's file. Raises UserError, naming `where`, if it is missing."""
    path = images.path(sha256)
    if not path.is_file():
        raise UserError(
            f"The image {sha256} is missing.",
            where,
            "Use a folder that also has the pairs' images.",
        )
    return path
