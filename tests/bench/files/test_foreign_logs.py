"""Scores go out as other evaluators' logs, and the answers come back word by word."""

import json
from pathlib import Path

import pytest

from groundtune.bench.files.answers import answers_of
from groundtune.bench.run.run import store_scores
from groundtune.bench.tasks.choice.mmstar import MMSTAR
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.records import Score

SAID = ["A", "", 'the "answer" is B\n(C)', "\u732b"]


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    store_scores(
        [
            Score(
                key=str(i),
                benchmark="mmstar",
                item=f"q{i}",
                image=str(i),
                model="org/model",
                answer=text,
                values={"right": float(i == 0), "all": 1.0} if text else {},
                extracted=("A",) if i == 0 else (),
                why="" if i == 0 else "no letter",
                strata={"category": "math"},
                status="scored" if text else "unparsed",
            )
            for i, text in enumerate(SAID)
        ],
        tmp_path / "run",
    )
    return tmp_path / "run"


@pytest.mark.parametrize("layout", ["lmms-eval", "inspect"])
def test_answers_come_back_as_they_were(scored: Path, tmp_path: Path, layout: str):
    out = tmp_path / "logs"
    assert run(["bench", "export", layout, str(scored), "--out", str(out)]) == 0
    (file,) = out.iterdir()
    found = list(answers_of(file, item=("question_id", "id")))
    assert [answer.text for answer in found] == SAID
    assert [answer.item for answer in found] == ["q0", "q1", "q2", "q3"]
    assert found[0].extra["category"] == "math"


def test_an_inspect_log_has_the_metrics_and_each_items_verdict(scored: Path, tmp_path: Path):
    run(["bench", "export", "inspect", str(scored), "--out", str(tmp_path / "x")])
    (file,) = (tmp_path / "x").iterdir()
    log = json.loads(file.read_text())
    assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] == 1 / 3
    verdicts = [each["scores"]["mmstar"]["value"] for each in log["samples"]]
    assert verdicts == [1.0, "N", 0.0, 0.0]
    assert log["eval"]["model"] == "groundtune/org/model"


def test_inspects_own_logs_may_say_an_answer_in_parts_and_in_epochs(tmp_path: Path):
    parts = [{"type": "reasoning", "reasoning": "..."}, {"type": "text", "text": "Yes"}]
    output = {"choices": [{"message": {"content": parts}}]}
    samples = [{"id": 7, "epoch": i, "target": "yes", "output": output} for i in (1, 2)]
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"version": 2, "eval": {}, "samples": samples}))
    (answer,) = answers_of(path)
    assert (answer.text, answer.item, answer.extra["target"]) == ("Yes", "7", "yes")


def test_a_log_that_was_not_finished_is_refused(tmp_path: Path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"version": 2, "eval": {}, "samples": [{"id": 1}]}))
    with pytest.raises(UserError, match="no output"):
        list(answers_of(path))


def test_a_benchmark_takes_an_inspect_log_as_answers(scored: Path, tmp_path: Path):
    run(["bench", "export", "inspect", str(scored), "--out", str(tmp_path / "x")])
    (file,) = (tmp_path / "x").iterdir()
    rows = [{"index": f"q{i}", "question": "?", "answer": "A"} for i in range(len(SAID))]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    read = MMSTAR.read_data([data])
    assert [a.text for a in MMSTAR.read_answers(file, read)] == SAID
