"""Which file is which: known revisions by sha256, and checks of rows, ids and order.

A mismatch is refused and never cut to the shorter. A file that is no known revision is used, and
the result says so (`describe`), as long as its rows are what the benchmark expects.
"""

import hashlib
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from groundtune.bench.benchmark import FileAnswer
from groundtune.bench.files.sources import OFFICIAL
from groundtune.errors import UserError
from groundtune.records import Record


@dataclass(frozen=True, slots=True)
class Revision:
    """A file as its authors published it at one time."""

    name: str
    source: str
    """owner/repository at commit."""
    rows: int
    """Rows, questions or entries, as a person would count them."""


class DataFile(Record):
    """A file of data as a result names it, or a folder that is told as one."""

    path: str
    sha256: str
    """Of the file's bytes; of a folder, of the lines "SHA256  NAME" of its text files by name."""
    revision: str
    """"NAME, N rows (SOURCE)", or "unknown revision", with the number of files of a folder."""


TEXTS = frozenset({".txt", ".json", ".jsonl", ".tsv", ".csv", ".xlsx"})
"""How the files of a folder end that is told as one; pictures aren't among them."""
_FOUND: ContextVar[list[Path] | None] = ContextVar("found", default=None)

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
"""By sha256 of the file's bytes; rows 0 where nobody would count them."""


def sha256_of(path: Path) -> str:
    """Of a file's bytes, read in pieces. Raises UserError if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise missing_file(path, str(error.strerror or error)) from error


def known(path: Path) -> Revision | None:
    """The revision that a file is, byte by byte; None for any other."""
    return KNOWN.get(sha256_of(path))


@contextmanager
def finding() -> Generator[list[Path]]:
    """The files that `find` finds meanwhile: those that a benchmark reads of the folders given."""
    found: list[Path] = []
    mark = _FOUND.set(found)
    try:
        yield found
    finally:
        _FOUND.reset(mark)


def describe(paths: Sequence[Path], found: Sequence[Path] = ()) -> list[DataFile]:
    """What a result says of its data: each file given, and of each folder the files `found` there.

    A folder of which none was found (MME's, whose questions are hundreds of files) is told as one.
    """
    told: list[DataFile] = []
    for path in paths:
        inside = [each for each in found if path in each.parents] if path.is_dir() else [path]
        told += [_described(each) for each in dict.fromkeys(inside)] or [_as_one(path)]
    return told


def _described(path: Path) -> DataFile:
    digest = sha256_of(path)
    return DataFile(path=str(path), sha256=digest, revision=_named(KNOWN.get(digest)))


def _as_one(folder: Path) -> DataFile:
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


def find(paths: Sequence[Path], *patterns: str) -> list[Path]:
    """The files given, and of each folder given those whose names match a pattern ("*.json").

    Raises:
        UserError: a path isn't there, or a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise missing_file(path, "it isn't there")
        inside = [each for pattern in patterns for each in sorted(path.glob(pattern))]
        if path.is_dir() and not inside:
            raise UserError(
                f"The folder has no {' or '.join(patterns)}.", str(path), "Give the files' folder."
            )
        found += dict.fromkeys(inside) if path.is_dir() else [path]
    if (meanwhile := _FOUND.get()) is not None:
        meanwhile += found
    if not found:
        fix = f"Give {' or '.join(patterns)}; groundtune bench list says which can be fetched."
        raise UserError("No data was given.", "--data", fix)
    return found


def missing_file(path: Path, why: str) -> UserError:
    """The error for a file that can't be opened."""
    return UserError(f"The file can't be read: {why}.", str(path), "Give a file or a folder.")


def expect_rows(found: int, allowed: Mapping[int, str], where: Path | str) -> str:
    """What a number of rows is called, such as {951: "...", 1129: "..."}; any other is refused."""
    if found in allowed:
        return allowed[found]
    listed = " or ".join(f"{rows:,} ({name})" for rows, name in allowed.items())
    raise UserError(
        f"The file has {found:,} rows; it must have {listed}.",
        str(where),
        "Give the whole file as it was published.",
    )


def refuse_duplicates(ids: Iterable[str], where: Path | str, what: str = "id") -> None:
    """Raises UserError for an id that is there twice."""
    twice = [name for name, times in Counter(ids).items() if times > 1]
    if twice:
        raise UserError(
            f"{len(twice)} {what}s are there more than once, the first is {twice[0]!r}.",
            str(where),
            "Keep one row each.",
        )


def in_order(answers: Sequence[FileAnswer], rows: int, where: Path | str) -> list[FileAnswer]:
    """Answers that go by order: as many as the data has rows, or they are refused."""
    if len(answers) != rows:
        raise UserError(
            f"There are {len(answers):,} answers to {rows:,} questions.",
            str(where),
            "Answer each question once, in the order of the data; nothing is cut.",
        )
    return list(answers)


def by_id(answers: Sequence[FileAnswer], ids: Sequence[str], where: Path | str) -> list[FileAnswer]:
    """Answers in the order of the data's ids; missing, further and doubled ones are refused."""
    refuse_duplicates((answer.item for answer in answers), where, "answered id")
    told = {answer.item: answer for answer in answers}
    wanted = set(ids)
    missing = [name for name in ids if name not in told]
    further = [name for name in told if name not in wanted]
    if missing or further:
        wrong = f"{len(missing):,} of {len(ids):,} items have no answer" if missing else ""
        wrong += f" (the first is {missing[0]!r})" if missing else ""
        wrong += " and " if missing and further else ""
        wrong += f"{len(further):,} answers are to no item" if further else ""
        wrong += f" (the first is {further[0]!r})" if further else ""
        raise UserError(
            f"{wrong}.", str(where), "Answer each item once; give the data they are of."
        )
    return [told[name] for name in ids]
