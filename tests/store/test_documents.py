"""Pages of PDF and TIFF files as images."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.store.documents import MOST_PAGES, add_pages, split_pages
from groundtune.store.images import ImageStore

COLOURS = ((255, 0, 0), (0, 128, 0), (0, 0, 255))


def pages_in(path: Path) -> Path:
    """A document with a page of each colour."""
    first, *others = [Image.new("RGB", (120, 160), colour) for colour in COLOURS]
    first.save(path, save_all=True, append_images=others, resolution=200)
    return path


def pdf_of(path: Path, *objects: bytes, trailer: bytes = b"") -> Path:
    """A PDF of objects, the first of which is the catalogue."""
    text = b"%PDF-1.7\n"
    places: list[int] = []
    for number, content in enumerate(objects, 1):
        places.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(text)
    text += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    text += b"".join(b"%010d 00000 n \n" % place for place in places)
    text += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer)
    path.write_bytes(text + b"startxref\n%d\n%%%%EOF\n" % table)
    return path


def page_of(size: bytes, further: bytes = b"", *objects: bytes) -> tuple[bytes, ...]:
    """The objects of a document with one page."""
    return (
        b"<< /Type /Catalog /Pages 2 0 R " + further + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 " + size + b"] /Annots [4 0 R] >>",
        *objects,
    )


@pytest.fixture
def images(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def middles(images: ImageStore, keys: Sequence[str]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for key in keys:
        image = images.open(key)
        found.append(image.getpixel((image.width // 2, image.height // 2)))  # type: ignore[arg-type]
    return found


def near(found: list[tuple[int, ...]], expected: tuple[tuple[int, ...], ...]) -> bool:
    return len(found) == len(expected) and all(
        abs(one - other) < 4
        for left, right in zip(found, expected, strict=True)
        for one, other in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("name", ["scan.pdf", "scan.tiff", "no-ending"])
def test_each_page_becomes_an_image_in_order(tmp_path: Path, images: ImageStore, name: str):
    made = pages_in(tmp_path / ("scan.pdf" if name == "no-ending" else name))
    keys = add_pages(images, made.rename(tmp_path / name), "row 1")
    assert near(middles(images, keys), COLOURS)
    assert {images.open(key).size for key in keys} == {(120, 160)}
    assert add_pages(images, tmp_path / name, "row 1") == keys


@pytest.mark.parametrize("name", ["scan.pdf", "scan.tif"])
def test_pages_can_be_chosen(tmp_path: Path, images: ImageStore, name: str):
    path = pages_in(tmp_path / name)
    assert split_pages(f"{name}#page=2-3") == (name, range(1, 3))
    keys = add_pages(images, path, "row 1", split_pages("x#page=2-3")[1])
    assert near(middles(images, keys), COLOURS[1:])
    assert near(middles(images, add_pages(images, path, "", range(1))), COLOURS[:1])
    for wrong in ("x#page=4", "x#page=0", "x#page=3-2", "x#page=2-4"):
        with pytest.raises(UserError, match=r"There (is|are) no page"):
            add_pages(images, path, "row 1", split_pages(wrong)[1])


def test_an_image_is_its_only_page(tmp_path: Path, images: ImageStore):
    Image.new("RGB", (4, 4), "red").save(tmp_path / "one.png")
    assert add_pages(images, tmp_path / "one.png", "row 1") == [images.add(tmp_path / "one.png")]
    assert len(add_pages(images, tmp_path / "one.png", "row 1", range(1))) == 1
    with pytest.raises(UserError, match="no page 2") as caught:
        add_pages(images, tmp_path / "one.png", "row 1", range(1, 2))
    assert caught.value.fix == "Choose among pages 1 to 1, the first one first."


def test_smaller_copies_in_a_tiff_are_no_pages(tmp_path: Path, images: ImageStore):
    page, copy = Image.new("RGB", (80, 60), "red"), Image.new("RGB", (8, 6), "red")
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    page.save(tmp_path / "scan.tif", save_all=True, append_images=[copy])
    with Image.open(tmp_path / "scan.tif") as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
    (key,) = add_pages(images, tmp_path / "scan.tif", "row 1")
    assert images.open(key).size == (80, 60)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "I;16", "RGBA"])
def test_pages_of_other_colours_are_read(tmp_path: Path, images: ImageStore, mode: str):
    pages = [Image.new(mode, (20, 10)), Image.new(mode, (20, 10), 1 if len(mode) == 1 else None)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    assert len(add_pages(images, tmp_path / "scan.tif", "row 1")) in (1, 2)  # equal ones are one
    assert all(
        images.open(key).size == (20, 10) for key in add_pages(images, tmp_path / "scan.tif", "")
    )


def test_what_was_filled_into_a_form_is_seen(tmp_path: Path, images: ImageStore):
    field = (
        b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (total) /V (WWWWWWWW) /F 4"
        b" /Rect [10 10 190 90] /DA (/Helv 40 Tf 0 g) /P 3 0 R >>"
    )
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    form = b"/AcroForm << /Fields [4 0 R] /NeedAppearances true /DA (/Helv 40 Tf 0 g)"
    form += b" /DR << /Font << /Helv 5 0 R >> >> >>"
    path = pdf_of(tmp_path / "form.pdf", *page_of(b"200 100", form, field, font))
    (key,) = add_pages(images, path, "row 1")
    darkest, _ = images.open(key).convert("L").getextrema()
    assert darkest == 0


def test_a_huge_page_is_drawn_with_fewer_pixels(
    tmp_path: Path, images: ImageStore, monkeypatch: pytest.MonkeyPatch
):
    most = 1_000_000
    monkeypatch.setattr("groundtune.store.documents.MOST_PIXELS", most)
    path = pdf_of(tmp_path / "plan.pdf", *page_of(b"14000 14000", b"", b"null"))
    (key,) = add_pages(images, path, "row 1")
    width, height = images.open(key).size
    assert 0.99 * most < width * height < 1.01 * most


def test_files_that_cannot_be_read_are_named(tmp_path: Path, images: ImageStore):
    whole = pages_in(tmp_path / "scan.tif")
    whole.write_bytes(whole.read_bytes()[:-6000])
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    locked = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
        b"00" * 32,
        b"11" * 32,
    )
    pdf_of(
        tmp_path / "locked.pdf",
        *page_of(b"10 10", b"", b"null"),
        trailer=locked + b" /ID [<00> <00>]",
    )
    many = b"[" + b"3 0 R " * (MOST_PAGES + 1) + b"]"
    kids = b"<< /Type /Pages /Kids %s /Count %d >>" % (many, MOST_PAGES + 1)
    first, _, *others = page_of(b"10 10", b"", b"null")
    pdf_of(tmp_path / "long.pdf", first, kids, *others)
    for name, what in [
        ("cut.pdf", "truncated or damaged"),
        ("locked.pdf", "has a password"),
        ("long.pdf", "301 pages are too many"),
        ("scan.tif", "truncated or damaged"),
        ("none.pdf", "doesn't exist"),
    ]:
        with pytest.raises(UserError, match=what) as caught:
            add_pages(images, tmp_path / name, f"row 1: {name}")
        assert caught.value.where == f"row 1: {name}"
    assert not any(images.root.rglob("*.tmp"))


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, images: ImageStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(UserError, match="pypdfium2") as caught:
        add_pages(images, pages_in(tmp_path / "scan.pdf"), "row 1")
    assert "groundtune[documents]" in caught.value.fix
    assert len(add_pages(images, pages_in(tmp_path / "scan.tif"), "row 1")) == 3
