"""Scores of one model, benchmark and decoding, written in batches and replacing earlier ones."""

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
    """Yield a function that stores further scores of a group, replacing its earlier scores.

    The new scores appear, all at once, when the block ends; until then the earlier ones stay.
    """
    score_set, group = RecordSet(out / "scores", Score), (model, benchmark, decoding)
    old = [part for part in score_set.parts() if group in _groups_in(part)]
    others = [
        score
        for part in old
        if _groups_in(part) != {group}
        for score in read_parquet(part, Score)
        if group_of(score) != group
    ]
    score_set.append(others)
    with open_growing_part(score_set) as add:
        yield add
    for part in old:
        part.unlink()


def scores_but(out: Path, groups: Collection[tuple[str, str, str]]) -> list[Score]:
    """Return a folder's scores without those of some (model, benchmark, decoding)."""
    score_set = RecordSet(out / "scores", Score)
    if not groups:
        return score_set.read()
    others: dict[str, Score] = {}
    for part in score_set.parts():
        if not _groups_in(part) <= set(groups):
            scores = read_parquet(part, Score)
            others |= {
                s.key: s for s in scores if group_of(s) not in groups and s.key not in others
            }
    return list(others.values())


def _groups_in(part: Path) -> set[tuple[str, str, str]]:
    rows = read_distinct(part, ("model", "benchmark", "decoding"))
    return {(model, name.partition("/")[0], decoding) for model, name, decoding in rows}


def group_of(score: Score) -> tuple[str, str, str]:
    """Return (model, benchmark, decoding) of a score."""
    return score.model, score.benchmark.partition("/")[0], score.decoding
