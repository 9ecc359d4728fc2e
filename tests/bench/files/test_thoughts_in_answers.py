"""Files of answers that hold what a model thought before each."""

import json
from pathlib import Path

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import MODES, Mode
from groundtune.bench.judge.judge import Judging, Request, strictly
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.run.run import read_scores
from groundtune.bench.tasks.pope import pope
from groundtune.bench.tasks.pope.columns import score_large
from groundtune.cli.app import run

SAID = ["<think>No?</think>Yes", "no\n</think>\nYes.", "<think>Yes, I", "Yes", "<think>a</think>no"]
STRICT = ["yes", "yes", "unread", "yes", "no"]


def files(folder: Path) -> tuple[Path, Path]:
    questions = [
        {"question_id": i, "image": f"{i}.jpg", "text": f"Is there {i}?", "label": "yes"}
        for i in range(len(SAID))
    ]
    answers = [{"question": f"Is there {i}?", "answer": text} for i, text in enumerate(SAID)]
    paths = folder / "q.jsonl", folder / "a.jsonl"
    for path, rows in zip(paths, (questions, answers), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


@pytest.mark.parametrize("mode", MODES)
def test_strict_reads_what_follows_them_and_official_what_its_code_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: Mode
):
    questions, answers = files(tmp_path)
    argv = ["bench", "score", "pope", str(answers), "--data", str(questions), "--mode", mode]
    assert run([*argv, "--json", "--out", str(tmp_path / "out")]) == 0
    made = json.loads(capsys.readouterr().out)
    items = [json.loads(line) for line in Path(made["items"]).read_text().splitlines()]
    read = [(item["extracted"] or ["unread"])[0] for item in items]
    data = pope.read_data([questions])
    official = pope.score(data, pope.read_answers(answers, data), Scoring())
    assert read == (STRICT if mode == "strict" else [score.extracted[0] for score in official])
    kept = [score.thoughts for score in read_scores(tmp_path / "out")]
    assert kept == (["No?", "no", "Yes, I", "", "a"] if mode == "strict" else [""] * 5)
    assert any("4 of 5 answers hold the model's thoughts" in note for note in made["notes"])
    assert made["unparsed"] == read.count("unread")


def test_large_files_are_read_alike(tmp_path: Path):
    questions, answers = files(tmp_path)
    made = score_large([questions], answers, "strict", tmp_path / "items.jsonl")
    assert made is not None
    assert made.unparsed["strict"] == STRICT.count("unread")


def test_strict_reads_judges_replies_without_their_thoughts_and_official_as_its_code_does(
    tmp_path: Path,
):
    request = Request(item="7", text="Is it good?")
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"id": "7", "reply": "<think>[[B]]?</think>[[A]]"}) + "\n")
    judging = Judging(source=RecordedJudge(path))
    assert judging.ask([request]).get("7").text == "<think>[[B]]?</think>[[A]]"
    strict = strictly(judging)
    assert isinstance(strict, Judging)
    reply = strict.ask([request]).get("7")
    assert (reply.text, reply.thoughts) == ("[[A]]", "[[B]]?")
    assert judging.provenance()["with thoughts"] == "1"
