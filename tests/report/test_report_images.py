import base64
import io

import pytest
from PIL import Image
from report_sample import photograph

from groundtune.errors import UserError
from groundtune.report.images import LONGEST_PX, embed


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_a_tiny_image_is_kept_to_the_pixel_and_shown_with_hard_pixels() -> None:
    image = Image.effect_noise((96, 96), 90).convert("RGB")
    copy = embed(file_of(image, "PNG"), "x")
    assert copy.tiny
    assert copy.uri.startswith("data:image/png;base64,")
    assert opened(copy.uri).tobytes() == image.tobytes()


def test_a_photograph_becomes_a_small_jpeg() -> None:
    copy = embed(photograph((1600, 1200)), "x")
    assert (copy.width, copy.height) == (LONGEST_PX, LONGEST_PX * 3 // 4)
    assert copy.uri.startswith("data:image/jpeg;base64,")
    assert not copy.tiny


def test_a_turned_photograph_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    copy = embed(file_of(Image.new("RGB", (400, 200), "red"), "JPEG", exif=exif), "x")
    assert (copy.width, copy.height) == (200, 400)


def test_what_is_transparent_becomes_white() -> None:
    copy = embed(file_of(Image.new("RGBA", (10, 10), (255, 0, 0, 0)), "PNG"), "x")
    assert opened(copy.uri).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"not an image", photograph((300, 300))[:2000]])
def test_an_unreadable_image_is_an_error_that_names_the_example(data: bytes) -> None:
    with pytest.raises(UserError, match="example 3"):
        embed(data, "example 3")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_camera_s_notes_that_cannot_be_read_do_not_matter(kind: str) -> None:
    image = Image.new("RGB", (40, 30), "red")
    copy = embed(file_of(image, kind, exif=b"Exif\0\0" + b"noise" * 8), "x")
    assert (copy.width, copy.height) == (40, 30)
