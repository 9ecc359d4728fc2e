"""The stages that faults are put into: small runs on the embedded world, and what they leave."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors.torch import load_file

BASE = "world:base"
LABELER = "world:labeler"
Contents = dict[str, Counter[str]]
"""Rows by the file or set of files that holds them, each with how often it is there."""

TIMES = frozenset(
    {
        "at",
        "check",  # of a log line, seconds included
        "command",
        "duration",
        "machine",
        "peak_mb",
        "provenance",
        "seconds",
        "started",
        "time",
        "tokens_per_second",
        "versions",
    }
)
"""Keys that differ between two runs that did the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One command, what it needs, and where its rows are."""

    name: str
    command: tuple[str, ...]
    """Words after `groundtune`; {out} is the folder that it writes, {stage} that of another."""
    needs: tuple[str, ...] = ()
    starts_from: str = ""
    """The stage whose folder is copied before this one adds to it."""

    def words(self, out: Path, done: Callable[[str], Path]) -> list[str]:
        """Return the command's words for a folder."""
        folders = {name: str(done(name)) for name in self.needs}
        return [word.format(out=out, **folders) for word in self.command]

    def prepare(self, out: Path, done: Callable[[str], Path]) -> None:
        """Make `out` what it is before the command."""
        shutil.rmtree(out, ignore_errors=True)
        if self.starts_from:
            shutil.copytree(done(self.starts_from), out)


STAGES: tuple[Stage, ...] = (
    Stage(
        name="sample",
        command=("sample", "--model", BASE, "--prompts", "world:6", "--n", "2", "--out", "{out}"),
    ),
    Stage(
        name="correct",
        command=("label", "--answers", "{out}"),
        starts_from="sample",
    ),
    Stage(
        name="check claims",
        command=("label", "--answers", "{out}", "--by", "claims", "--labeler", LABELER),
        starts_from="sample",
    ),
    Stage(
        name="pairs",
        command=("pairs", "--corrections", "{correct}", "--out", "{out}"),
        needs=("correct",),
    ),
    Stage(
        name="claim pairs",
        command=("pairs", "--claims", "{check claims}", "--out", "{out}"),
        needs=("check claims",),
    ),
    Stage(
        name="train",
        command=(
            "train", "world-ddpo", "--pairs", "{pairs}", "--out", "{out}",
            "max_steps=3", "batch_size=4", "save_every=1",
        ),
        needs=("pairs",),
    ),
    Stage(
        name="bench",
        command=("bench", "run", BASE, "world", "--n", "8", "--out", "{out}"),
    ),
    Stage(
        name="bench of the trained",
        command=("bench", "run", "{train}/model", "world", "--n", "4", "--out", "{out}"),
        needs=("train",),
    ),
    Stage(
        name="best of",
        command=(
            "best-of", "{sample}", "--model", BASE, "--reference", LABELER, "--n", "2",
            "--out", "{out}",
        ),
        needs=("sample",),
    ),
    Stage(
        name="check",
        command=("check", "{sample}", "--labeler", LABELER, "--out", "{out}"),
        needs=("sample",),
    ),
    Stage(
        name="export",
        command=("export", "rlhf-v", "{pairs}", "--out", "{out}/pairs.parquet"),
        needs=("pairs",),
    ),
    Stage(
        name="import",
        command=("import", "rlhf-v", "{export}/pairs.parquet", "--out", "{out}"),
        needs=("export",),
    ),
)  # fmt: skip


def contents(folder: Path) -> Contents:
    """Return what a stage left: rows, weights and images; times and machines left out."""
    found: Contents = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or "checkpoints" in path.parts or path.name.startswith("."):
            continue
        rows = _rows(path)
        if rows is None:
            continue
        # parts of one set are one set: a resumed run has more of them
        key = f"{path.parent.relative_to(folder)}/*" if path.suffix == ".parquet" else name
        found.setdefault(key, Counter()).update(rows)
    return found


def _rows(path: Path) -> list[str] | None:
    """The rows of a file in a comparable form; None for one that isn't compared."""
    if path.suffix == ".parquet":
        return [_plain(row) for row in pq.read_table(path).to_pylist()]
    if path.suffix == ".jsonl":
        return [_plain(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".safetensors":
        return [
            f"{name} {hashlib.sha256(value.float().numpy().tobytes()).hexdigest()}"
            for name, value in load_file(path).items()
        ]
    if path.suffix == ".png":
        return [hashlib.sha256(path.read_bytes()).hexdigest()]
    return None


def _plain(value: Any) -> str:
    return json.dumps(_without_times(value), sort_keys=True, default=str)


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [_without_times(each) for each in value]
    return round(value, 5) if isinstance(value, float) else value


def differences(wanted: Contents, got: Contents) -> Counter[str]:
    """Count rows that are lost, doubled or other than they should be."""
    counts: Counter[str] = Counter()
    for key in wanted.keys() | got.keys():
        want, have = wanted.get(key, Counter()), got.get(key, Counter())
        counts["lost"] += sum((want - have).values())
        extra = have - want
        counts["doubled"] += sum(number for row, number in extra.items() if row in want)
        counts["other"] += sum(number for row, number in extra.items() if row not in want)
    return +counts
