"""Further parts of a comparison or report, from scores.

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
    """Measurements of benchmarks without score records."""

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
    behaviours = {key: _behaviour(key, members) for key, members in groups.items()}
    for known_behaviour in further.behaviours:
        name, _, decoding = known_behaviour.benchmark.rpartition("/")
        behaviours[known_behaviour.model, name, decoding] = known_behaviour
    tests, without_test = split_untested(headline_tests(groups, against, seed=seed))
    tests = as_measured(with_holm_correction([*tests, *further.tests]), differences)
    without_test = [*without_test, *further.untested]
    readings: list[ToolReading] = []
    apart: list[DisputedAnswer] = []
    for (_, benchmark, decoding), members in groups.items():
        tool_rows, disputed = tool_readings(members, f"{benchmark}/{decoding}")
        readings += tool_rows
        apart += disputed
    return BenchParts(
        tests=tuple(tests),
        behaviours=tuple(behaviours.values()),
        warnings=(
            *_without_value(tests, without_test, behaviours.values()),
            *_warnings(behaviours, against),
        ),
        readings=tuple(readings),
        apart=tuple(apart),
        judges=tuple(_judges(groups, judges or {})),
    )


def headline_tests(
    groups: Groups, against: str, *, seed: int = 0
) -> list[HeadlineTest | UntestedHeadline]:
    """Test the headline of every benchmark of every model but the first; without correction."""
    results: list[HeadlineTest | UntestedHeadline] = []
    for (model, name, decoding), members in groups.items():
        other = groups.get((against, name, decoding))
        if model == against or other is None:
            continue
        benchmark = benchmark_of(name)
        test = headline_test(members, other, benchmark.metrics, benchmark.headline, seed=seed)
        results.append(test.model_copy(update={"benchmark": f"{name}/{decoding}"}))
    return results


def split_untested(
    results: Iterable[HeadlineTest | UntestedHeadline],
) -> tuple[list[HeadlineTest], list[UntestedHeadline]]:
    """Separate the tests from the headlines that could not be tested."""
    all_results = list(results)
    tests = [result for result in all_results if isinstance(result, HeadlineTest)]
    return tests, [result for result in all_results if isinstance(result, UntestedHeadline)]


def substitutes(bench: BenchParts) -> list[tuple[str, str]]:
    """The benchmarks whose test uses another metric than the headline, each with the reason."""
    return [
        (
            test.benchmark,
            f"{_no_value(test, test.in_place_of, bench.behaviours)}. Shown in its place: "
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
    behaviour_list = list(behaviours)
    warnings: list[BehaviourWarning] = []
    for test in tests:
        if test.missing_for == (test.model,) and not test.worse:
            label = metric_of(test.benchmark, test.metric).label
            explanation = _no_value(test, test.in_place_of, behaviour_list)
            text = f"{explanation}. {label}, tested in its place, did not clearly get worse."
            warnings.append(_warned(test, NO_VALUE, test.items, text))
    for headline in untested:
        counts = (
            s.n
            for s in behaviour_list
            if (s.model, s.benchmark) == (headline.model, headline.benchmark)
        )
        explanation = _no_value(headline, headline.metric, behaviour_list)
        text = f"not tested. {explanation}. No other metric has one for both models."
        guard_name = LOST if headline.missing_for == (headline.model,) else UNTESTED
        warnings.append(_warned(headline, guard_name, next(counts, 0), text))
    return warnings


def _warned(
    test: HeadlineTest | UntestedHeadline, name: str, n: int, text: str
) -> BehaviourWarning:
    return BehaviourWarning(
        model=test.model, benchmark=test.benchmark, guard=name, value=0, limit=0, n=n, text=text
    )


def _no_value(
    test: HeadlineTest | UntestedHeadline, metric: str, behaviours: Iterable[Behaviour]
) -> str:
    """Of which models a headline has no value, and why, as far as their answers tell it."""
    by_model = {
        behaviour.model: behaviour
        for behaviour in behaviours
        if behaviour.benchmark == test.benchmark
    }
    reasons = (_why(by_model.get(name)) for name in test.missing_for)
    why = list(dict.fromkeys(filter(None, reasons)))
    models = " and ".join(test.missing_for)
    text = f"{metric_of(test.benchmark, metric).label} has no value for {models}"
    return f"{text}: {'; '.join(why)}" if why else text


def _why(behaviour: Behaviour | None) -> str:
    """What all of a model's answers share; "" if it doesn't explain a missing value."""
    if behaviour is None:
        return ""
    if behaviour.unparsed == 1:
        return "no answer can be read"
    if behaviour.constant == 1:
        return f"every answer is {behaviour.constant_text[:40]!r}"
    return (
        "no answer is yes"
        if behaviour.yes == 0
        else "no answer is no"
        if behaviour.yes == 1
        else ""
    )


def _behaviour(key: tuple[str, str, str], scores: Sequence[Score]) -> Behaviour:
    _, name, decoding = key
    return behaviour(scores).model_copy(update={"benchmark": f"{name}/{decoding}"})


def _warnings(
    behaviours: Mapping[tuple[str, str, str], Behaviour], against: str
) -> list[BehaviourWarning]:
    warnings: list[BehaviourWarning] = []
    for (model, name, decoding), model_behaviour in behaviours.items():
        warnings += guard(model_behaviour)
        other = behaviours.get((against, name, decoding))
        if model != against and other is not None:
            warnings += guard_change(model_behaviour, other)
    return warnings


def _judges(groups: Groups, judges: Mapping[tuple[str, str], dict[str, str]]) -> list[JudgeSummary]:
    summaries: list[JudgeSummary] = []
    for (model, name, decoding), members in groups.items():
        repeats = [
            [value for column, value in score.values.items() if column.startswith(REPEAT)]
            for score in members
        ]
        variance = components(repeats)
        facts = judges.get((model, name), {})
        if facts or variance:
            summaries.append(
                JudgeSummary(
                    benchmark=f"{name}/{decoding}",
                    model=model,
                    properties=facts,
                    items=variance.items if variance else len(members),
                    repeats=variance.repeats if variance else 1.0,
                    item_error=variance.item_error if variance else 0.0,
                    judge_error=variance.judge_error if variance else 0.0,
                    judge_share=variance.judge_share if variance else 0.0,
                )
            )
    return summaries
