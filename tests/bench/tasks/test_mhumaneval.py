"""Answers that people marked: read from lines or corrections, and counted by kind."""

import json
from pathlib import Path
from typing import Any

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemAnswer
from groundtune.bench.stats.sums import tabulate, value_of
from groundtune.bench.tasks.mhumaneval import MHUMANEVAL, MarkedItems
from groundtune.errors import UserError
from groundtune.records import Correction, Producer, Score, Span
from groundtune.store.dataset import RecordSet


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


ROWS: list[dict[str, Any]] = [
    {"id": 1, "answer": "Two cats.", "marks": [{"start": 0, "end": 3, "kind": "number"}]},
    {"id": 2, "answer": "A dog runs.", "marks": [{"text": "dog", "kind": "object"},
                                                 {"text": "runs", "kind": "action"}]},
    {"id": 3, "answer": "A red car.", "marks": []},
    {"id": 4, "answer": "A tree.", "marks": None},
]  # fmt: skip


def scores(path: Path, data: MarkedItems | None = None) -> list[Score]:
    answers = MHUMANEVAL.read_answers(path, data or MarkedItems())
    return MHUMANEVAL.score(data or MarkedItems(), answers, Scoring(model="m"))


def metrics(found: list[Score]) -> dict[str, float | None]:
    return {metric.name: value_of(tabulate(found), metric) for metric in MHUMANEVAL.metrics}


def test_rates_by_kind_are_of_the_answers_that_somebody_looked_at(tmp_path: Path):
    found = scores(lines(tmp_path / "marked.jsonl", ROWS))
    assert [each.status for each in found] == ["scored", "scored", "scored", "unparsed"]
    assert found[1].extracted == ("dog", "runs")
    told = metrics(found)
    assert told["hallucination_rate"] == pytest.approx(2 / 3)
    assert told["object_rate"] == told["number_rate"] == told["other_rate"] == pytest.approx(1 / 3)
    assert told["position_rate"] == 0
    assert told["marks"] == 1
    assert told["unparsed"] == 1 / 4


def test_corrections_of_a_run_are_marked_answers(tmp_path: Path):
    made = Correction(
        key="c",
        prompt="p1",
        answer="a1",
        text="A blue bus.",
        spans=(Span(start=2, end=6, kind="attribute", replacement="red"),),
        corrected="A red bus.",
        by=Producer(kind="person", name="ann"),
    )
    RecordSet(tmp_path / "corrections", Correction).append([made])
    (found,) = scores(tmp_path)
    assert (found.item, found.extracted, found.spans[0].replacement) == ("p1", ("blue",), "red")
    assert (found.values["other"], found.values["object"]) == (1, 0)


EMOJI = "\U0001f600 Two cats \u00e9t\u00e9 \U0001f468\u200d\U0001f469 dogs."
COUNTED = {
    "characters": lambda text: len(text),
    "UTF-16 units": lambda text: len(text.encode("utf-16-le")) // 2,
    "UTF-8 bytes": lambda text: len(text.encode()),
}


def counted(unit: str, words: str, **more: str) -> dict[str, Any]:
    start = EMOJI.index(words)
    first, last = (COUNTED[unit](EMOJI[:place]) for place in (start, start + len(words)))
    return {"start": first, "end": last, "kind": "object", **more}


@pytest.mark.parametrize("unit", COUNTED)
def test_offsets_of_any_counting_are_recognised_by_the_texts_of_the_marks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, unit: str
):
    proof = {"id": 1, "answer": EMOJI, "marks": [counted(unit, "dogs", text="dogs")]}
    bare = {"id": 2, "answer": EMOJI, "marks": [counted(unit, "cats"), counted(unit, "dogs")]}
    found = scores(lines(tmp_path / "marked.jsonl", [proof, bare]))
    assert [each.extracted for each in found] == [("dogs",), ("cats", "dogs")]
    assert (f"offsets are {unit}" in caplog.text) == (unit != "characters")


def test_a_mark_that_is_nowhere_at_its_text_is_refused_and_one_without_text_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    row = {"id": 1, "answer": EMOJI, "marks": [counted("characters", "cats", text="dogs")]}
    with pytest.raises(
        UserError, match=r"is not at its text 'dogs', whether in characters"
    ) as caught:
        scores(lines(tmp_path / "a.jsonl", [{"id": 0, "answer": "A.", "marks": []}, row]))
    assert caught.value.where.endswith("a.jsonl:2")
    row["marks"] = [counted("characters", "dogs")]
    assert scores(lines(tmp_path / "b.jsonl", [row]))[0].extracted == ("dogs",)
    assert "1 marks name no text" in caplog.text
    row["marks"] = [counted("UTF-16 units", "dogs.")]
    with pytest.raises(UserError, match="outside its answer"):
        scores(lines(tmp_path / "c.jsonl", [row]))


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ({"start": 0, "end": 99, "kind": "object"}, r"\[0, 99\) is outside"),
        ({"start": 3, "end": 1, "kind": "object"}, r"\[3, 1\) is outside"),
        ({"text": "horse", "kind": "object"}, "'horse' is not in the answer"),
        ({"start": 2, "end": 2, "kind": "object"}, r"\[2, 2\) is empty"),
        ({"start": 0, "end": 1, "kind": "feeling"}, "be parsed"),
        ("dog", "be parsed"),
    ],
)
def test_a_mark_that_makes_no_sense_is_refused(tmp_path: Path, mark: object, said: str):
    path = lines(tmp_path / "m.jsonl", [{"id": 1, "answer": "A dog.", "marks": [mark]}])
    with pytest.raises(UserError, match=said):
        scores(path)


def test_where_something_is_missing_an_empty_mark_counts_as_we_export_it(tmp_path: Path):
    mark = {"start": 2, "end": 2, "text": "", "kind": "object"}
    path = lines(tmp_path / "m.jsonl", [{"id": 1, "answer": "A dog.", "marks": [mark]}])
    assert scores(path)[0].values["marks"] == 1.0


def test_a_row_that_does_not_say_whether_it_was_looked_at_is_refused(tmp_path: Path):
    path = lines(tmp_path / "m.jsonl", [{"id": 1, "answer": "A dog."}])
    with pytest.raises(UserError, match='no "marks"'):
        scores(path)


def test_given_items_must_all_be_answered(tmp_path: Path):
    data = MHUMANEVAL.read_data([lines(tmp_path / "d.jsonl", [{"id": i} for i in range(1, 6)])])
    with pytest.raises(UserError, match="1 of 5 items have no answer"):
        scores(lines(tmp_path / "m.jsonl", ROWS), data)
    assert MHUMANEVAL.read_data([]) == MarkedItems()


def test_another_mark_is_another_score():
    answers = [
        ItemAnswer(text="A dog.", item="1", extra={"marks": marks})
        for marks in ("[]", '[{"start": 2, "end": 5, "kind": "object"}]')
    ]
    first, second = MHUMANEVAL.score(MarkedItems(), answers, Scoring())
    assert first.key != second.key
