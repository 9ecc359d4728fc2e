"""Compares models item by item: differences with intervals, tests, costs, and what got worse."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.bench.files.large_items import LargeItems
from groundtune.bench.files.large_paired import read as read_large
from groundtune.bench.run.run import read_scores
from groundtune.bench.stats.behaviour import BehaviourWarning
from groundtune.bench.stats.paired import HeadlineTest
from groundtune.bench.summary import Summary, metric_of, summarise
from groundtune.errors import UserError
from groundtune.pipeline.bench.kept import judges_in, results_in
from groundtune.pipeline.compare.data_files import data_warnings
from groundtune.pipeline.compare.large import (
    further_results,
    has_scores,
    large_in,
    scores_of_tests,
    tables_of_large,
)
from groundtune.pipeline.compare.page import (
    comparison_page,
    images_in,
)
from groundtune.pipeline.compare.parts import LOST, parts_of
from groundtune.pipeline.compare.strata import strata_of_scores
from groundtune.pipeline.runs.folder import write_rows
from groundtune.records import Difference, Record, Score
from groundtune.report.bench_parts import BenchParts
from groundtune.report.page import write_report
from groundtune.report.verdict import tone_of
from groundtune.store.files import write_atomic
from groundtune.store.json_writing import json_of, write_object
from groundtune.store.lock import one_writer

Answered = Score | LargeItems
SHOWN_FLIPS = 20
"""Maximum changed items per benchmark in the output of `--json`; OUT/flips.jsonl has all."""


class Comparisons(Record):
    """Each model compared with the first."""

    models: tuple[str, ...]
    """In the order of the folders; the others are compared with the first."""
    summary: Summary
    better: tuple[Difference, ...]
    """Clear differences (`Difference.clear`) that are improvements."""
    worse: tuple[Difference, ...]
    """Clear differences that are losses."""
    changed: tuple[Difference, ...]
    """Clear differences of neutral metrics (length, yes-rate)."""
    unclear: int
    """Number of differences that may be chance."""
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
        return [warning for warning in self.bench.warnings if warning.guard == LOST]

    def short(self) -> "Comparisons":
        """The same with the largest changes of each benchmark's items alone."""
        tests = tuple(
            test.model_copy(update={"flips": test.flips[:SHOWN_FLIPS]}) for test in self.bench.tests
        )
        return self.model_copy(update={"bench": self.bench.model_copy(update={"tests": tests})})


def compare(folders: Sequence[Path]) -> Comparisons:
    """Compare every model of these folders with the first one, paired by image.

    A folder is what `groundtune bench run` or `bench score` wrote, or a demo's or study's, whose
    models are all taken.

    Raises:
        UserError: a folder without scores, fewer than two models, or models that have not answered
            the same items.
    """
    answers_of = models_of(folders)
    if len(answers_of) < 2:
        raise UserError(
            f"There is one model to compare: {next(iter(answers_of), 'none')}.",
            ", ".join(str(folder) for folder in folders),
            "Give the folders of two runs or more.",
        )
    _refuse_nothing_in_common(answers_of, folders)
    scores, large = _scores_and_items(answers_of)
    first, large_models = next(iter(answers_of)), read_large(large)
    summary = summarise(scores, against=first, further=tables_of_large(large_models))
    bench = parts_of(
        scores,
        against=first,
        judges=_judges(folders, answers_of),
        further=further_results(large_models, first),
        differences=summary.differences,
    )
    groups: dict[str, list[Difference]] = {}
    for difference in summary.differences:
        groups.setdefault(_tone(difference), []).append(difference)
    return Comparisons(
        models=tuple(answers_of),
        summary=summary,
        better=tuple(groups.get("better", ())),
        worse=tuple(groups.get("worse", ())),
        changed=tuple(groups.get("changed", ())),
        unclear=len(groups.get("unclear", ())),
        bench=bench.model_copy(
            update={"warnings": (*data_warnings(folders, tuple(answers_of)), *bench.warnings)}
        ),
        alone=_alone(answers_of),
    )


def _alone(answers_of: Mapping[str, list[Answered]]) -> tuple[str, ...]:
    """Benchmarks of the first model that another lacks, and vice versa."""
    (first, first_answers), *others = (
        (name, {benchmark.partition("/")[0] for benchmark, _ in _benchmarks(answers)})
        for name, answers in answers_of.items()
    )
    pairs = [
        (benchmark, name if benchmark in first_answers else first)
        for name, other_answers in others
        for benchmark in sorted(first_answers ^ other_answers)
    ]
    return tuple(dict.fromkeys(f"{benchmark}: {name} has none" for benchmark, name in pairs))


def _scores_and_items(
    answers_of: Mapping[str, list[Answered]],
) -> tuple[list[Score], list[LargeItems]]:
    all_answers = [answer for answers in answers_of.values() for answer in answers]
    scores = [answer for answer in all_answers if isinstance(answer, Score)]
    return scores, [answer for answer in all_answers if isinstance(answer, LargeItems)]


def _tone(difference: Difference) -> str:
    return tone_of(difference, metric_of(difference.benchmark, difference.metric))


def _refuse_nothing_in_common(
    answers_of: Mapping[str, list[Answered]], folders: Sequence[Path]
) -> None:
    """Models of which the first has none of the others' benchmarks can't be compared."""
    first, *others = map(_benchmarks, answers_of.values())
    if any(first & other for other in others):
        return
    names = ", ".join(sorted({benchmark for benchmark, _ in first}))
    raise UserError(
        f"{next(iter(answers_of))} and the other models have no benchmark in common.",
        ", ".join(str(folder) for folder in folders),
        f"Score the others by {names} too, in the same mode.",
    )


def _judges(
    folders: Sequence[Path], answers_of: Mapping[str, list[Answered]]
) -> dict[tuple[str, str], dict[str, str]]:
    """The judges, under the models' names here."""
    judges: dict[tuple[str, str], dict[str, str]] = {}
    for folder in folders:
        for (name, benchmark), facts in judges_in(folder).items():
            other = f"{name} ({folder})"
            judges[other if other in answers_of else name, benchmark] = facts
    return judges


def models_of(folders: Sequence[Path]) -> dict[str, list[Answered]]:
    """Each model's answers; models with the same name in two folders get the folder's name.

    Where a model of one name has other benchmarks in another folder, they are one model.

    Raises:
        UserError: a folder without scores.
    """
    answers_of: dict[str, list[Answered]] = {}
    for folder in folders:
        for name, scores in _by_model(answered_in(folder)).items():
            if name not in answers_of:
                answers_of[name] = scores
            elif not _benchmarks(scores) & _benchmarks(answers_of[name]):
                answers_of[name] = [*answers_of[name], *scores]
            elif {s.key for s in scores} != {s.key for s in answers_of[name]}:
                other = f"{name} ({folder})"
                answers_of[other] = [s.model_copy(update={"model": other}) for s in scores]
    return answers_of


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
    inside = sorted(scores_path.parent for scores_path in folder.glob("evaluation/*/scores"))
    if (folder / "scores").is_dir() or not inside:
        return read_scores(folder)
    base_first = sorted(inside, key=lambda path: not path.name.startswith("base"))
    return [score for scores_path in base_first for score in read_scores(scores_path)]


def _by_model(scores: Iterable[Answered]) -> dict[str, list[Answered]]:
    groups: dict[str, list[Answered]] = {}
    for score in scores:
        groups.setdefault(score.model, []).append(score)
    return groups


@one_writer()
def write_comparison(comparison: Comparisons, out: Path, folders: Sequence[Path] = ()) -> Path:
    """Writes report.html, summary.json, differences.json, tests.json and flips.jsonl.

    Returns the report's path. `folders` are those that were compared: their images are shown, as
    far as they are there.
    """
    summary = comparison.summary
    write_rows(out / "summary.json", summary.estimates)
    write_rows(out / "differences.json", summary.differences)
    tests = [test.model_dump(exclude={"flips"}) for test in comparison.bench.tests]
    write_object(out / "tests.json", tests, indent=1)
    lines = [
        json_of({"model": test.model, "benchmark": test.benchmark, **flip.model_dump()})
        for test in comparison.bench.tests
        for flip in test.flips
    ]
    write_atomic(out / "flips.jsonl", "".join(f"{line}\n" for line in lines).encode())
    scores, large = _scores_and_items(models_of(folders) if folders else {})
    scores += scores_of_tests(large, comparison.bench.tests)
    page = comparison_page(
        comparison.models,
        summary.estimates,
        summary.differences,
        title="Models compared",
        bench=comparison.bench,
        scores=scores,
        images=images_in(folders),
        strata=strata_of_scores(scores),
        results=[result for folder in folders for result in results_in(folder)],
    )
    return write_report(out, page)


def difference_rows(differences: Sequence[Difference]) -> list[list[str]]:
    """Differences as texts: what, of which model, by how much, with the interval."""
    from groundtune.report.figures import signed_interval, signed_text

    rows: list[list[str]] = []
    for row in differences:
        spec = metric_of(row.benchmark, row.metric)
        interval = signed_interval(row, spec)
        share = "" if row.relative is None else f"{row.relative:+.0%}"
        label = f"{row.benchmark}: {spec.label}"
        rows.append([label, row.model, signed_text(row.value, spec), f"[{interval}]", share])
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
