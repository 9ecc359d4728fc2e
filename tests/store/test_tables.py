# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# Reason: pyarrow ships no types.

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from groundtune import records
from groundtune.errors import UserError
from groundtune.records import (
    Answer,
    Correction,
    ImagePart,
    Message,
    Pair,
    Producer,
    Prompt,
    Sampling,
    Score,
    Source,
    Span,
    TextPart,
)
from groundtune.store.arrow_values import arrow_schema
from groundtune.store.tables import (
    from_table,
    read_parquet,
    to_table,
    write_parquet,
)

RECORDS = [
    each
    for each in vars(records).values()
    if isinstance(each, type) and issubclass(each, records.Record) and "key" in each.model_fields
]

PROMPT = Prompt(
    key="p",
    messages=(
        Message(role="system", content=(TextPart(text="Be brief."),)),
        Message(
            role="user", content=(ImagePart(image="ab"), TextPart(text="What is it? \U0001f600"))
        ),
    ),
    facts=("one",),
    source=Source(dataset="d", extra={"column": "value"}),
)

text = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda each: each.__name__)
def test_every_record_with_a_key_has_an_arrow_column_for_each_field(record: type[BaseModel]):
    assert arrow_schema(record).names == list(record.model_fields)


def test_a_schema_says_which_columns_may_be_null():
    schema = arrow_schema(Answer)
    assert schema.field("text").type == pa.string()
    assert not schema.field("text").nullable
    assert schema.field("producer").type.field("sampling").nullable
    assert arrow_schema(Score).field("values").type == pa.map_(
        pa.string(), pa.field("item", pa.float64(), nullable=False)
    )


def test_messages_of_text_and_images_come_back_as_they_went():
    assert from_table(to_table([PROMPT], Prompt), Prompt) == [PROMPT]


def test_maps_and_missing_values_come_back_as_they_went():
    scores = [
        Score(
            key="a",
            benchmark="b",
            item="i",
            image="x",
            model="m",
            values={"n": 1.0},
            strata={"s": "t"},
        ),
        Score(key="c", benchmark="b", item="i", image="x", model="m", status="unparsed"),
    ]
    assert from_table(to_table(scores, Score), Score) == scores


@given(st.lists(st.tuples(text, text, st.integers(0, 9), st.one_of(st.none(), text)), max_size=5))
def test_pairs_with_any_text_come_back_as_they_went(rows: list[tuple[str, str, int, str | None]]):
    pairs = [
        Pair(
            key=str(number),
            prompt="p",
            chosen=chosen,
            rejected=rejected,
            rejected_spans=(Span(start=start, end=start + 1, replacement=replacement),),
            origin="correction",
        )
        for number, (chosen, rejected, start, replacement) in enumerate(rows)
    ]
    assert from_table(to_table(pairs, Pair), Pair) == pairs


def test_a_file_comes_back_as_it_went_and_leaves_nothing_else_behind(tmp_path: Path):
    answer = Answer(
        key="k",
        prompt="p",
        text=" a\n",
        producer=Producer(kind="model", name="m", sampling=Sampling(), seed=2**62),
    )
    write_parquet(tmp_path / "new" / "a.parquet", [answer], Answer)
    assert read_parquet(tmp_path / "new" / "a.parquet", Answer) == [answer]
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["a.parquet"]


def test_a_missing_column_is_named(tmp_path: Path):
    pq.write_table(to_table([PROMPT], Prompt).drop_columns("messages"), tmp_path / "p.parquet")
    with pytest.raises(UserError, match=r"'messages' is missing.*\n.*p\.parquet"):
        read_parquet(tmp_path / "p.parquet", Prompt)


def test_a_column_with_a_default_may_be_absent(tmp_path: Path):
    pq.write_table(to_table([PROMPT], Prompt).drop_columns("options"), tmp_path / "p.parquet")
    assert read_parquet(tmp_path / "p.parquet", Prompt) == [PROMPT]


def test_an_unknown_column_and_one_of_another_type_are_named(tmp_path: Path):
    table = to_table([PROMPT], Prompt)
    pq.write_table(table.append_column("colour", pa.array(["red"])), tmp_path / "unknown.parquet")
    with pytest.raises(UserError, match="'colour' is unknown"):
        read_parquet(tmp_path / "unknown.parquet", Prompt)
    pq.write_table(table.set_column(0, "key", pa.array([7])), tmp_path / "type.parquet")
    with pytest.raises(UserError, match="'key' is int64, not string"):
        read_parquet(tmp_path / "type.parquet", Prompt)


@pytest.mark.parametrize(("score", "refused"), [(2.5, True), (None, False)])
def test_scores_of_an_earlier_version_whose_direction_is_unknown_are_refused(
    tmp_path: Path, score: float | None, refused: bool
):
    path = tmp_path / "old.parquet"
    pair = Pair(key="k", prompt="p", chosen="a", rejected="b", origin="dataset")
    dropped = ["chosen_rating", "rejected_rating", "chosen_severity", "rejected_severity"]
    table = to_table([pair], Pair).drop_columns(dropped)
    for name in ("chosen_score", "rejected_score"):
        table = table.append_column(name, pa.array([score], pa.float64()))
    pq.write_table(table, path)
    if not refused:
        assert read_parquet(path, Pair) == [pair]
        return
    with pytest.raises(UserError, match="'chosen_score' is from an earlier version") as caught:
        read_parquet(path, Pair)
    assert "Import the data set again" in caught.value.fix


@pytest.mark.parametrize(
    "change",
    [
        {"rejected_severity": -4.0},
        {"chosen_severity": float("nan")},
        {"chosen_rating": float("inf")},
    ],
)
def test_a_stored_severity_below_0_or_a_number_that_is_not_finite_is_refused(
    tmp_path: Path, change: dict[str, float]
):
    pair = Pair(key="k", prompt="p", chosen="a", rejected="b", origin="dataset")
    table = to_table([pair.model_copy(update=change)], Pair)
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=f"Row 0, column {next(iter(change))}"):
        read_parquet(tmp_path / "a.parquet", Pair)


def test_a_row_that_the_record_refuses_is_named_by_its_number(tmp_path: Path):
    pq.write_table(
        pa.table(
            {"key": ["a", ""], "messages": pa.array([[], []], arrow_schema(Prompt).field(1).type)}
        ),
        tmp_path / "p.parquet",
    )
    with pytest.raises(UserError, match="Row 1, column key"):
        read_parquet(tmp_path / "p.parquet", Prompt)


@pytest.mark.parametrize("content", [None, b"", b"PAR1 not really PAR1"])
def test_a_file_that_is_not_parquet_is_named(tmp_path: Path, content: bytes | None):
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.parquet"):
        read_parquet(path, Prompt)


def test_text_of_other_writers_large_strings_is_read(tmp_path: Path):
    table = to_table([PROMPT], Prompt)
    pq.write_table(
        table.set_column(0, "key", pa.array(["p"], pa.large_string())), tmp_path / "p.parquet"
    )
    assert read_parquet(tmp_path / "p.parquet", Prompt) == [PROMPT]


def test_corrections_of_an_earlier_version_are_read_with_the_verdict_that_follows(tmp_path: Path):
    span = {"start": 2, "end": 5, "kind": "object", "severity": None, "replacement": "cat"}
    row = {"prompt": "p", "answer": "a", "text": "A dog.", "seconds": 3.5}
    by = {"kind": "person", "name": "ada", "revision": "", "prompt_hash": ""}
    rows = [
        {**row, "key": "1", "corrected": "A cat.", "spans": [{**span, "by": "ada"}], "by": by},
        {**row, "key": "2", "corrected": "A dog.", "spans": [], "by": by},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "old.parquet")
    read = read_parquet(tmp_path / "old.parquet", Correction)
    assert [each.verdict for each in read] == ["wrong", "nothing_wrong"]
    (edit,) = read[0].spans
    assert (edit.replacement, edit.label, edit.note) == ("cat", "", "")


def test_a_nested_record_without_a_required_field_is_refused(tmp_path: Path):
    row = {"key": "1", "prompt": "p", "answer": "a", "text": "A dog.", "corrected": "A dog."}
    by = {"kind": "person", "name": "ada"}
    table = pa.Table.from_pylist([{**row, "spans": [{"start": 2, "kind": "object"}], "by": by}])
    with pytest.raises(UserError, match="Field required"):
        from_table(table, Correction)
