"""Known revisions of benchmarks' data files, by sha256, and the data files of a result.

A file of no known revision is used, and the result says so (`describe`), if its rows are those that
the benchmark expects (`checks.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from groundtune.bench.files.checks import missing_file
from groundtune.bench.files.sources import OFFICIAL
from groundtune.records import Record
from groundtune.store.files import refuse_special


@dataclass(frozen=True, slots=True)
class Revision:
    """A published version of a file."""

    name: str
    source: str
    """owner/repository at commit."""
    rows: int
    """Rows, questions or entries, as a person would count them."""


class DataFile(Record):
    """A data file, or a folder as one, in a result."""

    path: str
    sha256: str
    """For a file, of its bytes; for a folder, of the lines "SHA256  NAME" of its text files by
    name."""
    revision: str
    """"NAME, N rows (SOURCE)", or "unknown revision", for a folder with its number of files."""


TEXTS = frozenset({".txt", ".json", ".jsonl", ".tsv", ".csv", ".xlsx"})
"""Endings of the files that count for a folder's hash; images aren't among them."""

_POPE = "AoiDragon/POPE at "
_RLAIF = "RLHF-V/RLAIF-V, eval/data"
_AMBER = "junyangwang0410/AMBER, data"

_OTHERS: dict[str, Revision] = {
    # POPE, as of 2023-10-09, 2023-08-04 and 2023-05-31
    "207273ac3b7fdd04df206c6809b77a4e7f60360a730ade6b7e32804e8dd5602f": Revision(
        "coco_pope_adversarial.json", _POPE + "edebdda", 3000
    ),
    "cb8dec967727fbee4b9cfadf9ba1ea9968515b12063efd313d0cf8b2b4230c86": Revision(
        "coco_pope_random.json", _POPE + "7ef3026", 3000
    ),
    "eafca6ceff32c7bbb5b2845a00c6828ec8cbaf5e04f890d6902dc46b92f96076": Revision(
        "coco_pope_popular.json", _POPE + "7ef3026", 3000
    ),
    "412efc6fe25eb2604f2386d536bcf713dc88327cb20c36489b1f689f89617d04": Revision(
        "coco_pope_adversarial.json", _POPE + "7ef3026", 3000
    ),
    "c16b65d2df6d70bb0814c8a4375833d39cdb09928fd936d3fc546491efa37f35": Revision(
        "coco_pope_random.json", _POPE + "28f884a", 2910
    ),
    "5b16653023bf4f64d57eb0d168259de6627f5cde7538b85ebed3cc33034aa6cc": Revision(
        "coco_pope_popular.json", _POPE + "28f884a", 3000
    ),
    "1d8f0906a9b50c05640f6f23abfac97523be2a1bed28f7eadc63b811699b2d26": Revision(
        "coco_pope_adversarial.json", _POPE + "28f884a", 3000
    ),
    "19917494814211a40d683e519ebe87ad2d3d717bc4e051127f944b98d24a2f67": Revision(
        "RefoMB_dev.jsonl", _RLAIF, 99
    ),
    "c10875acaa01afa91a3cde975183308053eb03458bb87b23a1c1c0b189bf7a97": Revision(
        "chair_mapping.mergeall.correct_0406.json", _RLAIF, 0
    ),
    "35c0fe71290789c5eb198e9a3f5732533bcb35f1d963b57539aab5d1b41dd827": Revision(
        "query_discriminative-attribute.json", _AMBER, 7628
    ),
    "657cce3b3ccd02303998d7d27d1ce06bd210a7a55aa6c888b1b86d5a9dfd9849": Revision(
        "query_discriminative-existence.json", _AMBER, 4924
    ),
    "36e08860653a1562acb657c250604c3d4e26f8a5f99a376fd53c67f9242be20f": Revision(
        "query_discriminative-relation.json", _AMBER, 1664
    ),
    "1502887ac020f4bb7ea564af4e37bddcb030d61b78490d00f9da492a2307abb8": Revision(
        "query_discriminative.json", _AMBER, 14216
    ),
    "b7e4c36596126ee36d2c3922638b7fa98743c26efda78fea2315f4425258d087": Revision(
        "query_generative.json", _AMBER, 1004
    ),
}
KNOWN: dict[str, Revision] = _OTHERS | {
    file.sha256: Revision(file.name, file.place.source, file.rows)
    for data in OFFICIAL.values()
    for files in data.sets.values()
    for file in files
}
"""By sha256 of the file's bytes; rows are 0 if they are not countable."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes. Raises UserError if it can't be read."""
    refuse_special(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise missing_file(path, str(error.strerror or error)) from error


def known_revision(path: Path) -> Revision | None:
    """The file's revision, by its bytes; None if unknown."""
    return KNOWN.get(sha256_of(path))


def describe(paths: Sequence[Path], listed_files: Sequence[Path] = ()) -> list[DataFile]:
    """Describe a result's data: each file, and for each folder its `listed_files`.

    A folder without `listed_files` (MME's, with hundreds of question files) counts as one file.
    """
    data_files: list[DataFile] = []
    for path in paths:
        inside = (
            [file for file in listed_files if path in file.parents] if path.is_dir() else [path]
        )
        data_files += [_describe_file(file) for file in dict.fromkeys(inside)] or [
            _describe_folder(path)
        ]
    return data_files


def _describe_file(path: Path) -> DataFile:
    digest = sha256_of(path)
    return DataFile(path=str(path), sha256=digest, revision=_named(KNOWN.get(digest)))


def _describe_folder(folder: Path) -> DataFile:
    inside = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix.lower() in TEXTS and path.is_file()
    }
    lines = "".join(f"{sha256_of(inside[name])}  {name}\n" for name in sorted(inside))
    return DataFile(
        path=str(folder),
        sha256=hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest(),
        revision=f"unknown revision, files: {len(inside):,}",
    )


def _named(revision: Revision | None) -> str:
    if revision is None:
        return "unknown revision"
    rows = f", {revision.rows} rows" if revision.rows else ""
    return f"{revision.name}{rows} ({revision.source})"
