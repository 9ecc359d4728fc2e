"""Agreement on real marks: two people each on 80 answers, and people against GPT-4 on 2,000.

The alphas are what the package `krippendorff` 0.9.0 says of the same values, to the last digits. It
isn't installed: it is under the GPL. The data don't have the answers' texts, only the marks.
"""

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from groundtune.feedback.agreement.alpha import Sums, Unit, added, alpha_of, unit_sums
from groundtune.feedback.agreement.results import MarkedText, text_sums
from groundtune.records import Span

KINDS = {0: "number", 1: "object", 2: "attribute", 3: "other"}
LENGTH = 601
"""Characters after the last mark."""
Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answer_of(row: Row) -> tuple[Any, ...]:
    return row["dataset"], row["model"], row["setup"], row["table_idx"]


def spans_of(row: Row) -> tuple[Span, ...]:
    found: list[Span] = []
    for mark in sorted(row["annotations"], key=lambda m: (m["start"], -len(m["text"]))):
        start, end = mark["start"], mark["start"] + len(mark["text"])
        if end > start and (not found or start >= found[-1].end):
            found.append(
                Span.model_validate({"start": start, "end": end, "kind": KINDS[mark["type"]]})
            )
    return tuple(found)


def sums_of(pairs: list[tuple[tuple[Span, ...], ...]]) -> Sums:
    found: list[Sums] = []
    for people in pairs:
        length = max([600, *(span.end for spans in people for span in spans)]) + 1
        marked = [MarkedText(spans, "wrong" if spans else "nothing_wrong") for spans in people]
        single = [
            [Unit(i, i + 1, "m") for span in spans for i in range(span.start, span.end)]
            for spans in people
        ]
        found += [text_sums("x" * length, marked), unit_sums("characters", length, single)]
    return added(found)


def test_two_people_on_80_answers(test_data: Path):
    by_answer: dict[tuple[Any, ...], dict[str, Row]] = defaultdict(dict)
    for name in ("human", "human_corr"):
        for row in rows(test_data / "quintd" / f"{name}.jsonl"):
            by_answer[answer_of(row)][row["annotator"]] = row
    pairs = [tuple(map(spans_of, own.values())) for own in by_answer.values() if len(own) > 1]
    assert len(pairs) == 80
    sums = sums_of(pairs)
    assert alpha_of("wrong", sums) == pytest.approx(0.21070049641478217, abs=1e-12)
    assert alpha_of("kinds", sums) == pytest.approx(0.39777983348751167, abs=1e-12)
    assert alpha_of("characters", sums) == pytest.approx(0.31112480803636033, abs=1e-12)
    strangers = sums_of([(first[0], second[1]) for first, second in pairwise(pairs)])
    assert alpha_of("places", strangers) == pytest.approx(0.0, abs=0.05)


def test_people_and_gpt_4_on_2000_answers(test_data: Path):
    people = {answer_of(row): spans_of(row) for row in rows(test_data / "quintd" / "human.jsonl")}
    files = sorted((test_data / "quintd" / "gpt-4").glob("*.jsonl"))
    model = {answer_of(row): spans_of(row) for path in files for row in rows(path)}
    sums = sums_of([(spans, model[answer]) for answer, spans in people.items()])
    assert alpha_of("wrong", sums) == pytest.approx(0.19505875155201258, abs=1e-12)
    assert alpha_of("kinds", sums) == pytest.approx(0.37673046637932317, abs=1e-12)
    assert alpha_of("characters", sums) == pytest.approx(0.30922118568323265, abs=1e-12)
