"""Data sets as the hub has them: a local folder of Parquet, and a file in the library's cache."""

import json
from io import BytesIO
from pathlib import Path

import huggingface_hub.constants
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def corrections_set(folder: Path) -> Path:
    """Four rows in the RLHF-V layout, three of them with answers of Muffin."""
    folder.mkdir(parents=True)
    rows = []
    for number in range(4):
        data = BytesIO()
        Image.new("RGB", (24 + number, 16), (60 * number, 90, 40)).save(data, "PNG")
        texts = {
            "question": "Describe the image.",
            "chosen": f"There are {number + 2} green cups.",
            "rejected": f"There are {number + 2} red dogs.",
        }
        rows.append(
            {
                "ds_name": "RLHF-V",
                "image": {"bytes": data.getvalue(), "path": f"{number}.png"},
                "text": json.dumps(texts),
                "origin_dataset": "test",
                "origin_split": json.dumps({"model": "Muffin" if number else "LLaVA"}),
                "idx": number,
                "image_path": f"{number}.png",
            }
        )
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return folder


def cached_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str, content: bytes
) -> None:
    """Put a file into a new cache, as the hub's library does after a download."""
    cache = folder / "cache"
    data = cache / f"datasets--{name.replace('/', '--')}"
    path = data / "snapshots" / COMMIT / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (data / "refs").mkdir()
    (data / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
