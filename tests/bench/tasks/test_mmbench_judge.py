"""MMBench with a judge: what the rule can't read is matched, what the judge can't is left out."""

import csv
import json
from pathlib import Path

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import MODES, Mode
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.prompts import read_prompt
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.results import Results, results_of
from groundtune.bench.tasks.choice.judge import PROMPT
from groundtune.bench.tasks.choice.mmbench import MMBENCH, TURN
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.records import Score

SAID = {
    0: ("A", "It is the second"),
    1: ("the feline", "no idea what"),
    2: ("B", "who knows"),
    3: ("it barks, I think", "B"),
}
"""By question: the answers to its two turns, of which A and B are right."""


def table(folder: Path) -> Path:
    path = folder / "mmbench.tsv"
    with path.open("w", newline="") as file:
        heads = ["index", "question", "A", "B", "answer", "prediction"]
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(heads)
        for turn in (0, 1):
            for question, said in SAID.items():
                options = ("a cat", "a dog") if turn == 0 else ("a dog", "a cat")
                row = [question + turn * TURN, "What is it?", *options, "AB"[turn], said[turn]]
                writer.writerow(row)
    return path


def judged(folder: Path, replies: dict[int, str], mode: Mode) -> tuple[list[Score], Judging]:
    path = table(folder)
    lines = [json.dumps({"id": str(item), "reply": text}) for item, text in replies.items()]
    (folder / "replies.jsonl").write_text("\n".join(lines))
    judging = Judging(source=RecordedJudge(folder / "replies.jsonl"))
    data = MMBENCH.read_data([path])
    scoring = Scoring(mode=mode, judge=judging)
    return MMBENCH.score(data, MMBENCH.read_answers(path, data), scoring), judging


def results(scores: list[Score]) -> Results:
    return results_of(MMBENCH, scores)


@pytest.mark.parametrize("mode", MODES)
def test_a_judge_matches_the_turns_that_the_rule_cant_read(tmp_path: Path, mode: Mode):
    replies = {TURN: "B", 1: "A", TURN + 1: "Z", 3: "B"}
    scores, judging = judged(tmp_path, replies, mode)
    found = results(scores)
    # Question 0 is right in both turns; 1 by Z, 2 by its own B and 3 by the judge's B are wrong.
    assert found.metrics["accuracy"] == 1 / 4
    assert found.metrics["vanilla_accuracy"] == 2 / 4
    assert found.strata["read_by/judge"]["vanilla_accuracy"] == 1 / 2
    # The second turn of question 2 is not asked about: its first is wrong.
    assert judging.provenance()["requests"] == "4"
    (unread,) = [score for score in scores if score.status == "unparsed"]
    assert unread.item == str(TURN + 2)


@pytest.mark.parametrize("mode", MODES)
def test_a_judgement_that_is_missing_or_unreadable_leaves_its_question_out(
    tmp_path: Path, mode: Mode
):
    scores, judging = judged(tmp_path, {TURN: "B", 1: "well", 3: "A"}, mode)
    found = results(scores)
    assert found.metrics["accuracy"] == (1 + 0 + 1) / 3
    assert found.metrics["vanilla_accuracy"] == 2 / 3
    assert found.metrics["unread_questions"] == 1 / 4
    assert judging.provenance()["missing"] == "1"
    why = {score.item: score.why for score in scores if score.status == "unparsed"}
    assert "the judge said: well" in why["1"]
    assert "no reply is recorded" in why[str(TURN + 1)]
    assert MMBENCH.notes is not None
    (note,) = MMBENCH.notes(MMBENCH.read_data([table(tmp_path)]), [], scores)
    assert "match 4 of 8 turns" in note
    assert "for 2 it gave no usable letter" in note


def test_without_a_judge_the_official_rule_stays_and_the_result_says_so(tmp_path: Path):
    path = table(tmp_path)
    data = MMBENCH.read_data([path])
    scores = MMBENCH.score(data, MMBENCH.read_answers(path, data), Scoring())
    assert results(scores).metrics["accuracy"] == 0
    assert not any("read_by" in score.strata for score in scores)
    assert MMBENCH.notes is not None
    assert "exact_matching" in MMBENCH.notes(data, [], scores)[0]


def test_the_official_script_gives_its_prompt_by_path(tmp_path: Path):
    script = tmp_path / "multiple_choice.py"
    script.write_text(
        "def build_prompt(question, options, prediction):\n"
        "    tmpl = (\n"
        "        'Match. \\n'\n"
        "        'Question: {}?\\nOptions: {}\\nAnswer: {}\\nYour output: '\n"
        "    )\n"
        "    return tmpl.format(question, options, prediction)\n"
    )
    filled = read_prompt(PROMPT, script).fill(question="Q", options="O", answer="{}")
    assert filled == "Match. \nQuestion: Q?\nOptions: O\nAnswer: {}\nYour output: "


def test_a_judge_is_refused_where_rules_alone_score(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "reply": "yes"}\n')
    params = ScoreSettings(name="pope", answers=tmp_path / "a.jsonl")
    scoring = Scoring(judge=Judging(source=RecordedJudge(tmp_path / "a.jsonl")))
    with pytest.raises(UserError, match="rules alone"):
        score_bench(params, tmp_path / "out", SilentProgress(), scoring=scoring)
