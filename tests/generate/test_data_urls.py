import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from groundtune.generate.endpoint_body import DataUrls
from groundtune.store.images import ImageStore


def url_of(store: ImageStore, kind: str, **options: object) -> tuple[str, bytes, bytes]:
    """A file's data URL: its beginning and its bytes; and the file's own bytes."""
    file = BytesIO()
    Image.new("RGB", (24, 16), "red").save(file, kind, **options)
    start, data = DataUrls(store).of(store.add(file.getvalue())).split(",")
    return start, base64.b64decode(data), file.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "AVIF"])
def test_formats_that_few_servers_read_reach_them_as_png(kind: str, tmp_path: Path):
    start, data, _ = url_of(ImageStore(tmp_path), kind)
    assert start == "data:image/png;base64"
    assert Image.open(BytesIO(data)).size == (24, 16)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_files_that_all_servers_read_alike_go_as_they_are(kind: str, tmp_path: Path):
    start, data, file = url_of(ImageStore(tmp_path), kind)
    assert (start, data) == (f"data:image/{kind.lower()};base64", file)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_image_whose_camera_s_notes_cannot_be_read_goes_as_png(kind: str, tmp_path: Path):
    start, data, _ = url_of(ImageStore(tmp_path), kind, exif=b"Exif\0\0" + b"noise" * 8)
    assert start == "data:image/png;base64"
    assert Image.open(BytesIO(data)).convert("RGB").size == (24, 16)
