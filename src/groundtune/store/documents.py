"""Documents: the pages of a PDF or TIFF file as images, in their order.

A name may end in the pages that are meant, as in addresses (RFC 8118): `report.pdf#page=3`,
`report.pdf#page=3-5`. A page's image is a PNG file. Another version of PDFium may draw other
pixels, and so make another image of the same page.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

from PIL import Image

from groundtune.errors import UserError
from groundtune.store.files import refuse_special
from groundtune.store.images import DAMAGE, ImageStore

DPI = 200
"""Dots per inch of a PDF's pages: an A4 page has 1654 x 2339 pixels."""
MOST_PIXELS = 40_000_000
"""Of a page; larger ones have fewer dots per inch."""
MOST_PAGES = 300
"""Of one row's document."""
_POINTS = 72
_EXACT = 1 - 1e-6
"""Sizes are rounded up, also from 1654.0000001."""
_PASSWORD = 4
"""PDFium's FPDF_ERR_PASSWORD."""
_REDUCED = 1
"""Bit of TIFF's NewSubfileType: a smaller copy of another page."""
_NEW_SUBFILE_TYPE = 254
_CHOICE = re.compile(r"(?P<name>.+)#page=(?P<first>\d+)(?:-(?P<last>\d+))?", re.DOTALL)
_PDFIUM = Lock()
"""PDFium is not safe for threads."""
_AS_IT_IS = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def split_pages(name: str) -> tuple[str, range | None]:
    """Return a file's name and the pages that are chosen of it, from 0; None for all of them."""
    match = _CHOICE.fullmatch(name)
    if match is None:
        return name, None
    first = int(match["first"])
    return match["name"], range(first - 1, int(match["last"] or first))


def add_pages(
    images: ImageStore, path: Path, where: str, pages: range | None = None
) -> Sequence[str]:
    """Store an image, or the pages of a document, and return the sha256 of each.

    `pages` are chosen ones, from 0; None for all. `where` is shown in errors.

    Raises:
        UserError: the file is missing or damaged, has a password, has no such page, or more than
            MOST_PAGES are asked for; or a PDF is given and pypdfium2 is not installed.
    """
    refuse_special(path, where)
    if _is_pdf(path):
        return [images.add(data, name=where) for data in _pages_of_pdf(path, where, pages)]
    if _is_tiff(path):
        return [images.add(data, name=where) for data in _pages_of_tiff(path, where, pages)]
    if pages is not None:
        _chosen(pages, 1, where)
    return [images.add(path, name=where)]


def _is_pdf(path: Path) -> bool:
    """Whether the file begins as a PDF; readers allow some bytes in front."""
    return b"%PDF-" in _beginning(path, 1024)


def _is_tiff(path: Path) -> bool:
    """Whether the file is a TIFF with several frames."""
    if not _beginning(path, 4).startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return False
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            return getattr(image, "n_frames", 1) > 1
    except (*DAMAGE, Image.DecompressionBombError):
        return False  # ImageStore.add says what is wrong with it


def _beginning(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except (OSError, ValueError):
        return b""  # ImageStore.add says that it is missing


def _chosen(pages: range | None, number: int, where: str) -> range:
    """The pages of a document with a number of pages, from 0."""
    if pages is not None and not 0 <= pages.start < pages.stop <= number:
        first, last = pages.start + 1, pages.stop
        raise UserError(
            f"There is no page {first}."
            if first == last
            else f"There are no pages {first}-{last}.",
            where,
            f"Choose among pages 1 to {number}, the first one first.",
        )
    chosen = range(number) if pages is None else pages
    if len(chosen) > MOST_PAGES:
        raise UserError(
            f"{len(chosen):,} pages are too many for one row, at most {MOST_PAGES} are read.",
            where,
            "Name those that the answer is about: FILE#page=3 or FILE#page=3-5.",
        )
    return chosen


def _pages_of_pdf(path: Path, where: str, pages: range | None) -> Iterator[bytes]:
    pdfium = _pdfium(where)
    with _PDFIUM:
        try:
            document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            raise _unreadable(error, where) from error
        try:
            document.init_forms()  # else fields are empty that somebody filled in
            for number in _chosen(pages, len(document), where):
                yield _png(_drawn(document[number]))
        except pdfium.PdfiumError as error:
            raise _unreadable(error, where) from error
        finally:
            document.close()


def _drawn(page: Any) -> Image.Image:
    """A page of a PDF as an image."""
    width, height = page.get_size()
    pixels = width * height * (DPI / _POINTS) ** 2
    scale = DPI / _POINTS * min(1.0, (MOST_PIXELS / max(pixels, 1)) ** 0.5)
    image = page.render(scale=scale * _EXACT).to_pil().convert("RGB")
    page.close()
    return image


def _pdfium(where: str) -> Any:
    try:
        return import_module("pypdfium2")
    except ImportError as error:
        raise UserError(
            "Reading PDF files needs the package pypdfium2.",
            where,
            'Install it with pip install "groundtune[documents]", or save the pages as images.',
        ) from error


def _unreadable(error: Any, where: str) -> UserError:
    if getattr(error, "err_code", None) == _PASSWORD:
        return UserError("The PDF has a password.", where, "Save a copy without a password.")
    return UserError(
        f"The PDF is truncated or damaged ({error}).", where, "Copy or download the file again."
    )


def _pages_of_tiff(path: Path, where: str, pages: range | None) -> Iterator[bytes]:
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            frames = _frames(image)
            for number in _chosen(pages, len(frames), where):
                image.seek(frames[number])
                yield _png(image if image.mode in _AS_IT_IS else image.convert("RGB"))
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise UserError(
            f"The image is truncated or damaged ({error}).",
            where,
            "Copy or download the file again.",
        ) from error


def _frames(image: Any) -> list[int]:
    """Those of a TIFF's frames that are pages, not smaller copies of one."""
    numbers: list[int] = []
    for number in range(image.n_frames):
        image.seek(number)
        if not image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED:
            numbers.append(number)
    return numbers


def _png(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
