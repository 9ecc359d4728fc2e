"""Results of `bench score` for large files, as a comparison and a report read them.

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
    """The tables of items of large files in a folder, by their results' names."""
    tables: list[LargeItems] = []
    for result in results_in(folder):
        path = folder / "items" / Path(str(result.get("items", ""))).name
        if path.suffix == ".parquet" and path.is_file():
            model, name = str(result.get("model", "")), name_of(result)
            tables.append(LargeItems(path=path, model=model, benchmark=name))
    return tables


def has_scores(folder: Path) -> bool:
    """Whether the folder has score records."""
    return any((folder / "scores").glob("part-*.parquet"))


def tables_of_large(models: Iterable[LargeModel]) -> Tables:
    """The sums of each model, by (model, benchmark, decoding)."""
    return {
        (
            large_model.items.model,
            large_model.items.benchmark,
            large_model.items.decoding,
        ): large_model.counts.table
        for large_model in models
    }


def further_results(models: Sequence[LargeModel], against: str) -> FurtherResults:
    """Test each model's headline against `against`, and summarise its answers' behaviour."""
    first = {
        large_model.items.name: large_model
        for large_model in models
        if large_model.items.model == against
    }
    results: list[HeadlineTest | UntestedHeadline] = []
    for large_model in models:
        base, benchmark = (
            first.get(large_model.items.name),
            benchmark_of(large_model.items.benchmark),
        )
        if large_model.items.model != against and base is not None:
            results.append(headline_test(large_model, base, benchmark.metrics, benchmark.headline))
    tests, untested = split_untested(results)
    return FurtherResults(tests, untested, [behaviour(large_model.items) for large_model in models])


def scores_of_tests(models: Sequence[LargeItems], tests: Iterable[HeadlineTest]) -> list[Score]:
    """Both models' records of the answers that the tests list as changed."""
    items_by_name = {(each.model, each.name): each for each in models}
    scores: list[Score] = []
    for test in tests:
        both = (items_by_name.get((model, test.benchmark)) for model in (test.against, test.model))
        scores += [
            score
            for items in both
            if items is not None
            for score in scores_of_flips(items, test.flips)
        ]
    return scores
