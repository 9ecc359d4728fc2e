"""Breaks valid inputs by chance and counts how the commands that read them take it.

An input ends in exit status 0 (it can be read), in 2 with three lines, in a traceback, in a hang
(killed after a time limit), or otherwise. The last three are faults.
"""

import json
import os
import random
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.faults.feedback_inputs import make_feedback_targets
from benchmarks.faults.forks import Fault, Outcome, run
from benchmarks.faults.odd_images import odd_image
from benchmarks.faults.odd_values import (
    PLAIN,
    change_bytes,
    change_file,
    change_value,
    json_text,
    odd_value,
)
from benchmarks.faults.valid_inputs import Target, make_targets

CPU_SECONDS = 30
"""A command that computes longer hangs."""
SECONDS = 240.0
"""A command that runs longer hangs, too: it waits for something. Others may use the processor."""
MEMORY = 3 * 2**30
"""Most bytes that a command may add."""
FAULTS = ("traceback", "hang", "other")

Change = Callable[[Path, random.Random], str]


class Broken(NamedTuple):
    """How a command took an input."""

    target: str
    change: str
    result: str
    outcome: Outcome


class Bench(NamedTuple):
    """The targets, where the trials are made, and what draws them."""

    targets: Sequence[Target]
    folder: Path
    chance: random.Random


def open_bench(folder: Path, chance: random.Random, names: Sequence[str] = ()) -> Bench:
    """Make the valid inputs, and check that each is read; `names` are beginnings of targets."""
    warnings.simplefilter("ignore")  # Pillow and openpyxl warn of what they write
    (folder / "cwd").mkdir(parents=True)
    os.chdir(folder / "cwd")  # what a broken word names without a folder is made there
    targets = [
        target
        for make in (make_targets, make_feedback_targets)
        for target in make(folder / "valid")
        if not names or target.name.startswith(tuple(names))
    ]
    for target in targets:
        outcome = run(target.words(target.folder, folder / "undisturbed"), folder / "logs")
        shutil.rmtree(folder / "undisturbed", ignore_errors=True)
        if outcome.status and not target.is_dry_run:
            raise SystemExit(f"{target.name} fails undisturbed:\n{outcome.text}")
    return Bench(targets, folder, chance)


def results(bench: Bench, trials: int) -> Iterator[dict[str, object]]:
    """Break inputs; return a line for each target, with counts and the inputs that are faults.

    Ctrl-C ends it early, with what was counted.
    """
    counts: dict[str, Counter[str]] = {target.name: Counter() for target in bench.targets}
    notes: dict[str, list[str]] = {target.name: [] for target in bench.targets}
    for number in range(trials):
        try:
            broken = trial(bench)
        except KeyboardInterrupt:
            print(f"stopped after {number} of {trials}", file=sys.stderr, flush=True)
            break
        counts[broken.target][broken.result] += 1
        if broken.result in FAULTS:
            last = broken.outcome.text.strip()[-1_500:]
            notes[broken.target].append(f"{broken.result}: {broken.change}: {last}")
            print(f"{broken.target}: {notes[broken.target][-1]}", file=sys.stderr, flush=True)
    for name, count in counts.items():
        if count.total():
            yield {
                "kind": "inputs",
                "stage": name,
                "trials": count.total(),
                **count,
                "notes": notes[name],
            }


def trial(bench: Bench) -> Broken:
    """Break one input, or one word of a command, and run the command."""
    chance, target = bench.chance, bench.chance.choice(bench.targets)
    here, out = bench.folder / "trial", bench.folder / "out"
    for each in (here, out):
        shutil.rmtree(each, ignore_errors=True)
    shutil.copytree(target.folder, here)
    if chance.random() < 0.1:
        words, change = _change_words(target.words(here, out), chance)
    else:
        change = _break_file(target, here, chance)
        words = target.words(here, out)
    fault = Fault(after_seconds=SECONDS, cpu_seconds=CPU_SECONDS, memory_bytes=MEMORY)
    outcome = run(words, bench.folder / "logs", fault)
    return Broken(target.name, change, _result(outcome), outcome)


def _result(outcome: Outcome) -> str:
    if outcome.status == -9:
        return "hang"
    if "Traceback (most recent call last)" in outcome.text or outcome.status == 70:
        return "traceback"
    if outcome.status == 0:
        return "read"
    last = [line.partition(":")[0] for line in outcome.text.splitlines()[-3:]]
    is_refused = outcome.status == 2 and last == ["error", "where", "fix"]
    return "refused" if is_refused else "other"


def _break_file(target: Target, folder: Path, chance: random.Random) -> str:
    """Break one file of a target in its folder; returns which, and how."""
    files = sorted({p for each in target.files for p in folder.glob(each) if p.is_file()})
    path = chance.choice(files)
    if chance.random() < 0.05:
        how = change_file(path, chance)
    else:
        changes = [_bytes, *CHANGES.get(path.suffix.lower(), [_bytes]) * 3]
        how = chance.choice(changes)(path, chance)
    name = str(path.relative_to(folder))
    (folder / ".broken").write_text(name, "utf-8")
    return f"{name}: {how}"


def _bytes(path: Path, chance: random.Random) -> str:
    path.write_bytes(change_bytes(path.read_bytes(), chance))
    return "bytes"


def _json(path: Path, chance: random.Random) -> str:
    text = path.read_text("utf-8")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:  # some files of lines end in .json
        return _json_lines(path, chance)
    path.write_text(json_text(change_value(value, chance)), "utf-8")
    return "value"


def _json_lines(path: Path, chance: random.Random) -> str:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    text = [json.dumps(row) for row in rows]
    at = chance.randrange(len(rows))
    text[at] = json_text(change_value(rows[at], chance))
    path.write_text("\n".join(text), "utf-8")
    return f"value of row {at + 1}"


def _yaml(path: Path, chance: random.Random) -> str:
    import yaml

    value = change_value(yaml.safe_load(path.read_text("utf-8")), chance, yaml=True)
    path.write_text(json_text(value), "utf-8")
    return "value"


def _image(path: Path, chance: random.Random) -> str:
    path.write_bytes(odd_image(chance))
    return "image"


def _cells(path: Path, chance: random.Random) -> str:
    """Put an odd text into a cell of a table, unquoted."""
    separator = "," if path.suffix == ".csv" else "\t"
    lines = [line.split(separator) for line in path.read_text("utf-8").splitlines()]
    line = chance.choice(lines)
    value = str(odd_value(chance)).removeprefix("@raw:")
    line[chance.randrange(len(line))] = value
    path.write_text("\n".join(separator.join(cells) for cells in lines), "utf-8", "replace")
    return "cell"


def _workbook(path: Path, chance: random.Random) -> str:
    """Put an odd value into a cell, a formula, or a sheet."""
    import openpyxl
    from openpyxl.chart import BarChart

    book: Any = openpyxl.load_workbook(path)
    cell = chance.choice([cell for row in book.active for cell in row])
    deed = chance.randrange(5)
    if deed == 0:
        book.move_sheet(book.create_sheet("first"), -1)
    elif deed == 1:
        book._sheets = [book.create_chartsheet()]
        book._sheets[0].add_chart(BarChart())
    else:
        plain = [v for v in PLAIN if isinstance(v, str | int | float) and v != "\0"]
        cell.value = chance.choice([*plain, "=1/0", "=A1", "#REF!"])
    book.save(path)
    return "cell"


def _parquet(path: Path, chance: random.Random) -> str:
    """Put odd values into one column, or change its name or type."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    at = chance.randrange(table.num_columns)
    name, count = table.column_names[at], table.num_rows
    deed = chance.randrange(6)
    if deed == 0:
        table = table.remove_column(at)
    elif deed == 1:
        table = table.append_column(chance.choice([name, "", "more", "a.b"]), table.column(at))
    elif deed == 2:
        table = table.slice(0, 0)
    else:
        values = _column(table.column(at).to_pylist(), count, chance)
        table = table.set_column(at, name, values)
    data = BytesIO()
    try:
        pq.write_table(table, data, compression=chance.choice(["none", "zstd", "gzip"]))
    except pa.ArrowNotImplementedError:  # Parquet has no such type: draw again
        return _parquet(path, chance)
    path.write_bytes(data.getvalue())
    return f"column {name}"


def _column(values: list[Any], count: int, chance: random.Random) -> Any:
    import pyarrow as pa

    kinds = (
        pa.null(), pa.int8(), pa.float16(), pa.bool_(), pa.date32(), pa.timestamp("ns", "UTC"),
        pa.duration("ns"), pa.decimal128(38, 9), pa.large_string(), pa.binary(), pa.binary(4),
        pa.time64("ns"), pa.list_(pa.null()), pa.map_(pa.string(), pa.int32()), pa.struct([]),
        pa.dictionary(pa.int8(), pa.string()), pa.string_view(),
    )  # fmt: skip
    while True:
        try:
            if chance.random() < 0.4:
                return pa.nulls(count, chance.choice(kinds))
            if chance.random() < 0.6:
                at = chance.randrange(count)
                values = [*values[:at], change_value(values[at], chance), *values[at + 1 :]]
                return pa.array(values)
            return pa.array([chance.choice(PLAIN)] * count)
        except (pa.ArrowException, OverflowError, TypeError):
            continue  # no column can hold these together: draw again


def _change_words(words: list[str], chance: random.Random) -> tuple[list[str], str]:
    """Replace, remove, double or add a word of a command line."""
    words, odd = list(words), _odd_word(chance)
    at = chance.randrange(1, len(words))
    deed = chance.randrange(6)
    if deed == 0:
        del words[at]
    elif deed == 1:
        words.insert(at, words[at])
    elif deed == 2:
        words.insert(at, odd)
    elif words[at].startswith("--"):
        words[at] += f"={odd}"
    else:
        words[at] = odd
    return words, f"words: {' '.join(word[:40] for word in words)!r}"


def _odd_word(chance: random.Random) -> str:
    """A word of a command line; the system can't hand on a NUL, but bytes that are no UTF-8."""
    value = chance.choice(
        [odd_value(chance, yaml=True), "\udcff", "--", "-", "--n", "=", "a.b=1", "n="]
    )
    text = value if isinstance(value, str) else json.dumps(value)
    text = text.removeprefix("@raw:").replace("\0", "")[:100_000]
    if text.startswith(("/", "~", "..")):  # a command may write there
        text = "/dev/zero"
    key = chance.choice(["", "", "seed=", "sampling.top_k=", "model=", "method.beta="])
    return key + text


CHANGES: dict[str, list[Change]] = {
    ".json": [_json],
    ".jsonl": [_json_lines],
    ".yaml": [_yaml],
    ".png": [_image],
    ".jpg": [_image],
    ".csv": [_cells],
    ".tsv": [_cells],
    ".xlsx": [_workbook],
    ".parquet": [_parquet],
}
