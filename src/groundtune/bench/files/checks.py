"""Finds the files of a benchmark, and refuses what doesn't fit: number of rows, ids, order.

A mismatch is refused; nothing is ever truncated to the shorter side.
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

_FOUND: ContextVar[list[Path] | None] = ContextVar("found", default=None)
IMAGES = (".jpg", ".png", ".jpeg", ".webp")
_SHOWN = 120
"""Characters of an item's name that an error shows."""


@contextmanager
def record_found_files() -> Generator[list[Path]]:
    """The files that `find_files` finds meanwhile: what a benchmark reads in the folders given."""
    found: list[Path] = []
    mark = _FOUND.set(found)
    try:
        yield found
    finally:
        _FOUND.reset(mark)


def find_files(paths: Sequence[Path], *patterns: str) -> list[Path]:
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


def refuse_second_answers(
    answers: Iterable[ItemAnswer], where: Path | str, times: Mapping[str, int] | None = None
) -> None:
    """Raises UserError for a second answer to one item, naming its row and the first one's.

    `times` says how many items have a name; these may have as many answers.
    """
    first: dict[str, ItemAnswer] = {}
    seen: Counter[str] = Counter()
    for answer in answers:
        there = first.setdefault(answer.item, answer)
        seen[answer.item] += 1
        if seen[answer.item] > max(1, (times or {}).get(answer.item, 1)):
            raise UserError(
                f"Row {answer.row} answers {shorten(answer.item, _SHOWN)!r} again: row {there.row} "
                "has an answer to it.",
                f"{where}:{answer.row}",
                "Keep one answer per item.",
            )


def name_further_answers(answers: Iterable[ItemAnswer]) -> list[ItemAnswer]:
    """The answers, of which the second to item 42 is called 42/2, for codes that score each."""
    times: Counter[str] = Counter()
    named: list[ItemAnswer] = []
    for answer in answers:
        times[answer.item] += 1
        number = times[answer.item]
        further = number > 1
        named.append(replace(answer, item=f"{answer.item}/{number}") if further else answer)
    return named


def without_number(item: str) -> str:
    """The item that a further answer is to: 42 of 42/2."""
    return item.partition("/")[0]


def in_order(answers: Sequence[ItemAnswer], rows: int, where: Path | str) -> list[ItemAnswer]:
    """Answers that go by order: as many as the data has rows, or they are refused."""
    if len(answers) != rows:
        first_further = f":{answers[rows].row}" if len(answers) > rows else ""
        raise UserError(
            f"There are {len(answers):,} answers to {rows:,} questions.",
            f"{where}{first_further}",
            "Answer each question once, in the order of the data; nothing is cut.",
        )
    return list(answers)


def one_file_per_name(paths: Iterable[Path], name: Callable[[Path], str]) -> dict[str, Path]:
    """The files by name; raises UserError for two files of one name."""
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(name(path), path)
        if other != path:
            raise UserError(
                f"Two files fit {name(path)!r}: {other.name} and {path.name}.",
                f"{other}, {path}",
                "Keep one of them.",
            )
    return found


def find_image(folder: Path, *names: str) -> str:
    """Return the first of the names, else with another image suffix, that the folder contains.

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
    """Answers in the order of the data's ids; missing, further and second ones are refused.

    Items of one id (the same question about the same image) have an answer each, in order.
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
        wrong += f"{len(further):,} answers are to no item" if further else ""
        wrong += f" (the first is {further[0]!r})" if further else ""
        raise UserError(
            f"{wrong}.", str(where), "Answer each item once; give the data they are of."
        )
    turns = {name: iter(some) for name, some in groups.items()}
    return [next(turns[name]) for name in ids]
