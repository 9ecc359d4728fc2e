"""What a comparison and a report tell of benchmarks beside their figures, from scores.

Tests of the headlines, the answers' behaviour with its warnings, other tools' readings, and who
judged. `report/bench_parts.py` has the records.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from groundtune.bench.judge.scores import REPEAT
from groundtune.bench.stats.behaviour import (
    Behaviour,
    BehaviourWarning,
    behaviour,
    guard,
    guard_change,
)
from groundtune.bench.stats.paired import (
    HeadlineTest,
    UntestedHeadline,
    as_measured,
    headline_test,
    with_holm_correction,
)
from groundtune.bench.stats.variance import components
from groundtune.bench.summary import Groups, benchmark_of, metric_of, total_groups
from groundtune.bench.text.tool_readings import DisputedAnswer, ToolReading, tool_readings
from groundtune.records import Difference, Score
from groundtune.report.bench_parts import BenchParts, JudgeSummary


class FurtherResults(NamedTuple):
    """What was measured of benchmarks that have no score records."""

    tests: Sequence[HeadlineTest] = ()
    """Not corrected."""
    untested: Sequence[UntestedHeadline] = ()
    behaviours: Sequence[Behaviour] = ()


NOTHING = FurtherResults()
NO_VALUE, UNTESTED, LOST = "no_value", "untested", "lost"
"""Guards' names. The first: a headline has a value for the first model alone, and the test in its
place doesn't show that anything got worse. The second: no metric could be tested. The third is the
second where the first model has a value."""


def parts_of(
    scores: Iterable[Score],
    *,
    against: str = "",
    judges: Mapping[tuple[str, str], dict[str, str]] | None = None,
    further: FurtherResults = NOTHING,
    differences: Iterable[Difference] = (),
    seed: int = 0,
) -> BenchParts:
    """All parts; `against` is the model that the others are tested against, the first if empty.

    `judges` are a judge's facts by (model, benchmark), as `judges_in` finds them; `further` is what
    was measured of benchmarks without scores; `differences` are the summary's, whose inference the
    tests take over.

    Raises:
        UserError: two models have not answered the same items.
    """
    groups = total_groups(scores)
    against = against or next((model for model, _, _ in groups), "")
    behaviours = {key: _behaviour(key, some) for key, some in groups.items()}
    for seen in further.behaviours:
        name, _, decoding = seen.benchmark.rpartition("/")
        behaviours[seen.model, name, decoding] = seen
    tests, untested = split_untested(headline_tests(groups, against, seed=seed))
    tests = as_measured(with_holm_correction([*tests, *further.tests]), differences)
    untested = [*untested, *further.untested]
    readings: list[ToolReading] = []
    apart: list[DisputedAnswer] = []
    for (_, benchmark, decoding), some in groups.items():
        made, told = tool_readings(some, f"{benchmark}/{decoding}")
        readings += made
        apart += told
    return BenchParts(
        tests=tuple(tests),
        behaviours=tuple(behaviours.values()),
        warnings=(
            *_without_value(tests, untested, behaviours.values()),
            *_warnings(behaviours, against),
        ),
        readings=tuple(readings),
        apart=tuple(apart),
        judges=tuple(_judges(groups, judges or {})),
    )


def headline_tests(
    groups: Groups, against: str, *, seed: int = 0
) -> list[HeadlineTest | UntestedHeadline]:
    """The headline of every benchmark of every model but the first; not yet corrected."""
    made: list[HeadlineTest | UntestedHeadline] = []
    for (model, name, decoding), some in groups.items():
        other = groups.get((against, name, decoding))
        if model == against or other is None:
            continue
        benchmark = benchmark_of(name)
        test = headline_test(some, other, benchmark.metrics, benchmark.headline, seed=seed)
        made.append(test.model_copy(update={"benchmark": f"{name}/{decoding}"}))
    return made


def split_untested(
    made: Iterable[HeadlineTest | UntestedHeadline],
) -> tuple[list[HeadlineTest], list[UntestedHeadline]]:
    """The tests, and what could not be tested."""
    every = list(made)
    tests = [each for each in every if isinstance(each, HeadlineTest)]
    return tests, [each for each in every if isinstance(each, UntestedHeadline)]


def substitutes(bench: BenchParts) -> list[tuple[str, str]]:
    """The benchmark of each test of another metric than the headline, and why that is so."""
    return [
        (
            test.benchmark,
            f"{_no_value(test, test.in_place_of, bench.behaviours)}. In its place stands: "
            f"{metric_of(test.benchmark, test.metric).label}.",
        )
        for test in bench.tests
        if test.in_place_of
    ]


def _without_value(
    tests: Iterable[HeadlineTest],
    untested: Iterable[UntestedHeadline],
    behaviours: Iterable[Behaviour],
) -> list[BehaviourWarning]:
    """What a headline without a value hides: a change that no test shows, or that none was made."""
    seen = list(behaviours)
    made: list[BehaviourWarning] = []
    for test in tests:
        if test.missing_for == (test.model,) and not test.worse:
            label = metric_of(test.benchmark, test.metric).label
            told = _no_value(test, test.in_place_of, seen)
            text = f"{told}. {label}, tested in its place, did not clearly get worse."
            made.append(_warned(test, NO_VALUE, test.items, text))
    for each in untested:
        own = (s.n for s in seen if (s.model, s.benchmark) == (each.model, each.benchmark))
        told = _no_value(each, each.metric, seen)
        text = f"not tested. {told}. No other metric has one for both models."
        guard_name = LOST if each.missing_for == (each.model,) else UNTESTED
        made.append(_warned(each, guard_name, next(own, 0), text))
    return made


def _warned(
    test: HeadlineTest | UntestedHeadline, name: str, n: int, text: str
) -> BehaviourWarning:
    return BehaviourWarning(
        model=test.model, benchmark=test.benchmark, guard=name, value=0, limit=0, n=n, text=text
    )


def _no_value(test: HeadlineTest | UntestedHeadline, metric: str, seen: Iterable[Behaviour]) -> str:
    """Of which models a headline has no value, and why, as far as their answers tell it."""
    answered = {each.model: each for each in seen if each.benchmark == test.benchmark}
    reasons = (_why(answered.get(name)) for name in test.missing_for)
    why = list(dict.fromkeys(filter(None, reasons)))
    models = " and ".join(test.missing_for)
    text = f"{metric_of(test.benchmark, metric).label} has no value for {models}"
    return f"{text}: {'; '.join(why)}" if why else text


def _why(seen: Behaviour | None) -> str:
    """What all of a model's answers have in common, "" if nothing that would leave no value."""
    if seen is None:
        return ""
    if seen.unparsed == 1:
        return "no answer can be read"
    if seen.constant == 1:
        return f"every answer is {seen.constant_text[:40]!r}"
    return "no answer is yes" if seen.yes == 0 else "no answer is no" if seen.yes == 1 else ""


def _behaviour(key: tuple[str, str, str], scores: Sequence[Score]) -> Behaviour:
    _, name, decoding = key
    return behaviour(scores).model_copy(update={"benchmark": f"{name}/{decoding}"})


def _warnings(
    behaviours: Mapping[tuple[str, str, str], Behaviour], against: str
) -> list[BehaviourWarning]:
    made: list[BehaviourWarning] = []
    for (model, name, decoding), seen in behaviours.items():
        made += guard(seen)
        other = behaviours.get((against, name, decoding))
        if model != against and other is not None:
            made += guard_change(seen, other)
    return made


def _judges(groups: Groups, judges: Mapping[tuple[str, str], dict[str, str]]) -> list[JudgeSummary]:
    made: list[JudgeSummary] = []
    for (model, name, decoding), some in groups.items():
        repeats = [
            [value for column, value in score.values.items() if column.startswith(REPEAT)]
            for score in some
        ]
        found = components(repeats)
        facts = judges.get((model, name), {})
        if facts or found:
            made.append(
                JudgeSummary(
                    benchmark=f"{name}/{decoding}",
                    model=model,
                    properties=facts,
                    items=found.items if found else len(some),
                    repeats=found.repeats if found else 1.0,
                    item_error=found.item_error if found else 0.0,
                    judge_error=found.judge_error if found else 0.0,
                    judge_share=found.judge_share if found else 0.0,
                )
            )
    return made
