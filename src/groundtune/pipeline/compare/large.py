"""What `bench score` keeps of large files, as a comparison and a report read it.

Such a file has a table of items in place of score records (`bench/files/large_items.py`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from groundtune.bench.files.large_items import LargeItems
from groundtune.bench.files.large_paired import (
    LargeModel,
    behaviour,
    headline_test,
    scores_of_flips,
)
from groundtune.bench.stats.paired import HeadlineTest, UntestedHeadline
from groundtune.bench.summary import Tables, benchmark_of
from groundtune.pipeline.bench.kept import name_of, results_in
from groundtune.pipeline.compare.parts import FurtherResults, split_untested
from groundtune.records import Score


def large_in(folder: Path) -> list[LargeItems]:
    """The tables of items of large files in a folder, in the order of their results' names."""
    found: list[LargeItems] = []
    for told in results_in(folder):
        path = folder / "items" / Path(str(told.get("items", ""))).name
        if path.suffix == ".parquet" and path.is_file():
            model, name = str(told.get("model", "")), name_of(told)
            found.append(LargeItems(path=path, model=model, benchmark=name))
    return found


def has_scores(folder: Path) -> bool:
    """Whether the folder has score records."""
    return any((folder / "scores").glob("part-*.parquet"))


def tables_of_large(models: Iterable[LargeModel]) -> Tables:
    """The sums of each, by (model, benchmark, decoding)."""
    return {
        (each.items.model, each.items.benchmark, each.items.decoding): each.counts.table
        for each in models
    }


def measured(models: Sequence[LargeModel], against: str) -> FurtherResults:
    """The headline's test of each model beside `against`, and how each one's answers are."""
    first = {each.items.name: each for each in models if each.items.model == against}
    made: list[HeadlineTest | UntestedHeadline] = []
    for each in models:
        base, benchmark = first.get(each.items.name), benchmark_of(each.items.benchmark)
        if each.items.model != against and base is not None:
            made.append(headline_test(each, base, benchmark.metrics, benchmark.headline))
    tests, untested = split_untested(made)
    return FurtherResults(tests, untested, [behaviour(each.items) for each in models])


def scores_of_tests(models: Sequence[LargeItems], tests: Iterable[HeadlineTest]) -> list[Score]:
    """Both models' records of the answers that the tests list as changed."""
    named = {(each.model, each.name): each for each in models}
    found: list[Score] = []
    for test in tests:
        both = (named.get((model, test.benchmark)) for model in (test.against, test.model))
        found += [
            score
            for items in both
            if items is not None
            for score in scores_of_flips(items, test.flips)
        ]
    return found
