"""The answers that a person marks: a file of rows, and their images as files that open.

OUT/to-mark.jsonl   a row an answer: fill in "wrong", true or false
OUT/to-mark/        the images of these answers, under the names that their owner knows
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.errors import UserError
from groundtune.interchange.images import ending_of
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, Prompt
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of
from groundtune.store.rows import json_rows

TO_MARK = "to-mark.jsonl"
LONGEST = 80
"""Characters of an image's name that are kept, its ending aside."""


def write_to_mark(
    folder: RunFolder,
    answers: Sequence[Answer],
    prompts: Mapping[str, Prompt],
    number: int,
    seed: int,
) -> None:
    """Write answers drawn at random for a person to mark, and their images.

    What is there stays; a larger `number` adds rows.

    Raises:
        UserError: rows are to be added to a file that can't be read, or that is a list.
    """
    path = folder.path / TO_MARK
    sample = sorted(answers, key=lambda answer: key_of("to mark", seed, answer.key))[:number]
    names = write_images(folder, path, [prompts[each.prompt] for each in sample])
    rows: list[dict[str, object]] = []
    for each in sample:
        prompt = prompts[each.prompt]
        rows.append(
            {
                "answer": each.key,
                "image": prompt.source.name,
                "files": [f"{path.stem}/{names[sha256]}" for sha256 in prompt.images],
                "question": prompt.question,
                "text": each.text,
                "wrong": None,
            }
        )
    add_rows(path, rows, "answer")


def add_rows(path: Path, rows: Sequence[Mapping[str, object]], name: str) -> None:
    """Add the rows that a file of lines lacks, by their field `name`; what it has stays.

    Raises:
        UserError: the file can't be read, or is a list.
    """
    old = path.read_bytes() if path.exists() else b""
    names = {row.fields.get(name) for row in json_rows(path)} if old and rows else set[object]()
    new = [row for row in rows if row[name] not in names]
    if path.exists() and not new:
        return
    if old.lstrip().startswith(b"["):
        raise UserError(
            f"{len(new):,} rows can't be added to a list.",
            str(path),
            "Write one row per line, or move the file away and pass it as the file of marks.",
        )
    ending = b"" if not old or old.endswith(b"\n") else b"\n"
    lines = "".join(json_of(row) + "\n" for row in new).encode()
    write_atomic(path, old + ending + lines)


def write_images(folder: RunFolder, path: Path, prompts: Iterable[Prompt]) -> dict[str, str]:
    """Write the prompts' images next to a file of rows; return their names by sha256."""
    names: dict[str, str] = {}
    for prompt in prompts:
        for place, sha256 in enumerate(prompt.images):
            if sha256 not in names:
                names[sha256] = _file_name(folder, prompt, place, used_names=set(names.values()))
                write_atomic(path.with_suffix("") / names[sha256], folder.images.read(sha256))
    return names


def _file_name(folder: RunFolder, prompt: Prompt, place: int, used_names: set[str]) -> str:
    """Return a name for an image that its owner knows, that opens, and that no other has."""
    stem = Path(prompt.source.name.replace("\\", "/")).stem or "image"
    stem = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in stem)
    stem = stem.encode()[:LONGEST].decode(errors="ignore").lstrip(".") or "image"
    if len(prompt.images) > 1:
        stem = f"{stem}-{place + 1}"
    ending = ending_of(folder.images.path(prompt.images[place]))
    names = (f"{stem}{f' ({n})' if n > 1 else ''}{ending}" for n in range(1, len(used_names) + 2))
    lower = {name.lower() for name in used_names}
    return next(name for name in names if name.lower() not in lower)
