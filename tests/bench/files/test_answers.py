"""Files of answers in every layout, and what is said of files that can't be read."""

import json
from pathlib import Path

import pytest

from groundtune.bench.files.answers import answers_of, has_truth
from groundtune.bench.files.checks import by_id, expect_rows
from groundtune.bench.files.revisions import KNOWN, describe
from groundtune.bench.item import ItemAnswer
from groundtune.errors import UserError

ROWS = [{"question_id": 1, "answer": "Yes"}, {"question_id": 2, "answer": "No\n\u00fc"}]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, ROWS)),
        "\n".join(map(json.dumps, ROWS)) + "\n\n",
        "\ufeff" + "\r\n".join(map(json.dumps, ROWS)),
        json.dumps(ROWS),
        "\n " + json.dumps(ROWS, indent=4) + "\n",
    ],
)
def test_lines_and_lists_give_the_same_answers(tmp_path: Path, text: str):
    told = list(answers_of(write(tmp_path / "a.json", text)))
    assert [(a.text, a.item) for a in told] == [("Yes", "1"), ("No\n\u00fc", "2")]


def test_tables_keep_text_as_it_is(tmp_path: Path):
    tsv = write(tmp_path / "a.tsv", 'index\tprediction\tanswer\n7\t"No,\tnot ""there"""\tYes\n')
    (told,) = answers_of(tsv)
    assert told == ItemAnswer(
        text='No,\tnot "there"',
        item="7",
        row=2,
        extra={"index": "7", "answer": "Yes"},
    )
    csv = write(tmp_path / "a.csv", "question_id,answer\n1,yes\n")
    assert [a.text for a in answers_of(csv)] == ["yes"]


def test_workbooks_are_read_where_openpyxl_is(tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra tables")
    book = openpyxl.Workbook()
    for row in (("index", "prediction"), (1, "Yes"), (2, None)):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert [(a.item, a.text) for a in answers_of(tmp_path / "a.xlsx")] == [("1", "Yes"), ("2", "")]


def test_samples_of_lmms_eval_say_what_was_filtered(tmp_path: Path):
    sample = {
        "doc_id": 4,
        "doc": {"question_id": "9", "question": "Is it?", "options": ["a"]},
        "target": "yes",
        "resps": [["Yes, it is"]],
        "filtered_resps": ["yes"],
    }
    (told,) = answers_of(write(tmp_path / "x_samples_y.jsonl", json.dumps(sample)))
    assert told.text == "yes"
    assert told.item == "9"
    assert told.extra == {"question_id": "9", "question": "Is it?", "target": "yes"}
    del sample["filtered_resps"]
    (told,) = answers_of(write(tmp_path / "x_samples_y.jsonl", json.dumps(sample)))
    assert told.text == "Yes, it is"


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.json", '{"answer": "yes"}\n{"answer": "no"', "a.json:2"),
        ("a.json", '[{"answer": "yes"}, {"answer":', "row 2 (line 1, column 31)"),
        ("a.json", '[{"answer": "yes"},\n {"answer": no}]', "row 2 (line 2, column 13)"),
        ("a.json", '[{"answer": "yes"} {"answer": "no"}]', "row 1 (line 1, column 20)"),
        ("a.json", '{"answer": "yes"}\n["no"]', "a.json:2"),
        ("a.json", '{"answer": "yes"}\n{"answer": 1}', "a.json:2"),
        ("a.json", '{"said": "yes"}', "a.json:1"),
        ("a.json", '[{"answer": "yes"}]\n[{"answer": "no"}]', "a.json (line 2, column 1)"),
        ("a.json", '[{"answer": "yes"}]' + " " * (1 << 17) + "}", "a.json (line 1, column 131092)"),
        (
            "a.json",
            '[{"answer": "yes"}, {"answer": ' + "1" * 5000 + "}]",
            "row 2 (line 1, column 21)",
        ),
        ("a.json", '[{"answer": "yes"}, ' + "[" * 100_000, "row 2 (line 1, column 21)"),
        ("a.json", '{"answer": "yes"}\n{"answer": ' + "1" * 5000 + "}", "a.json:2"),
        ("a.json", '{"answer": "yes"}\n{"answer": ' + "[" * 100_000, "a.json:2"),
        ("a.json", '{"answer": "yes"}\n{"answer": "n\\ud800"}', "a.json:2"),
        ("a.json", '{"doc": {}, "target": "", "resps": ["n\\ud800"]}', "a.json:1"),
        (
            "a.json",
            '{"version": 2, "eval": {}, "samples": [{"output": {"choices": '
            '[{"message": {"content": "n\\ud800"}}]}}]}',
            "samples 1",
        ),
        ("a.csv", "question_id,answer\n1,yes,no\n", "a.csv:2"),
        ("a.csv", "", "a.csv"),
    ],
)
def test_a_row_that_cant_be_read_is_named(tmp_path: Path, name: str, text: str, where: str):
    with pytest.raises(UserError) as error:
        list(answers_of(write(tmp_path / name, text)))
    assert error.value.where.endswith(where)


@pytest.mark.parametrize("after", [0, 1 << 17])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{{"answer": "{}caf\u00e9"}}]'),
        ("a.jsonl", '{{"answer": "{}caf\u00e9"}}\n'),
        ("a.tsv", "question_id\tanswer\n1\t{}caf\u00e9\n"),
        ("a.csv", "question_id,answer\n1,{}caf\u00e9\n"),
    ],
)
def test_latin_1_is_the_users_error_wherever_it_is(
    tmp_path: Path, name: str, text: str, after: int
):
    (tmp_path / name).write_bytes(text.format("x" * after).encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8, for it has the byte 0xe9"):
        list(answers_of(tmp_path / name))


@pytest.mark.parametrize(
    "row",
    [
        {"index": 1, "question": "Is it?", "answer": "Yes"},
        {"index": "0", "question": "", "answer": "Yes", "category": "VD", "l2-category": "chart"},
        {"index": 1, "answer": "A"},
        {"Index": 1, "Answer": "A"},
        {"index": 1, "question": "What?", "category": "conv", "caption": "A cat."},
        {"question_id": 1, "question": "Is it?", "answer": "yes", "category": "random"},
        {"index": 1, "question": "Is it?", "answer": "Yes", "response": "No"},
    ],
)
def test_the_truth_of_a_table_of_questions_is_no_answer(tmp_path: Path, row: dict[str, object]):
    lines = write(tmp_path / "a.jsonl", json.dumps(row))
    with pytest.raises(UserError, match='without "prediction"') as error:
        list(answers_of(lines, text=("caption", "answer", "response", "prediction")))
    assert error.value.where.endswith("a.jsonl:1")
    said = row | {"Prediction": "said"}
    (told,) = answers_of(write(lines, json.dumps(said)), text=("caption", "answer", "prediction"))
    assert told.text == "said"
    (told,) = answers_of(write(lines, json.dumps(said | {"prediction": "rather"})))
    assert told.text == "rather"


@pytest.mark.parametrize(
    "names",
    [
        "question answer",  # POPE
        "question_id image text category",  # LLaVA-Bench, GPT-4's answers too
        "image_url question description type split id answer",  # RefoMB
        "id response",  # AMBER
        "question_id answer",  # VQA
        "category subcategory visual_input set_id figure_id question_id question gt_answer answer",
        "question_type question_topic image_id image_src question gt_answer model_answer",  # MMHal
        "image_id caption",  # CHAIR
        "index response",
    ],
)
def test_official_layouts_are_no_tables_of_questions(names: str):
    assert not has_truth(names.split())


def answers(*ids: str) -> list[ItemAnswer]:
    return [ItemAnswer(text=name, item=name, row=row) for row, name in enumerate(ids, 1)]


def test_answers_are_brought_into_the_order_of_the_data():
    assert [a.item for a in by_id(answers("b", "a"), ["a", "b"], "x")] == ["a", "b"]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (("a",), "1 of 2 items have no answer .the first is 'b'"),
        (("a", "b", "c"), "1 answers have no item .the first is 'c'"),
        (("a", "b", "a"), "Row 3 answers 'a' again: row 1 already has an answer"),
    ],
)
def test_answers_that_dont_fit_the_data_are_refused(ids: tuple[str, ...], message: str):
    with pytest.raises(UserError, match=message):
        by_id(answers(*ids), ["a", "b"], "x")


def test_row_counts_of_known_revisions_are_told_apart():
    known = {951: "with figures", 1129: "all"}
    assert expect_rows(951, known, "x") == "with figures"
    with pytest.raises(UserError, match=r"950 rows; it must have 951 .* or 1,129"):
        expect_rows(950, known, "x")


def test_a_file_is_known_byte_by_byte(tmp_path: Path):
    (unknown,) = describe([write(tmp_path / "a.json", "x")])
    assert unknown.revision == "unknown revision"
    assert len(unknown.sha256) == 64
    assert all(len(digest) == 64 for digest in KNOWN)
