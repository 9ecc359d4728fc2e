"""Runs of align side by side: seeds pooled, other recipes named by what differs."""

import json
from pathlib import Path

import pytest

from align_runs import finished
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.align.side_by_side import compare_runs
from groundtune.store.run_json import write_run


def test_seeds_are_pooled_round_by_round_and_other_recipes_are_named_by_what_differs(
    tmp_path: Path,
):
    made = compare_runs(
        [
            finished(tmp_path / "a", (0.8, 0.5, 0.2), seed=0),
            finished(tmp_path / "b", (0.8, 0.6, 0.3), seed=1),
            finished(tmp_path / "c", (0.8, 0.7), feedback={"divider": "whole"}),
        ]
    )
    assert [group.seeds for group in made.comparison.groups] == [(0, 1), (0,)]
    assert [row[0] for row in made.table[1:]] == [
        "Base",
        "Round 1",
        "Round 2",
        "feedback.divider=whole",
    ]
    first = {e.model: e.value for e in made.comparison.estimates if e.metric == "rejected_answers"}
    assert first == pytest.approx(
        {"base": 0.8, "round-1": 0.55, "round-2": 0.25, "feedback.divider=whole": 0.7}
    )
    change = {d.model: d for d in made.comparison.differences if d.metric == "rejected_answers"}
    assert change["round-2"].value == pytest.approx(-0.55)
    assert change["round-2"].relative == pytest.approx(-0.55 / 0.8)
    assert change["round-2"].low < -0.6 < -0.5 < change["round-2"].high
    assert "fell by 55.0 points" in made.verdict


def test_runs_whose_checkpoints_the_truth_chose_are_named_on_the_page_and_in_the_verdict(
    tmp_path: Path,
):
    by_claims = finished(tmp_path / "a", (0.8, 0.5))
    by_truth = finished(tmp_path / "b", (0.8, 0.3), choose={"by": "truth"})
    made = compare_runs([by_claims, by_truth])
    assert [row[0] for row in made.table[1:]] == ["Base", "Round 1", "choose.by=truth"]
    warning = "the truth chose the checkpoints of 1 of the 2 runs (choose.by=truth)"
    assert warning in made.verdict
    assert any(warning in note.text for note in made.page.subject.notes)
    assert "truth" not in compare_runs([by_claims]).verdict


def test_a_recipe_may_be_given_a_name(tmp_path: Path):
    one, two = finished(tmp_path / "a", (0.8, 0.5)), finished(tmp_path / "b", (0.8, 0.6), n=4)
    made = compare_runs([one, two], {two: "Few candidates"})
    assert made.table[-1][0] == "Few candidates"
    assert made.page.model("Few candidates").note == "n=4, 1 round, seed 0"


def test_two_recipes_of_one_name_are_refused(tmp_path: Path):
    one, two = finished(tmp_path / "a", (0.8, 0.5)), finished(tmp_path / "b", (0.8, 0.6), n=4)
    three = finished(tmp_path / "c", (0.8, 0.6), n=5)
    with pytest.raises(UserError, match="would be called Other"):
        compare_runs([one, two, three], {two: "Other", three: "Other"})
    with pytest.raises(UserError, match="would be called round-1"):
        compare_runs([one, two], {two: "round-1"})


def test_a_seed_that_has_done_fewer_rounds_limits_the_rows(tmp_path: Path):
    one = finished(tmp_path / "a", (0.8, 0.5, 0.2))
    two = finished(tmp_path / "b", (0.8, 0.5), seed=1)
    assert [row[0] for row in compare_runs([one, two]).table[1:]] == ["Base", "Round 1"]


def test_what_is_no_finished_run_or_comes_twice_is_refused(tmp_path: Path):
    one = finished(tmp_path / "a", (0.8, 0.5))
    with pytest.raises(UserError, match="one recipe and one seed"):
        compare_runs([one, finished(tmp_path / "b", (0.8, 0.6))])
    with pytest.raises(UserError, match="No round is done"):
        compare_runs([finished(tmp_path / "c", (0.8,), rounds=2)])
    with pytest.raises(UserError, match="items"):
        compare_runs([one, finished(tmp_path / "d", (0.8, 0.6), items=30, seed=1)])
    write_run(tmp_path / "e", {"command": "train"}, {}, {}, [])
    with pytest.raises(UserError, match="not of groundtune align"):
        compare_runs([tmp_path / "e"])


def test_the_command_prints_a_table_and_writes_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    runs = [str(finished(tmp_path / name, (0.8, 0.4), seed=i)) for i, name in enumerate("ab")]
    out = tmp_path / "out"
    assert run(["rounds", *runs, "--out", str(out)]) == EXIT_DONE
    assert "Round 1" in capsys.readouterr().out
    assert len(json.loads((out / "rounds.json").read_text())["groups"]) == 1
    assert "side by side" in (out / "report.html").read_text()
    assert run(["rounds", *runs, "--json"]) == EXIT_DONE
    assert json.loads(capsys.readouterr().out)["groups"][0]["seeds"] == [0, 1]
    other = finished(tmp_path / "c", (0.8, 0.6), n=4)
    assert run(["rounds", *runs, f"Few=candidates={other}"]) == EXIT_INPUT
    assert run(["rounds", *runs, f"Few={other}"]) == EXIT_DONE
    assert "\nFew " in capsys.readouterr().out
    assert run(["rounds"]) == EXIT_INPUT


def test_a_page_says_how_many_settings_of_each_recipe_were_tried(tmp_path: Path):
    one = finished(tmp_path / "a", (0.8, 0.5), settings_tried=37)
    two = finished(tmp_path / "b", (0.8, 0.6), seed=1, settings_tried=40)
    three = finished(tmp_path / "c", (0.8, 0.6), n=4, settings_tried=1)
    made = compare_runs([one, two, three], {three: "Few candidates"})
    text = (
        "Settings tried before these were chosen: Round 1 40, Few candidates 1. More tries flatter"
    )
    assert made.page.summary.startswith(text)
    assert made.page.subject.limits[0].startswith(text)
    assert [group.settings_tried for group in made.comparison.groups] == [40, 1]
    unknown = compare_runs([finished(tmp_path / "d", (0.8, 0.6))])
    assert unknown.page.summary == "Settings tried before these were chosen: not recorded."
