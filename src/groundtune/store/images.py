"""Images, each stored once under the sha256 of its file's bytes, exactly as it came.

What a model sees is `decode`'s result: the whole image, RGB, upright by its EXIF orientation,
transparency on white, 16 bits scaled to 8. Nothing is ever cropped or flipped.
"""

import hashlib
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from groundtune.errors import UserError
from groundtune.store.files import refuse_special, write_atomic

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""File formats that are read (phones' MPO counts as JPEG). Others (EPS runs Ghostscript) are not
worth their risk."""

THINNEST = 200
"""Most times that an image is longer than wide, or wider than long: Qwen's processors take no more,
and others scale the short side to nothing."""

_SHOWN = 200
"""Characters of a name in an error."""
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises on damaged files."""


class ImageStore:
    """Images under `path`/ab/<sha256>, where ab are the first two digits."""

    def __init__(self, path: Path) -> None:
        self.root = path
        self._checked: set[str] = set()
        self._names: dict[Path, tuple[Path, bool]] = {}
        """By file: the name for which it was found first, and whether nothing was dropped."""

    def path(self, sha256: str) -> Path:
        """Where the file is, or would be."""
        return self.root / sha256[:2] / sha256

    def add(self, source: Path | bytes, *, name: str = "") -> str:
        """Stores an image after decoding it whole, and returns the sha256 (hex) of its bytes.

        `name` stands in errors (a row, say); the path if it is empty.

        Raises:
            UserError: missing, not an image, damaged, enormous, extremely thin or animated, or the
                disk is full.
        """
        where = name or (str(source) if isinstance(source, Path) else "image bytes")
        data = source if isinstance(source, bytes) else _read(source, where)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if path.exists() and path.read_bytes() == data:
            return sha256  # a damaged copy is replaced
        decode(data, where)
        write_atomic(path, data, durable=False)
        return sha256

    def add_named(self, name: str, roots: Sequence[Path], where: str) -> str:
        """Stores the image that a row names, and returns its sha256.

        The last of `roots` is the folder of the rows' file, those before it were given for images.
        Published files name their images from the folder in which their authors worked. So leading
        folders of a name that isn't there as it is are dropped, if the folders that are left are
        in a root, or the root is the last one that is dropped; or down to the file's name, in a
        root that was given for images. Two names never become one image this way.

        Raises:
            UserError: as `add`; several different files fit, or a file fits two names.
        """
        found = self._find(name, roots, where)
        return self.add(found, name=f"{where}: {shown(name)}")

    def _find(self, name: str, roots: Sequence[Path], where: str) -> Path:
        path = Path(name)
        # os.path.isfile takes names that no file can have for ones that aren't there.
        fits = [root / path for root in roots if os.path.isfile(root / path)]
        is_exact = bool(fits)
        if not is_exact:
            path = _without_backslashes(path)
            fits = [each for each in _tails(path, roots) if os.path.isfile(each)]
        if not fits:
            return roots[0] / path
        found = _only(fits, name, where)
        first, first_is_exact = self._names.setdefault(found, (path, is_exact))
        if first != path and not (is_exact and first_is_exact):
            raise UserError(
                f"Two names fit one file, {shown(str(found))}: this one and {shown(str(first))}.",
                f"{where}: {shown(name)}",
                "Give the folder from which all names start with --images DIR.",
            )
        return found

    def open(self, sha256: str) -> Image.Image:
        """The image as RGB, upright, whole.

        Raises:
            UserError: it is not in the store, or was damaged since.
        """
        return decode(self.read(sha256), str(self.path(sha256)))

    def read(self, sha256: str) -> bytes:
        """The bytes of an image's file, held against their sha256 when they are first read.

        Raises:
            UserError: the image is not in the store, or was damaged since.
        """
        path = self.path(sha256)
        data = _read(path, f"image {sha256} in {self.root}")
        if sha256 not in self._checked:
            _refuse_damage(data, sha256, path)
            self._checked.add(sha256)
        return data


def _without_backslashes(path: Path) -> Path:
    r"""The path that a name in the style of Windows means: `scans\1.png` or `C:\scans\1.png`."""
    name = str(path)
    if "\\" not in name:
        return path
    windows = PureWindowsPath(name)
    return Path(*windows.parts[1:] if windows.anchor else windows.parts)


def _tails(path: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Where a name may be without some of its leading folders."""
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    for start in range(len(parts)):
        for root in roots:
            has_folders = start < len(parts) - 1
            is_last_dropped = bool(start) and root.absolute().name == parts[start - 1]
            if has_folders or is_last_dropped or root is not roots[-1]:
                yield root / Path(*parts[start:])


def _only(files: Sequence[Path], name: str, where: str) -> Path:
    """The one file of these; copies with equal bytes are one."""
    contents = {each.resolve(): each for each in files}
    if len(contents) > 1 and len({each.read_bytes() for each in contents}) > 1:
        raise UserError(
            f"Several different files fit this name: {', '.join(map(str, contents.values()))}.",
            f"{where}: {shown(name)}",
            "Give the folder from which the names start with --images DIR, or remove one file.",
        )
    return files[0]


def shown(name: str) -> str:
    """A file's name as errors show it: not too long, and nothing that a terminal would obey."""
    return name[:_SHOWN] if name.isprintable() else repr(name)[:_SHOWN]


def is_image(path: Path) -> bool:
    """Whether a file begins like an image of FORMATS, whatever its name."""
    try:
        if not path.is_file():
            return False
        with Image.open(path, formats=FORMATS):
            return True
    except (*DAMAGE, Image.DecompressionBombError):
        return False


def decode(data: bytes, where: str) -> Image.Image:
    """An image file's bytes as an upright RGB image.

    Raises:
        UserError: not an image of FORMATS, truncated or damaged, of too many pixels (Pillow's limit
            against decompression bombs, 89 million), animated, extremely thin, or with values of no
            fixed range. It names `where`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=FORMATS)
        _refuse_animation(image, where)
        _refuse_thin(image, where)
        image.load()
        return _rgb(_upright(image), where)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(
            f"The image has more than {Image.MAX_IMAGE_PIXELS:,} pixels.",
            where,
            "Scale it down, or leave it out with --skip-bad.",
        ) from error
    except UnidentifiedImageError as error:
        raise UserError(
            "The file is not an image that can be read.",
            where,
            f"Use one of {', '.join(FORMATS)}, or leave it out with --skip-bad.",
        ) from error
    except DAMAGE as error:
        raise UserError(
            f"The image is truncated or damaged ({error}).",
            where,
            "Get the file again, or leave it out with --skip-bad.",
        ) from error


def _refuse_damage(data: bytes, sha256: str, path: Path) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(
            "The stored image is damaged: its bytes don't match the sha256 in its name.",
            str(path),
            "Delete it and rerun the command that stored it, from the original image.",
        )


def _read(path: Path, where: str) -> bytes:
    refuse_special(path, where)
    try:
        return path.read_bytes()
    except (FileNotFoundError, ValueError) as error:  # ValueError: a NUL in its name
        raise UserError(
            "The image doesn't exist.", where, "Check the path, or leave it out with --skip-bad."
        ) from error
    except OSError as error:
        raise UserError(
            f"The image can't be read: {error.strerror}.",
            where,
            "Check the path, or leave it out with --skip-bad.",
        ) from error


def _refuse_thin(image: ImageFile.ImageFile, where: str) -> None:
    if max(image.size) > THINNEST * max(1, min(image.size)):
        raise UserError(
            f"The image is extremely thin ({image.width} x {image.height} pixels).",
            where,
            f"Pad or crop it to at most {THINNEST} to 1, or leave it out with --skip-bad.",
        )


def _refuse_animation(image: ImageFile.ImageFile, where: str) -> None:
    frames = getattr(image, "n_frames", 1)
    # MPO is a still photograph with a preview or a second eye's view behind it
    if frames > 1 and image.format != "MPO":
        raise UserError(
            f"The image is animated or has several pages ({frames} frames).",
            where,
            "Save one frame as a still image, or leave it out with --skip-bad.",
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (*DAMAGE, TypeError, KeyError):
        return image  # the pixels are whole, only the camera's notes about them are not


def _rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.rint(values / 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise UserError(
            "The image has 32-bit values without a fixed range.",
            where,
            "Save it with 8 or 16 bits per channel, or leave it out with --skip-bad.",
        )
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
