"""Finds a benchmark's files, and refuses wrong numbers of rows, ids or order.

A mismatch is an error; nothing is ever truncated to the shorter side.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError

_RECORDED: ContextVar[list[Path] | None] = ContextVar("found", default=None)
IMAGES = (".jpg", ".png", ".jpeg", ".webp")
_SHOWN = 120
"""Maximum number of characters of an item's name in an error."""


@contextmanager
def record_found_files() -> Generator[list[Path]]:
    """Record the files that `find_files` returns in the block: a benchmark's data in folders."""
    files: list[Path] = []
    mark = _RECORDED.set(files)
    try:
        yield files
    finally:
        _RECORDED.reset(mark)


def find_files(paths: Sequence[Path], *patterns: str) -> list[Path]:
    """The files among `paths`, and the matching files ("*.json") of each folder among them.

    Raises:
        UserError: a path doesn't exist, or a folder has no such file.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise missing_file(path, "it doesn't exist")
        inside = [file for pattern in patterns for file in sorted(path.glob(pattern))]
        if path.is_dir() and not inside:
            raise UserError(
                f"The folder has no {' or '.join(patterns)}.",
                str(path),
                "Give the folder of the files.",
            )
        files += dict.fromkeys(inside) if path.is_dir() else [path]
    if (recorded := _RECORDED.get()) is not None:
        recorded += files
    if not files:
        fix = f"Give {' or '.join(patterns)}; groundtune bench list shows which can be downloaded."
        raise UserError("No data was given.", "--data", fix)
    return files


def missing_file(path: Path, why: str) -> UserError:
    """The error for a file that can't be opened."""
    return UserError(f"The file can't be read: {why}.", str(path), "Give a file or a folder.")


def expect_rows(rows_found: int, allowed: Mapping[int, str], where: Path | str) -> str:
    """The name of a number of rows, such as {951: "...", 1129: "..."}; others are refused."""
    if rows_found in allowed:
        return allowed[rows_found]
    choices = " or ".join(f"{rows:,} ({name})" for rows, name in allowed.items())
    raise UserError(
        f"The file has {rows_found:,} rows; it must have {choices}.",
        str(where),
        "Give the complete file, as published.",
    )


def refuse_duplicates(ids: Iterable[str], where: Path | str, what: str = "id") -> None:
    """Raise UserError for a repeated id."""
    twice = [name for name, times in Counter(ids).items() if times > 1]
    if twice:
        raise UserError(
            f"{len(twice)} {what}s are repeated, the first is {twice[0]!r}.",
            str(where),
            "Keep one row per " + what + ".",
        )


def refuse_second_answers(
    answers: Iterable[ItemAnswer], where: Path | str, times: Mapping[str, int] | None = None
) -> None:
    """Raise UserError for a second answer to an item, naming its row and the first one's.

    `times` is the number of items with the same name; they may have that many answers.
    """
    first: dict[str, ItemAnswer] = {}
    counts: Counter[str] = Counter()
    for answer in answers:
        first_answer = first.setdefault(answer.item, answer)
        counts[answer.item] += 1
        if counts[answer.item] > max(1, (times or {}).get(answer.item, 1)):
            raise UserError(
                f"Row {answer.row} answers {shorten(answer.item, _SHOWN)!r} again: row "
                f"{first_answer.row} already has an answer to it.",
                f"{where}:{answer.row}",
                "Keep one answer per item.",
            )


def name_further_answers(answers: Iterable[ItemAnswer]) -> list[ItemAnswer]:
    """Rename the second answer to item 42 to 42/2, for official code that scores each."""
    times: Counter[str] = Counter()
    renamed: list[ItemAnswer] = []
    for answer in answers:
        times[answer.item] += 1
        number = times[answer.item]
        further = number > 1
        renamed.append(replace(answer, item=f"{answer.item}/{number}") if further else answer)
    return renamed


def without_number(item: str) -> str:
    """The item of a further answer: 42 for 42/2."""
    return item.partition("/")[0]


def in_order(answers: Sequence[ItemAnswer], rows: int, where: Path | str) -> list[ItemAnswer]:
    """Answers in the order of the data: as many as its rows, or they are refused."""
    if len(answers) != rows:
        first_further = f":{answers[rows].row}" if len(answers) > rows else ""
        raise UserError(
            f"There are {len(answers):,} answers to {rows:,} questions.",
            f"{where}{first_further}",
            "Answer each question once, in the order of the data.",
        )
    return list(answers)


def one_file_per_name(paths: Iterable[Path], name: Callable[[Path], str]) -> dict[str, Path]:
    """The files by name; raises UserError for two files with the same name."""
    files: dict[str, Path] = {}
    for path in paths:
        other = files.setdefault(name(path), path)
        if other != path:
            raise UserError(
                f"Two files fit {name(path)!r}: {other.name} and {path.name}.",
                f"{other}, {path}",
                "Keep one of them.",
            )
    return files


def find_image(folder: Path, *names: str) -> str:
    """Return the first of the names that the folder contains, or with another image suffix.

    Raises:
        UserError: it contains none of them, or several with other suffixes.
    """
    for name in names:
        base = Path(name).name
        if (folder / base).is_file():
            return base
        others = (folder / f"{Path(base).stem}{suffix}" for suffix in IMAGES)
        fitting = one_file_per_name(filter(Path.is_file, others), lambda path: path.stem)
        if fitting:
            return fitting[Path(base).stem].name
    raise UserError(
        f"The folder has no image {names[0]}.",
        str(folder),
        f"Name the file {' or '.join(dict.fromkeys(Path(name).name for name in names))}.",
    )


def by_id(answers: Sequence[ItemAnswer], ids: Sequence[str], where: Path | str) -> list[ItemAnswer]:
    """Answers in the order of the data's ids; missing, extra and second ones are refused.

    Items with the same id (the same question about the same image) have an answer each, in order.
    """
    times = Counter(ids)
    refuse_second_answers(answers, where, times)
    groups: dict[str, list[ItemAnswer]] = {}
    for answer in answers:
        groups.setdefault(answer.item, []).append(answer)
    missing = [name for name in times.elements() if name not in groups]
    missing += [name for name in groups for _ in range(times[name] - len(groups[name]))]
    further = [name for name in groups if name not in times]
    if missing or further:
        wrong = f"{len(missing):,} of {len(ids):,} items have no answer" if missing else ""
        wrong += f" (the first is {missing[0]!r})" if missing else ""
        wrong += " and " if missing and further else ""
        wrong += f"{len(further):,} answers have no item" if further else ""
        wrong += f" (the first is {further[0]!r})" if further else ""
        raise UserError(
            f"{wrong}.", str(where), "Answer each item once, and give the matching data."
        )
    turns = {name: iter(members) for name, members in groups.items()}
    return [next(turns[name]) for name in ids]
