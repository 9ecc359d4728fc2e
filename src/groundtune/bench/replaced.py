"""Scores of one model, benchmark and decoding, written some at a time in place of earlier ones."""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from groundtune.records import Score
from groundtune.store.dataset import RecordSet
from groundtune.store.growing import open_growing_part, read_distinct
from groundtune.store.tables import read_parquet


@contextmanager
def replaced_scores(
    out: Path, model: str, benchmark: str, decoding: str
) -> Generator[Callable[[Sequence[Score]], None]]:
    """Yield a function that stores further scores of a group, which replace the group's earlier.

    They are there, all of them, when the block ends; until then the earlier ones are.
    """
    kept, group = RecordSet(out / "scores", Score), (model, benchmark, decoding)
    old = [part for part in kept.parts() if group in _groups_in(part)]
    others = [
        score
        for part in old
        if _groups_in(part) != {group}
        for score in read_parquet(part, Score)
        if group_of(score) != group
    ]
    kept.append(others)
    with open_growing_part(kept) as add:
        yield add
    for part in old:
        part.unlink()


def scores_but(out: Path, groups: Collection[tuple[str, str, str]]) -> list[Score]:
    """Return the scores of a folder without those of some (model, benchmark, decoding)."""
    kept = RecordSet(out / "scores", Score)
    if not groups:
        return kept.read()
    found: dict[str, Score] = {}
    for part in kept.parts():
        if not _groups_in(part) <= set(groups):
            scores = read_parquet(part, Score)
            found |= {s.key: s for s in scores if group_of(s) not in groups and s.key not in found}
    return list(found.values())


def _groups_in(part: Path) -> set[tuple[str, str, str]]:
    rows = read_distinct(part, ("model", "benchmark", "decoding"))
    return {(model, name.partition("/")[0], decoding) for model, name, decoding in rows}


def group_of(score: Score) -> tuple[str, str, str]:
    """Return (model, benchmark, decoding) of a score."""
    return score.model, score.benchmark.partition("/")[0], score.decoding
