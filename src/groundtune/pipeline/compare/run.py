"""Compares models item by item: differences with intervals, tests, costs, and what got worse."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.bench.files.large_items import LargeItems
from groundtune.bench.files.large_paired import read as read_large
from groundtune.bench.run import read_scores
from groundtune.bench.stats.behaviour import BehaviourWarning
from groundtune.bench.stats.paired import HeadlineTest
from groundtune.bench.summary import Summary, metric_of, summarise
from groundtune.errors import UserError
from groundtune.pipeline.bench.kept import judges_in, results_in
from groundtune.pipeline.compare.data_files import data_warnings
from groundtune.pipeline.compare.large import (
    has_scores,
    large_in,
    measured,
    scores_of_tests,
    tables_of_large,
)
from groundtune.pipeline.compare.page import (
    comparison_page,
    images_in,
)
from groundtune.pipeline.compare.parts import LOST, parts_of
from groundtune.pipeline.compare.strata import strata_of_scores
from groundtune.pipeline.folder import write_rows
from groundtune.records import Difference, Record, Score
from groundtune.report.bench_parts import BenchParts
from groundtune.report.page import write_report
from groundtune.report.verdict import tone_of
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of, write_object
from groundtune.store.lock import one_writer

Answered = Score | LargeItems
SHOWN_FLIPS = 20
"""Changed items of a benchmark in what `--json` prints; OUT/flips.jsonl has all."""


class Comparisons(Record):
    """What the models' scores say of each beside the first."""

    models: tuple[str, ...]
    """By the order of the folders; the first is what the others are compared with."""
    summary: Summary
    better: tuple[Difference, ...]
    """Clear differences (`Difference.clear`) for the better."""
    worse: tuple[Difference, ...]
    """The same for the worse."""
    changed: tuple[Difference, ...]
    """The same of metrics that are neither good nor bad (length, yes-rate)."""
    unclear: int
    """Differences that may be chance."""
    bench: BenchParts = BenchParts()
    """Tests of the headlines, behaviour and warnings, other tools' readings, judges."""
    alone: tuple[str, ...] = ()
    """Benchmarks that the first model or another one has no answers to: "NAME: MODEL has none"."""

    def regressions(self, margin: float | None = None) -> list[HeadlineTest]:
        """The headlines that got clearly worse, or by more than `margin`.

        `margin` is in the metric's own unit: 0.01 of a share is one point. See `lost` too.
        """
        return [
            test
            for test in self.bench.tests
            if test.worse or (margin is not None and test.loss > margin)
        ]

    @property
    def lost(self) -> list[BehaviourWarning]:
        """Headlines with a value for the first model alone, and nothing to test in their place.

        They got worse, though there is no telling by how much.
        """
        return [each for each in self.bench.warnings if each.guard == LOST]

    def short(self) -> "Comparisons":
        """The same with the largest changes of each benchmark's items alone."""
        tests = tuple(
            test.model_copy(update={"flips": test.flips[:SHOWN_FLIPS]}) for test in self.bench.tests
        )
        return self.model_copy(update={"bench": self.bench.model_copy(update={"tests": tests})})


def compare(folders: Sequence[Path]) -> Comparisons:
    """Compares every model of these folders with the first one, paired by image.

    A folder is what `groundtune bench run` or `bench score` wrote, or a demo's or study's, whose
    models are all taken.

    Raises:
        UserError: a folder without scores, fewer than two models, or models that have not answered
            the same items.
    """
    named = models_of(folders)
    if len(named) < 2:
        raise UserError(
            f"There is one model to compare: {next(iter(named), 'none')}.",
            ", ".join(str(folder) for folder in folders),
            "Give the folders of two runs or more.",
        )
    _refuse_nothing_in_common(named, folders)
    scores, large = _parted(named)
    first, counted = next(iter(named)), read_large(large)
    summary = summarise(scores, against=first, further=tables_of_large(counted))
    bench = parts_of(
        scores,
        against=first,
        judges=_judges(folders, named),
        further=measured(counted, first),
        differences=summary.differences,
    )
    groups: dict[str, list[Difference]] = {}
    for difference in summary.differences:
        groups.setdefault(_tone(difference), []).append(difference)
    return Comparisons(
        models=tuple(named),
        summary=summary,
        better=tuple(groups.get("better", ())),
        worse=tuple(groups.get("worse", ())),
        changed=tuple(groups.get("changed", ())),
        unclear=len(groups.get("unclear", ())),
        bench=bench.model_copy(
            update={"warnings": (*data_warnings(folders, tuple(named)), *bench.warnings)}
        ),
        alone=_alone(named),
    )


def _alone(named: Mapping[str, list[Answered]]) -> tuple[str, ...]:
    """Benchmarks of the first model that another lacks, and the other way round."""
    (first, own), *others = (
        (name, {benchmark.partition("/")[0] for benchmark, _ in _benchmarks(some)})
        for name, some in named.items()
    )
    pairs = [
        (benchmark, name if benchmark in own else first)
        for name, theirs in others
        for benchmark in sorted(own ^ theirs)
    ]
    return tuple(dict.fromkeys(f"{benchmark}: {name} has none" for benchmark, name in pairs))


def _parted(named: Mapping[str, list[Answered]]) -> tuple[list[Score], list[LargeItems]]:
    every = [each for some in named.values() for each in some]
    scores = [each for each in every if isinstance(each, Score)]
    return scores, [each for each in every if isinstance(each, LargeItems)]


def _tone(difference: Difference) -> str:
    return tone_of(difference, metric_of(difference.benchmark, difference.metric))


def _refuse_nothing_in_common(named: Mapping[str, list[Answered]], folders: Sequence[Path]) -> None:
    """Models of which the first has none of the others' benchmarks can't be compared."""
    first, *others = map(_benchmarks, named.values())
    if any(first & other for other in others):
        return
    told = ", ".join(sorted({benchmark for benchmark, _ in first}))
    raise UserError(
        f"{next(iter(named))} and the other models have no benchmark in common.",
        ", ".join(str(folder) for folder in folders),
        f"Score the others by {told} too, in the same mode.",
    )


def _judges(
    folders: Sequence[Path], named: Mapping[str, list[Answered]]
) -> dict[tuple[str, str], dict[str, str]]:
    """Who judged, under the names that the models have here."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for folder in folders:
        for (name, benchmark), facts in judges_in(folder).items():
            other = f"{name} ({folder})"
            found[other if other in named else name, benchmark] = facts
    return found


def models_of(folders: Sequence[Path]) -> dict[str, list[Answered]]:
    """What each model answered; models of one name in two folders are told apart by the folder's.

    Where a model of one name has other benchmarks in another folder, they are one model.

    Raises:
        UserError: a folder without scores.
    """
    found: dict[str, list[Answered]] = {}
    for folder in folders:
        for name, scores in _by_model(answered_in(folder)).items():
            if name not in found:
                found[name] = scores
            elif not _benchmarks(scores) & _benchmarks(found[name]):
                found[name] = [*found[name], *scores]
            elif {s.key for s in scores} != {s.key for s in found[name]}:
                other = f"{name} ({folder})"
                found[other] = [s.model_copy(update={"model": other}) for s in scores]
    return found


def _benchmarks(scores: Iterable[Answered]) -> set[tuple[str, str]]:
    return {(score.benchmark, score.decoding) for score in scores}


def answered_in(folder: Path) -> list[Answered]:
    """The scores of a folder, and the items of its large files, which have none.

    Raises:
        UserError: it holds neither.
    """
    large = large_in(folder)
    alone = bool(large) and not has_scores(folder)
    return [*([] if alone else scores_in(folder)), *large]


def scores_in(folder: Path) -> list[Score]:
    """The scores of a benchmark's, demo's or study's folder.

    Raises:
        UserError: it holds none.
    """
    if not folder.is_dir():
        raise UserError("There is no such folder.", str(folder), "Check the path.")
    inside = sorted(each.parent for each in folder.glob("evaluation/*/scores"))
    if (folder / "scores").is_dir() or not inside:
        return read_scores(folder)
    base_first = sorted(inside, key=lambda path: not path.name.startswith("base"))
    return [score for each in base_first for score in read_scores(each)]


def _by_model(scores: Iterable[Answered]) -> dict[str, list[Answered]]:
    found: dict[str, list[Answered]] = {}
    for score in scores:
        found.setdefault(score.model, []).append(score)
    return found


@one_writer()
def write_comparison(compared: Comparisons, out: Path, folders: Sequence[Path] = ()) -> Path:
    """Writes report.html, summary.json, differences.json, tests.json and flips.jsonl.

    Returns the report's path. `folders` are those that were compared: their images are shown, as
    far as they are there.
    """
    summary = compared.summary
    write_rows(out / "summary.json", summary.estimates)
    write_rows(out / "differences.json", summary.differences)
    tests = [test.model_dump(exclude={"flips"}) for test in compared.bench.tests]
    write_object(out / "tests.json", tests, indent=1)
    lines = [
        json_of({"model": test.model, "benchmark": test.benchmark, **flip.model_dump()})
        for test in compared.bench.tests
        for flip in test.flips
    ]
    write_atomic(out / "flips.jsonl", "".join(f"{line}\n" for line in lines).encode())
    scores, large = _parted(models_of(folders) if folders else {})
    scores += scores_of_tests(large, compared.bench.tests)
    page = comparison_page(
        compared.models,
        summary.estimates,
        summary.differences,
        title="Models compared",
        bench=compared.bench,
        scores=scores,
        images=images_in(folders),
        strata=strata_of_scores(scores),
        results=[told for folder in folders for told in results_in(folder)],
    )
    return write_report(out, page)


def difference_rows(differences: Sequence[Difference]) -> list[list[str]]:
    """Differences as texts: what, of which model, by how much, with the interval."""
    from groundtune.report.figures import signed_interval, signed_text

    rows: list[list[str]] = []
    for each in differences:
        spec = metric_of(each.benchmark, each.metric)
        interval = signed_interval(each, spec)
        share = "" if each.relative is None else f"{each.relative:+.0%}"
        what = f"{each.benchmark}: {spec.label}"
        rows.append([what, each.model, signed_text(each.value, spec), f"[{interval}]", share])
    return rows


def rows_of_tests(tests: Sequence[HeadlineTest]) -> list[list[str]]:
    """Tests of headlines as texts: the change, its interval, p, the verdict, and what it rests on.

    A star marks a metric that stands for the headline.
    """
    from groundtune.report.figures import change_text, signed_interval
    from groundtune.report.tables import WORDS

    rows: list[list[str]] = []
    for test in tests:
        spec = metric_of(test.benchmark, test.metric)
        rows.append(
            [
                f"{test.benchmark}: {spec.label}{'*' if test.in_place_of else ''}",
                test.model,
                change_text(test, spec),
                f"[{signed_interval(test, spec)}]",
                f"{test.p:.2g}",
                f"{test.p_holm:.2g}",
                WORDS[tone_of(test, spec)],
                f"{spec.scale * test.smallest:.{spec.decimals}f}",
                f"+{test.improved:,} -{test.worsened:,} ={test.unchanged:,}",
            ]
        )
    return rows
