"""Tables of corrections that experts write in spreadsheets."""

import csv
import json
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from layout_rows import images, read_all, write_all

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.exchange.run import import_layout
from groundtune.store.images import ImageStore
from groundtune.store.sheets import without_guard

HEADERS = "question,image,answer,corrected answer"
ROW = "What is here?,a.jpg,Two cups on a table.,One cup on a table."


def table(folder: Path, text: str, name: str = "c.csv") -> Path:
    images(folder, "a.jpg", "scans/b.jpg", "scans/c.jpg")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_row_becomes_a_pair_whose_changed_words_are_marked(tmp_path: Path):
    file = table(tmp_path, f"{HEADERS},expert\n{ROW},Dr. M\n")
    prompts, (pair,), _ = read_all("corrections", file, ImageStore(tmp_path / "store"))
    assert (pair.rejected, pair.chosen) == ("Two cups on a table.", "One cup on a table.")
    assert [pair.rejected[each.start : each.end] for each in pair.rejected_spans] == ["Two cups"]
    assert [pair.chosen[each.start : each.end] for each in pair.chosen_spans] == ["One cup"]
    assert prompts[pair.prompt].question == "What is here?"
    assert len(prompts[pair.prompt].images) == 1


@pytest.mark.parametrize(
    "headers",
    [
        "Question;Image;Answer;Corrected answer",
        "PROMPT;File_Name;Model-Answer;Correction",
        "path;Image;Answer;Corrected_Answer;Question",
    ],
)
def test_headers_may_have_other_names_and_cells_another_separator(tmp_path: Path, headers: str):
    names = headers.split(";")
    values = {"a": "A cat, sitting.", "i": "a.jpg", "q": "What?", "c": "A dog, sitting."}
    places = {"Question": "q", "PROMPT": "q", "Image": "i", "File_Name": "i", "path": "a"}
    cells = [values[places.get(name, "c" if name.startswith("Corr") else "a")] for name in names]
    file = table(tmp_path, f"{headers}\n{';'.join(cells)}\n")
    _, (pair,), _ = read_all("corrections", file, ImageStore(tmp_path / "store"))
    assert (pair.rejected, pair.chosen) == ("A cat, sitting.", "A dog, sitting.")


def test_a_workbook_is_read_as_the_same_table(tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl", reason="needs the extra tables")
    file = table(tmp_path, f"{HEADERS}\n{ROW}\n")
    book = openpyxl.Workbook()
    for line in file.read_text().splitlines():
        book.active.append(line.split(","))
    book.save(tmp_path / "c.xlsx")
    store = ImageStore(tmp_path / "store")
    _, (first,), _ = read_all("corrections", file, store)
    _, (second,), _ = read_all("corrections", tmp_path / "c.xlsx", store)
    assert first == second


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("scans/b.jpg | scans/c.jpg", 2),
        ('"scans/b.jpg\nscans/c.jpg"', 2),
        ("scans\\b.jpg", 1),
        ("C:\\Users\\me\\scans\\b.jpg", 1),
    ],
)
def test_an_image_cell_has_several_names_or_a_windows_path(tmp_path: Path, name: str, number: int):
    file = table(tmp_path, f"{HEADERS}\nWhat?,{name},A cat.,A dog.\n")
    prompts, (pair,), _ = read_all("corrections", file, ImageStore(tmp_path / "store"))
    assert len(prompts[pair.prompt].images) == number


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("question,image,answer\nx,y,z\n", "There is no column 'corrected answer'.", ""),
        (
            f"{HEADERS},Question\n{ROW},x\n",
            "Several columns may be 'question': 'question', 'Question'.",
            ", headers 'question', 'image', 'answer', 'corrected answer', 'Question'",
        ),
        (f"{HEADERS}\n{ROW}\n,a.jpg,A.,B.\n", "The cell is empty.", ":3, column question"),
        (f"{HEADERS}\nWhat?,no.jpg,A.,B.\n", "The image doesn't exist.", ":2: no.jpg"),
        (f'{HEADERS}\n"W\nhat?",no.jpg,A.,B.\nx,,A.,B.\n', "The image doesn't exist.", ":2: "),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path: Path, text: str, what: str, where: str):
    file = table(tmp_path, text)
    with pytest.raises(UserError) as error:
        read_all("corrections", file, ImageStore(tmp_path / "store"))
    assert error.value.what == what
    assert error.value.where.startswith(f"{file}{where}")


def test_rows_in_which_nothing_was_corrected_are_counted_by_reason(tmp_path: Path):
    file = table(tmp_path, f"{HEADERS}\n{ROW}\nWhat?,a.jpg,A cat.,\nWhat?,a.jpg,A cat.,A cat. \n")
    summary = import_layout("corrections", file, tmp_path / "run", SilentProgress())
    assert (summary.rows, summary.pairs, summary.unchanged) == (3, 1, 0)
    assert summary.left_out == {
        "no corrected answer": 1,
        "the corrected answer equals the answer": 1,
    }
    kept = import_layout(
        "corrections", file, tmp_path / "all", SilentProgress(), all_rows=True, skip_bad=True
    )
    assert (kept.pairs, kept.unchanged, len(kept.skipped)) == (2, 1, 1)


@pytest.mark.parametrize("name", ["c.csv", "c.tsv", "c.jsonl"])
def test_a_table_that_was_read_is_written_again(tmp_path: Path, name: str):
    text = f"{HEADERS},expert\n{ROW},Dr. M\n"
    file = table(tmp_path, text)
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("corrections", file, store)
    out = tmp_path / "out" / name
    write_all("corrections", out, pairs, prompts, store)
    if name == "c.csv":
        assert out.read_bytes().decode("utf-8-sig") == text.replace("\n", "\r\n")
    assert (tmp_path / "out" / "a.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    again = read_all("corrections", out, store)[1]
    assert [(each.chosen, each.rejected) for each in again] == [
        (each.chosen, each.rejected) for each in pairs
    ]


@pytest.mark.parametrize(("licence", "listed"), [(None, []), ("cc-by-nc-4.0", ["cc-by-nc-4.0"])])
def test_the_file_next_to_a_table_names_its_licences_and_a_renamed_table_has_none(
    tmp_path: Path, licence: str | None, listed: list[str]
):
    store = ImageStore(tmp_path / "store")
    file = table(tmp_path, f"{HEADERS}\n{ROW}\n")
    prompts, pairs, _ = read_all("corrections", file, store, licence=licence)
    out = tmp_path / "out" / "answers.csv"
    write_all("corrections", out, pairs, prompts, store)
    named = out.with_name("answers.csv.licences.json")
    assert json.loads(named.read_bytes()) == {"licences": listed}
    assert read_all("corrections", out, store)[1][0].source.licence == "".join(listed)
    renamed = out.rename(out.with_name("corrected.csv"))
    assert read_all("corrections", renamed, store)[1][0].source.licence == ""
    named.rename(out.with_name("corrected.csv.licences.json"))
    assert read_all("corrections", renamed, store)[1][0].source.licence == "".join(listed)


TEXT = st.text(max_size=10).filter(lambda text: text.strip() and "<image>" not in text)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TEXT, TEXT, TEXT, TEXT, st.sampled_from(",;\t"))
def test_any_texts_of_a_table_come_back(
    tmp_path: Path, question: str, answer: str, corrected: str, comment: str, separator: str
):
    assume(answer.strip() != corrected.strip())
    images(tmp_path, "a.jpg")
    cells = [question, "a.jpg", answer, corrected, comment]
    with (tmp_path / "c.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerows([[*HEADERS.split(","), "comment"], cells])
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("corrections", tmp_path / "c.csv", store)
    write_all("corrections", tmp_path / "out.csv", pairs, prompts, store)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [without_guard(cell) for cell in list(csv.reader(file))[1]] == cells


def test_a_workbook_is_not_written(tmp_path: Path):
    store = ImageStore(tmp_path / "store")
    prompts, pairs, _ = read_all("corrections", table(tmp_path, f"{HEADERS}\n{ROW}\n"), store)
    with pytest.raises(UserError, match="Tables are not written") as error:
        write_all("corrections", tmp_path / "out.xlsx", pairs, prompts, store)
    assert "Write .csv" in error.value.fix


def test_a_dry_run_shows_three_pairs_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rows = [f"What {i}?,a.jpg,Two cups.,One cup." for i in range(5)]
    file = table(tmp_path, "\n".join([HEADERS, ",a.jpg,A.,B.", *rows]))
    before = sorted(tmp_path.rglob("*"))
    command = ["import", "corrections", str(file), "--dry-run"]
    assert run(command) == 0
    text = capsys.readouterr().out
    assert text.count("rejected  [-Two cups-].\n  chosen    {+One cup+}.") == 3
    assert f"bad row: {file}:2, column question: The cell is empty." in text
    assert run([*command, "--json"]) == 0
    preview = json.loads(capsys.readouterr().out)
    assert [each["row"] for each in preview["pairs"]] == [2, 3, 4]
    assert (preview["rows"], len(preview["skipped"])) == (4, 1)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_import_needs_a_folder_unless_it_is_a_dry_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = table(tmp_path, f"{HEADERS}\n{ROW}\n")
    assert run(["import", "corrections", str(file)]) == EXIT_INPUT
    assert "fix: Give one with --out FOLDER" in capsys.readouterr().err


def test_an_import_writes_a_page_of_what_came_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    file = table(tmp_path, f"{HEADERS}\n{ROW}\nWhat?,a.jpg,A cat.,\n,a.jpg,A.,B.\n")
    out = tmp_path / "run"
    assert run(["import", "corrections", str(file), "--out", str(out), "--skip-bad"]) == 0
    assert str(out / "report.html") in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<title>1 pair came in</title>" in page
    assert "The file has 3 rows: 1 left out (no corrected answer) and 1 skipped as bad." in page
    assert f"{file}:4, column question: The cell is empty." in page
    assert "a.jpg</span>" in page
    assert '<mark class="removed" title="removed">Two cups<' in page
    assert '<mark class="added" title="added, in place of: Two cups">One cup<' in page
    assert "ther imports" not in page
    first = page
    assert run(["report", str(out)]) == 0
    assert (out / "report.html").read_text(encoding="utf-8") == first


def test_the_page_says_how_many_pairs_are_from_other_imports(tmp_path: Path):
    command = ["--out", str(tmp_path / "run")]
    first = table(tmp_path, f"{HEADERS}\n{ROW}\n")
    second = table(tmp_path, f"{HEADERS}\nWhat?,a.jpg,A cat.,A dog.\n", "d.csv")
    for file in (first, second):
        assert run(["import", "corrections", str(file), *command]) == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<title>2 pairs came in</title>" in page
    assert (
        "The file has 1 row: 0 skipped as bad. Other imports into this folder gave 1 pair." in page
    )
