"""The answers that a person marks: a file of rows, and their images as files that open.

OUT/to-mark.jsonl   a row an answer: fill in "wrong", true or false
OUT/to-mark/        the images of these answers, under the names that their owner knows
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.interchange.images import ending_of
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, Prompt
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of
from groundtune.store.keys import key_of

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
    """Write answers drawn at random for a person to mark, and their images. What is there stays."""
    path = folder.path / TO_MARK
    if path.exists():
        return
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
    write_atomic(path, "".join(json_of(row) + "\n" for row in rows).encode())


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
