"""`groundtune bench` as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run


def test_a_model_is_run_scored_and_summed_up(
    tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    command = ["bench", "run", str(tiny_llava), "world-captions", "--out", str(out)]
    assert run([*command, "--n", "2", "--label", "tiny", "--self-knowledge", "--json"]) == EXIT_DONE
    printed = json.loads(capsys.readouterr().out)
    rows = json.loads((out / "summary.json").read_text())
    assert printed["rows"] == rows
    assert printed["wrote"] == str(out / "summary.json")
    assert {row["model"] for row in rows} == {"tiny"}
    assert {row["benchmark"] for row in rows} >= {"world-captions/greedy", "world-captions/t1"}
    assert set(rows[0]) == {"model", "benchmark", "metric", "value", "low", "high", "n"}
    assert (out / "scores" / "run.json").exists()
    again = ["bench", "score", "world-captions", str(out), "--n", "2", "--label", "tiny"]
    assert run(again) == EXIT_DONE
    text = capsys.readouterr().out
    assert "world-captions/greedy words" in text
    assert "95% interval" in text


def test_the_test_split_is_closed_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    assert run(["bench", "run", "nowhere", "--split", "test", "--out", str(out)]) == EXIT_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 3
    assert "--final" in error[2]
    assert not out.exists()


def test_final_writes_the_opening_down(
    tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    notebook = tmp_path / "notebook.md"
    command = ["bench", "run", str(tiny_llava), "world-captions", "--split", "test", "--final"]
    options = ["--n", "1", "--out", str(tmp_path / "out"), "--notebook", str(notebook)]
    assert run([*command, *options]) == EXIT_DONE
    capsys.readouterr()
    (line,) = notebook.read_text().splitlines()
    assert "chair_sentence" in line
    assert str(tiny_llava) in line


@pytest.mark.parametrize("options", [["nobench"], ["world", "--split", "validation"]])
def test_names_that_are_none_are_the_users_error(
    options: list[str],
    make_tiny_llava: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    command = ["bench", "run", "nowhere", *options, "--out", str(tmp_path / "out")]
    assert run(command) == EXIT_INPUT
    assert len(capsys.readouterr().err.strip().splitlines()) == 3


def test_the_list_names_benchmarks_and_suites(capsys: pytest.CaptureFixture[str]):
    assert run(["bench", "list"]) == EXIT_DONE
    text = capsys.readouterr().out
    assert "world-captions" in text
    assert "all of world-captions, world-questions" in text
    assert run(["bench", "list", "--json"]) == EXIT_DONE
    assert "parser" in json.loads(capsys.readouterr().out)["benchmarks"]["world-questions"]


def test_the_table_counts_all_answers_and_those_that_cant_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked, told = tmp_path / "q.json", tmp_path / "a.json"
    said = ["Yes", "No", "yes", "no", "Hard to say.", "Yes"]
    with asked.open("w") as questions, told.open("w") as answers:
        for i, text in enumerate(said):
            row = {"question_id": i, "image": "p", "text": "?", "label": ("yes", "no")[i % 2]}
            questions.write(json.dumps(row) + "\n")
            answers.write(json.dumps({"question": "?", "answer": text}) + "\n")
    command = ["bench", "score", "pope", str(told), "--data", str(asked), "--mode", "strict"]
    assert run(command) == EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    heads, accuracy = (line.split() for line in (lines[0], lines[2]))
    assert heads[4:6] == ["n", "unparsed"]
    assert accuracy[0] == "accuracy"
    assert accuracy[5:7] == ["6", "1"]


def test_a_second_answer_about_a_scene_is_the_users_error_and_names_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "dup.jsonl"
    row = {"scene": "development/0", "question": "Describe the image."}
    said = ("A farm.", "A beach with three dogs.")
    path.write_text("".join(json.dumps({**row, "answer": each}) + "\n" for each in said))
    assert run(["bench", "score", "world-captions", str(path), "--n", "2"]) == EXIT_INPUT
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 3
    assert "Row 2 answers 'development/0: Describe the image.' again" in error[0]
    assert error[1].endswith("dup.jsonl:2")
    assert not (tmp_path / "dup-scores" / "scores").exists()


@pytest.mark.parametrize("option", ["--n=0", "--start=-1"])
def test_numbers_of_images_that_make_no_sense_are_refused(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "answers.jsonl").write_text("")
    for command in (["run", "world:base"], ["score", "world", str(tmp_path / "answers.jsonl")]):
        out = ["--out", str(tmp_path / "out")]
        assert run(["bench", *command, option, *out]) == EXIT_INPUT
        assert len(capsys.readouterr().err.strip().splitlines()) == 3
    assert not (tmp_path / "out").exists()


def test_the_worlds_figures_are_reported_by_part_with_what_the_model_knows(
    tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    command = ["bench", "run", str(tiny_llava), "world-captions", "--out", str(tmp_path / "out")]
    assert run([*command, "--n", "1", "--self-knowledge"]) == EXIT_DONE
    text = capsys.readouterr().out
    assert "world-captions/missing/t1 words" in text
    rows = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert all(f"{row['benchmark']} {row['metric']}" in text for row in rows)
