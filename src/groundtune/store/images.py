"""Images, each stored once under the sha256 of its file's bytes, unchanged.

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
"""Readable file formats (phones' MPO counts as JPEG). Others (EPS runs Ghostscript) are not worth
their risk."""

THINNEST = 200
"""Maximum ratio of an image's sides: Qwen's processors accept no more, and others scale the short
side to nothing."""

_SHOWN = 200
"""Maximum number of characters of a name in an error."""
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises on damaged files."""


class ImageStore:
    """Images under `path`/ab/<sha256>, where ab are the first two digits."""

    def __init__(self, path: Path) -> None:
        self.root = path
        self._checked: set[str] = set()
        self._names: dict[Path, tuple[Path, bool]] = {}
        """By file: the name that matched it first, and whether that was the exact path."""
        self._added: dict[Path, tuple[tuple[int, int], str]] = {}
        """By file: its time and size when it was stored, and its sha256."""

    def path(self, sha256: str) -> Path:
        """Path of the image's file, which may not exist."""
        return self.root / sha256[:2] / sha256

    def add(self, source: Path | bytes, *, name: str = "") -> str:
        """Store an image after decoding it completely, and return the sha256 (hex) of its bytes.

        `name` is shown in errors (a row, say); the path if it is empty.

        Raises:
            UserError: missing, not an image, damaged, enormous, extremely thin or animated, or the
                disk is full.
        """
        where = name or (str(source) if isinstance(source, Path) else "image bytes")
        data = source if isinstance(source, bytes) else _read(source, where)
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        if path.is_file() and path.read_bytes() == data:
            return sha256  # a damaged copy is replaced
        decode(data, where)
        write_atomic(path, data, durable=False)
        return sha256

    def add_named(self, name: str, roots: Sequence[Path], where: str) -> str:
        """Store the image that a row names, and return its sha256.

        The last of `roots` is the folder of the rows' file; those before it are the user's folders
        of images. Published files name their images relative to a folder of their authors. If a
        name doesn't exist, its leading folders are dropped: while the remaining folders are in a
        root, or the root is the last dropped folder; or, in the user's folders of images, down to
        the file's name. Two names never become one image this way.

        Raises:
            UserError: as `add`; several different files fit, or a file fits two names.
        """
        path = self._find(name, roots, where)
        where = f"{where}: {printable_name(name)}"
        now = _time_and_size(path)
        before, sha256 = self._added.get(path, (None, ""))
        if now is None or now != before:
            sha256 = self.add(path, name=where)
            if now is not None:
                self._added[path] = now, sha256
        return sha256

    def _find(self, name: str, roots: Sequence[Path], where: str) -> Path:
        path = Path(name)
        # os.path.isfile returns False for names that no file can have, instead of raising.
        fits = [root / path for root in roots if os.path.isfile(root / path)]
        is_exact = bool(fits)
        if not is_exact:
            path = _without_backslashes(path)
            fits = [tail for tail in _tails(path, roots) if os.path.isfile(tail)]
        if not fits:
            return roots[0] / path
        match = _only(fits, name, where)
        first, first_is_exact = self._names.setdefault(match, (path, is_exact))
        if first != path and not (is_exact and first_is_exact):
            raise UserError(
                f"Two names fit one file, {printable_name(str(match))}: this one and "
                f"{printable_name(str(first))}.",
                f"{where}: {printable_name(name)}",
                "Give the folder from which all names start with --images DIR.",
            )
        return match

    def open(self, sha256: str) -> Image.Image:
        """The full image as upright RGB.

        Raises:
            UserError: it is not in the store, or is damaged.
        """
        return decode(self.read(sha256), str(self.path(sha256)))

    def read(self, sha256: str) -> bytes:
        """The bytes of an image's file, checked against their sha256 at the first read.

        Raises:
            UserError: the image is not in the store, or is damaged.
        """
        path = self.path(sha256)
        data = _read(path, f"image {sha256} in {self.root}")
        if sha256 not in self._checked:
            _refuse_damage(data, sha256, path)
            self._checked.add(sha256)
        return data


def _time_and_size(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return None
    return state.st_mtime_ns, state.st_size


def _without_backslashes(path: Path) -> Path:
    r"""The path of a Windows name: `scans\1.png` or `C:\scans\1.png`."""
    name = str(path)
    if "\\" not in name:
        return path
    windows = PureWindowsPath(name)
    return Path(*windows.parts[1:] if windows.anchor else windows.parts)


def _tails(path: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """Candidate paths of a name without some of its leading folders."""
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    for start in range(len(parts)):
        for root in roots:
            has_folders = start < len(parts) - 1
            is_last_dropped = bool(start) and root.absolute().name == parts[start - 1]
            if has_folders or is_last_dropped or root is not roots[-1]:
                yield root / Path(*parts[start:])


def _only(files: Sequence[Path], name: str, where: str) -> Path:
    """The one file among these; copies with equal bytes count as one."""
    if len(files) == 1:
        return files[0]
    contents = {file.resolve(): file for file in files}
    if len(contents) > 1 and len({file.read_bytes() for file in contents}) > 1:
        raise UserError(
            f"Several different files fit this name: {', '.join(map(str, contents.values()))}.",
            f"{where}: {printable_name(name)}",
            "Give the folder from which the names start with --images DIR, or remove one file.",
        )
    return files[0]


def printable_name(name: str) -> str:
    """Format a file's name for errors: limited in length, and without control characters."""
    return name[:_SHOWN] if name.isprintable() else repr(name)[:_SHOWN]


def is_image(path: Path) -> bool:
    """Whether a file begins like an image of FORMATS, regardless of its name."""
    try:
        if not path.is_file():
            return False
        with Image.open(path, formats=FORMATS):
            return True
    except (*DAMAGE, Image.DecompressionBombError):
        return False


def decode(data: bytes, where: str) -> Image.Image:
    """Decode an image file's bytes to an upright RGB image.

    Raises:
        UserError: not an image of FORMATS, truncated or damaged, with too many pixels (Pillow's
        limit against decompression bombs, 89 million), animated, extremely thin, or with values of
        no fixed range. It names `where`.
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
            "Copy or download the file again, or leave it out with --skip-bad.",
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
        return image  # the pixels are intact, only the EXIF data is damaged


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
