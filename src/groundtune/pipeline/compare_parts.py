"""What a comparison and a report tell of benchmarks beside their figures, from scores.

Tests of the headlines, the answers' behaviour with its warnings, other tools' readings, and who
judged. `report/bench_parts.py` has the records.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from groundtune.bench.guards import Behaviour, Warned, behaviour, guard, guard_change
from groundtune.bench.judge_scores import REPEAT
from groundtune.bench.judge_variance import components
from groundtune.bench.paired import HeadlineTest, corrected, headline_test
from groundtune.bench.summary import BENCHMARKS, benchmark_of, groups_of
from groundtune.bench.tool_readings import ReadApart, ToolReading, tool_readings
from groundtune.records import Score
from groundtune.report.bench_parts import BenchParts, JudgeFacts


class Measured(NamedTuple):
    """What was measured of benchmarks that have no score records."""

    tests: Sequence[HeadlineTest] = ()
    """Not corrected."""
    behaviours: Sequence[Behaviour] = ()


NOTHING = Measured()
Groups = dict[tuple[str, str, str], list[Score]]
"""By (model, benchmark, decoding)."""


def wholes_of(scores: Iterable[Score]) -> Groups:
    """The scores of each model, benchmark and decoding; a file benchmark's parts are left out.

    The world's parts have no whole.
    """
    return {
        key: some
        for key, some in groups_of(scores).items()
        if "/" not in key[1] or key[1].partition("/")[0] in BENCHMARKS
    }


def parts_of(
    scores: Iterable[Score],
    *,
    against: str = "",
    judges: Mapping[tuple[str, str], dict[str, str]] | None = None,
    further: Measured = NOTHING,
    seed: int = 0,
) -> BenchParts:
    """All parts; `against` is the model that the others are tested against, the first if empty.

    `judges` are a judge's facts by (model, benchmark), as `judges_in` finds them; `further` is what
    was measured of benchmarks without scores.

    Raises:
        UserError: two models have not answered the same items.
    """
    groups = wholes_of(scores)
    against = against or next((model for model, _, _ in groups), "")
    behaviours = {key: _behaviour(key, some) for key, some in groups.items()}
    for seen in further.behaviours:
        name, _, decoding = seen.benchmark.rpartition("/")
        behaviours[seen.model, name, decoding] = seen
    readings: list[ToolReading] = []
    apart: list[ReadApart] = []
    for (_, benchmark, decoding), some in groups.items():
        made, told = tool_readings(some, f"{benchmark}/{decoding}")
        readings += made
        apart += told
    return BenchParts(
        tests=tuple(corrected([*headline_tests(groups, against, seed=seed), *further.tests])),
        behaviours=tuple(behaviours.values()),
        warnings=tuple(_warnings(behaviours, against)),
        readings=tuple(readings),
        apart=tuple(apart),
        judges=tuple(_judges(groups, judges or {})),
    )


def headline_tests(groups: Groups, against: str, *, seed: int = 0) -> list[HeadlineTest]:
    """The headline of every benchmark of every model but the first; not yet corrected."""
    made: list[HeadlineTest] = []
    for (model, name, decoding), some in groups.items():
        other = groups.get((against, name, decoding))
        if model == against or other is None:
            continue
        benchmark = benchmark_of(name)
        test = headline_test(some, other, benchmark.metrics, benchmark.headline, seed=seed)
        if test is not None:
            made.append(test.model_copy(update={"benchmark": f"{name}/{decoding}"}))
    return made


def _behaviour(key: tuple[str, str, str], scores: Sequence[Score]) -> Behaviour:
    _, name, decoding = key
    return behaviour(scores).model_copy(update={"benchmark": f"{name}/{decoding}"})


def _warnings(behaviours: Mapping[tuple[str, str, str], Behaviour], against: str) -> list[Warned]:
    made: list[Warned] = []
    for (model, name, decoding), seen in behaviours.items():
        made += guard(seen)
        other = behaviours.get((against, name, decoding))
        if model != against and other is not None:
            made += guard_change(seen, other)
    return made


def _judges(groups: Groups, judges: Mapping[tuple[str, str], dict[str, str]]) -> list[JudgeFacts]:
    made: list[JudgeFacts] = []
    for (model, name, decoding), some in groups.items():
        repeats = [
            [value for column, value in score.values.items() if column.startswith(REPEAT)]
            for score in some
        ]
        found = components(repeats)
        facts = judges.get((model, name), {})
        if facts or found:
            made.append(
                JudgeFacts(
                    benchmark=f"{name}/{decoding}",
                    model=model,
                    facts=facts,
                    items=found.items if found else len(some),
                    repeats=found.repeats if found else 1.0,
                    item_error=found.item_error if found else 0.0,
                    judge_error=found.judge_error if found else 0.0,
                    judge_share=found.judge_share if found else 0.0,
                )
            )
    return made


def judges_in(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Who judged, by (model, benchmark), as FOLDER/results/*.json say; files of others are left."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted(folder.glob("results/*.json")):
        told = _object(path)
        judge = told.get("judge")
        if isinstance(judge, dict):
            facts = {str(k): str(v) for k, v in cast("dict[object, object]", judge).items()}
            name, mode = str(told.get("benchmark", "")), str(told.get("mode", "official"))
            named = name if mode == "official" else f"{name}:{mode}"
            found[str(told.get("model", "")), named] = facts
    return found


def results_in(folder: Path) -> list[dict[str, Any]]:
    """What `bench score` kept in FOLDER/results/, in the order of the files' names."""
    return [told for path in sorted(folder.glob("results/*.json")) if (told := _object(path))]


def _object(path: Path) -> dict[str, Any]:
    try:
        found: object = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # another tool's file: it only lacks what would be told beside the figures
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
