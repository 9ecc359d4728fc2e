"""Small files in every layout, and what goes through import and export."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from groundtune.errors import UserError
from groundtune.interchange.layout import ExportResult
from groundtune.interchange.loading import load
from groundtune.interchange.registry import LayoutName
from groundtune.records import ImagePart, Message, Pair, Prompt, Source, TextPart
from groundtune.store.images import ImageStore

Rows = Sequence[Mapping[str, Any]]


def image_bytes(colour: str = "red", kind: str = "PNG") -> bytes:
    data = BytesIO()
    Image.new("RGB", (8, 6), colour).save(data, kind)
    return data.getvalue()


def images(folder: Path, *names: str) -> None:
    """Images under these names, each of another colour."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(f"#{number * 20:02x}30{number:02x}", "JPEG"))


def json_file(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    whole = f"[{','.join(lines)}]" if path.suffix == ".json" else "\n".join(lines) + "\n"
    path.write_text(whole, encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What a file holds, read by other code than ours."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def read_all(
    name: LayoutName, path: Path, store: ImageStore, **options: Any
) -> tuple[dict[str, Prompt], list[Pair], list[UserError]]:
    prompts: dict[str, Prompt] = {}
    pairs: list[Pair] = []
    skipped: list[UserError] = []
    for batch in load(name).read(path, store, rows=3, **options):
        prompts |= {prompt.key: prompt for prompt in batch.prompts}
        pairs += batch.pairs
        skipped += batch.skipped
    return prompts, pairs, skipped


def write_all(
    name: LayoutName,
    path: Path,
    pairs: Sequence[Pair],
    prompts: Mapping[str, Prompt],
    store: ImageStore,
) -> ExportResult:
    return load(name).write(path, pairs, prompts, store)


def round_trip(name: LayoutName, path: Path, folder: Path) -> Path:
    """The file imported, and exported again into another folder under the same name."""
    store = ImageStore(folder / "store")
    prompts, pairs, _ = read_all(name, path, store)
    assert len({pair.key for pair in pairs}) == len(pairs)
    write_all(name, folder / "out" / path.name, pairs, prompts, store)
    return folder / "out" / path.name


def own_pair(
    store: ImageStore, *, texts: Sequence[str] = ("What?",), **fields: Any
) -> tuple[dict[str, Prompt], Pair]:
    """A pair of ours: one image and a question a text, answered in between."""
    messages: list[Message] = []
    for number, text in enumerate(texts):
        image = ImagePart(image=store.add(image_bytes(f"#0{number}ff00")))
        messages.append(Message(role="user", content=(image, TextPart(text=text))))
        messages.append(Message(role="assistant", content=(TextPart(text=f"Answer {number}."),)))
    prompt = Prompt(key="p", messages=tuple(messages[:-1]))
    made: dict[str, Any] = {
        "key": "k",
        "prompt": "p",
        "chosen": "A cat.",
        "rejected": "A dog.",
        "origin": "correction",
        "source": Source(dataset="mine", licence="cc-by-4.0"),
    }
    return {"p": prompt}, Pair(**{**made, **fields})
