import hashlib
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.store.images import ImageStore, decode


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(width: int = 40, height: int = 30) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_a_image_is_stored_once_as_it_came_under_its_sha256(tmp_path: Path):
    store, data = ImageStore(tmp_path / "images"), encoded(noise())
    (tmp_path / "a.png").write_bytes(data)
    sha256 = store.add(tmp_path / "a.png")
    assert sha256 == store.add(data) == hashlib.sha256(data).hexdigest()
    assert [each for each in store.root.rglob("*") if each.is_file()] == [store.path(sha256)]
    assert store.path(sha256).read_bytes() == data
    assert store.open(sha256).tobytes() == noise().tobytes()


def test_an_image_that_two_rows_name_is_read_again_only_if_its_file_changed(tmp_path: Path):
    store, file = ImageStore(tmp_path / "images"), tmp_path / "a.png"
    file.write_bytes(encoded(noise()))
    first = store.add_named("a.png", [tmp_path], "row 1")
    store.path(first).unlink()
    assert store.add_named("a.png", [tmp_path], "row 2") == first
    assert not store.path(first).exists()
    file.write_bytes(encoded(noise(50)))
    second = store.add_named("a.png", [tmp_path], "row 3")
    assert second == hashlib.sha256(file.read_bytes()).hexdigest() != first
    file.unlink()
    with pytest.raises(UserError, match="doesn't exist"):
        store.add_named("a.png", [tmp_path], "row 4")


def test_a_stored_file_that_lost_its_end_is_stored_again(tmp_path: Path):
    store, data = ImageStore(tmp_path), encoded(noise())
    sha256 = store.add(data)
    store.path(sha256).write_bytes(data[:20])
    with pytest.raises(UserError, match=sha256):
        store.open(sha256)
    store.add(data)
    assert store.open(sha256).size == (40, 30)


@pytest.mark.parametrize("kind", ["folder", "link to /dev/zero"])
def test_what_is_no_file_in_an_images_place_is_replaced_or_named(tmp_path: Path, kind: str):
    store, data = ImageStore(tmp_path / "store"), encoded(noise())
    place = store.path(store.add(data))
    place.unlink()
    if kind == "folder":
        place.mkdir()
        with pytest.raises(UserError) as raised:
            store.add(data)
        assert raised.value.where == str(place)
    else:
        place.symlink_to("/dev/zero")
        assert store.read(store.add(data)) == data


def test_a_photograph_comes_upright_by_its_exif_orientation():
    image = Image.new("RGB", (40, 20), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(image, "JPEG", exif=exif.tobytes()), "x").size == (20, 40)


def test_broken_exif_does_not_lose_a_photograph():
    exif = b"Exif\x00\x00II*\x00\xff\xff\xff\xff"
    assert decode(encoded(noise(), "JPEG", exif=exif), "x").size == (40, 30)


@pytest.mark.parametrize(
    ("cmyk", "rgb"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 255, 0), (255, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 255, 255, 0), (255, 0, 0)),
    ],
)
@pytest.mark.parametrize("form", ["TIFF", "JPEG"])
def test_cmyk_gives_the_right_colours(
    form: str, cmyk: tuple[int, int, int, int], rgb: tuple[int, int, int]
):
    image = decode(encoded(Image.new("CMYK", (16, 16), cmyk), form), "x")
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image)[8, 8], rgb, atol=3)


def test_16_bit_grey_is_scaled_and_not_clipped():
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    image = decode(encoded(Image.fromarray(values)), "x")
    assert image.mode == "RGB"
    assert np.asarray(image)[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]
    assert decode(encoded(Image.fromarray(values), "TIFF"), "x").tobytes() == image.tobytes()


def test_16_bit_colour_is_scaled_and_not_clipped():
    row = struct.pack(">B6H", 0, 0, 0x8000, 0xFFFF, 0x4000, 0x0100, 0xFF00)
    image = decode(png(2, 1, 16, 2, row), "x")
    assert np.asarray(image).tolist() == [[[0, 128, 255], [64, 1, 255]]]


def test_transparency_is_shown_on_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert np.asarray(decode(encoded(image), "x")).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([9, 9, 9])
    assert np.asarray(decode(encoded(palette, transparency=0), "x")).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_image_is_named_whatever_its_format(form: str):
    data = encoded(noise(), form)
    with pytest.raises(UserError, match=r"truncated or damaged[^\n]*\nwhere: row 7"):
        decode(data[: len(data) * 2 // 3], "row 7")


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_not_an_image_is_named(data: bytes):
    with pytest.raises(UserError, match="not an image"):
        decode(data, "x")


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int):
    with pytest.raises(UserError, match="more than 89,478,485 pixels"):
        decode(png(side, side, 1, 0, b""), "x")


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_refused_with_its_number_of_frames(form: str):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match="3 frames"):
        decode(data, "x")


def test_32_bit_values_have_no_fixed_range_and_are_refused():
    with pytest.raises(UserError, match="without a fixed range"):
        decode(encoded(Image.new("F", (4, 4), 0.5), "TIFF"), "x")


def test_a_missing_image_and_a_folder_are_named(tmp_path: Path):
    store = ImageStore(tmp_path)
    with pytest.raises(UserError, match="doesn't exist"):
        store.add(tmp_path / "no.png")
    with pytest.raises(UserError, match="can't be read"):
        store.add(tmp_path)
    with pytest.raises(UserError, match="abcd"):
        store.open("abcd")


def png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand: Pillow writes neither 16-bit colour nor headers that lie."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_a_stored_image_of_which_a_byte_was_changed_is_refused_until_it_is_added_again(
    tmp_path: Path,
):
    store, data = ImageStore(tmp_path), encoded(noise())
    sha256 = store.add(data)
    changed = bytearray(data)
    changed[-20] ^= 1
    store.path(sha256).write_bytes(changed)
    for read in (ImageStore(tmp_path).open, ImageStore(tmp_path).read):
        with pytest.raises(UserError, match="the sha256 in its name"):
            read(sha256)
    assert ImageStore(tmp_path).add(data) == sha256
    assert ImageStore(tmp_path).read(sha256) == data


@pytest.mark.parametrize("size", [(2_001, 10), (10, 2_001), (1, 300)])
def test_an_extremely_thin_image_is_refused_with_its_size(size: tuple[int, int]):
    data = BytesIO()
    Image.new("RGB", size).save(data, "PNG")
    with pytest.raises(UserError) as caught:
        decode(data.getvalue(), "p.jsonl:3")
    assert caught.value.what == f"The image is extremely thin ({size[0]} x {size[1]} pixels)."
    assert caught.value.where == "p.jsonl:3"


def test_an_image_at_the_limit_of_thinness_is_read():
    data = BytesIO()
    Image.new("RGB", (2_000, 10)).save(data, "PNG")
    assert decode(data.getvalue(), "x").size == (2_000, 10)
