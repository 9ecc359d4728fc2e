"""Best of N by a tuned model's own reward, on the embedded world's models."""

import json
from itertools import combinations
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example_packages import install_example, installed
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.pipeline.best_of.curve import Candidate, best, curve_of, ordered, weights
from groundtune.pipeline.best_of.page import write_page
from groundtune.pipeline.best_of.scores import Ratio
from groundtune.pipeline.best_of.settings import BestOf, BestOfSettings
from groundtune.pipeline.reward.rewarders import REWARDS
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Claim
from groundtune.store.dataset import RecordSet
from groundtune.store.run_json import write_run
from reward_folder import fill_compared

MODELS = ("--model", "world:labeler", "--reference", "world:base")


def candidate(
    name: str, total: float, words: float, image: str = "i", tokens: int = 1
) -> Candidate:
    values = {"words": words, "drawn": 10.0, "scored": 20.0, "seconds": 0.5}
    return Candidate(name, image, words == 0, total, tokens, values)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=7, unique=True), st.data())
def test_the_weights_are_the_mean_over_all_subsets(values: list[float], data: st.DataObject):
    n = data.draw(st.integers(1, len(values)))
    subsets = list(combinations(values, n))
    wanted = sum(max(subset) for subset in subsets) / len(subsets)
    assert weights(len(values), n) @ sorted(values, reverse=True) == pytest.approx(wanted)


def test_a_curve_by_hand():
    # best of 2 of three by the mean: a in two of three pairs, b in one
    row = [candidate("a", 3, 10), candidate("b", 4, 4, tokens=2), candidate("c", 1, 1)]
    curve = curve_of([row], 3, normalise=1.0)
    assert [point.n for point in curve.points] == [1, 2, 3]
    assert [p.values["words"].value for p in curve.points] == pytest.approx([5, 8, 10])
    assert [p.values["reward"].value for p in curve.points] == pytest.approx([2, 8 / 3, 3])
    assert curve.points[2].changes["words"].value == pytest.approx(5)
    assert curve.points[2].relative["words"].value == pytest.approx(1)
    assert [p.drawn_tokens for p in curve.points] == [10, 20, 30]
    assert curve.points[2].score_seconds == pytest.approx(1.5)
    undivided = curve_of([row], 3, normalise=0.0)
    assert [p.values["words"].value for p in undivided.points] == pytest.approx([5, 6, 4])
    # 4 / sqrt(2) is less than 3, 4 / 2 ** 0.25 is more
    between = [best(row, normalise=power).answer for power in (0.5, 0.25)]
    assert between == ["a", "b"]


def test_a_reference_that_is_the_tuned_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    models = ("--model", "world:base", "--reference", "world:base")
    out = str(tmp_path / "out")
    assert run(["best-of", "prompts=world:1", *models, "--n", "2", "--out", out]) == EXIT_INPUT
    assert "The reference is the tuned model itself" in capsys.readouterr().err


def test_an_empty_answer_is_chosen_only_if_all_are_empty():
    row = [candidate("empty", 9, 0), candidate("a", -1, 3), candidate("b", -2, 5)]
    assert [each.answer for each in ordered(row, normalise=1.0)] == ["a", "b", "empty"]
    assert best(row[:1], normalise=1.0).answer == "empty"


def choose(out: Path, *more: str) -> int:
    own = ["prompts=world:3", "sampling.max_new_tokens=40", "--n", "3", *MODELS]
    return run(["best-of", *own, "--out", str(out), *more, "--json"])


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("best")
    assert choose(out) == EXIT_DONE
    return out


def test_the_best_answer_of_each_prompt_is_kept_with_what_choosing_gives(chosen: Path):
    found = json.loads((chosen / "best-of.json").read_text())
    assert (found["prompts"], found["candidates"], found["scored_now"]) == (3, 9, 9)
    rewards = {row.answer: row for row in RecordSet(chosen / "rewards", Ratio).read()}
    every = RunFolder(chosen / "candidates").answers.read()
    for answer in RunFolder(chosen).answers.read():
        own = [rewards[other.key] for other in every if other.prompt == answer.prompt]
        assert len(own) == 3
        means = {row.answer: row.total / row.tokens for row in own if row.total is not None}
        assert means[answer.key] == max(means.values())
    points = found["curves"][0]["points"]
    assert [point["n"] for point in points] == [1, 2, 3]
    assert {"chair_sentence", "wrong_any", "recall", "words"} < points[0]["values"].keys()
    assert points[0]["values"]["reward"][0] < points[2]["values"]["reward"][0]
    page = (chosen / "report.html").read_text()
    assert "Best of 3" in page
    assert "answers to choose among" in page
    assert "own reward over" in page
    assert ", divided by length" in page


def test_report_writes_the_page_of_a_choice_again(chosen: Path, tmp_path: Path):
    out = Path(copytree(chosen, tmp_path / "out"))
    (out / "report.html").unlink()
    assert run(["report", str(out)]) == EXIT_DONE
    assert (out / "report.html").read_text() == (chosen / "report.html").read_text()


def test_a_damaged_choice_is_named_when_its_page_is_written_again(
    chosen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = Path(copytree(chosen, tmp_path / "out"))
    (out / "best-of.json").write_text('{"prompts": 3}')
    assert run(["report", str(out)]) == EXIT_INPUT
    assert "best-of.json" in capsys.readouterr().err


def test_where_nothing_was_checked_the_page_says_who_chose_and_that_nothing_was_checked(
    chosen: Path, tmp_path: Path
):
    out = Path(copytree(chosen, tmp_path / "out"))
    row = [candidate("a", 3, 10), candidate("b", 4, 4), candidate("c", 1, 1)]
    settings = BestOfSettings(model="my/model", reference="my/base", n=3)
    found = BestOf(
        prompts=1,
        candidates=3,
        n=3,
        scored_now=3,
        by_claims=False,
        by_truth=False,
        curves=(curve_of([row], 3, normalise=1.0),),
    )
    page = write_page(out, settings, found)
    title = "1 answer chosen by my/model, the best of 3; nothing was checked"
    assert f"<h1>{title}</h1>" in page.path.read_text()
    assert "reward rose by 1.3333" in page.verdict
    assert "n = 1)" in page.verdict
    assert page.verdict.endswith("does not say whether the chosen answers are better.")


def test_prompts_may_begin_later_than_the_first(chosen: Path, tmp_path: Path):
    assert choose(tmp_path, "prompts=world:1", "first_prompt=2") == EXIT_DONE
    own = RunFolder(tmp_path / "candidates").prompts.read()
    assert [p.key for p in own] == [RunFolder(chosen / "candidates").prompts.read()[2].key]


def test_run_again_it_scores_nothing_twice(chosen: Path, tmp_path: Path):
    again = copytree(chosen, tmp_path / "again")
    before = (again / "rewards").stat().st_mtime_ns
    assert choose(again) == EXIT_DONE
    assert json.loads((again / "best-of.json").read_text())["scored_now"] == 0
    assert (again / "rewards").stat().st_mtime_ns == before


def test_answers_that_exist_are_chosen_among_and_too_few_are_refused(
    chosen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = str(chosen / "candidates")
    assert run(["best-of", source, *MODELS, "--n", "2", "--out", str(tmp_path)]) == EXIT_DONE
    told = capsys.readouterr().out
    assert "best of, by reward divided by length" in told
    assert "Tokens sampled per prompt" in told
    assert len(RunFolder(tmp_path).answers.read()) == 3
    assert run(["best-of", source, *MODELS, "--n", "4", "--out", str(tmp_path)]) == EXIT_INPUT
    assert "A prompt has 3 answers, fewer than 4." in capsys.readouterr().err
    assert run(["best-of", source, *MODELS, "--n", "65"]) == EXIT_INPUT
    assert run(["best-of", source, *MODELS, "--n", "2", "--out", source]) == EXIT_INPUT
    assert "can't stand among all of them" in capsys.readouterr().err


def test_without_answers_or_scenes_there_is_nothing_to_choose_among(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(["best-of", *MODELS, "--out", str(tmp_path / "x")]) == EXIT_INPUT
    assert "nothing to choose among" in capsys.readouterr().err


def test_an_answer_whose_reward_is_no_number_is_named_and_never_chosen():
    row = [candidate("none", 9, 9), candidate("a", -1, 3), candidate("empty", -2, 0)]
    row[0] = row[0]._replace(total=None)
    assert [each.answer for each in ordered(row, normalise=1.0)] == ["a", "empty", "none"]
    values = [point.values["reward"].value for point in curve_of([row], 3, normalise=1.0).points]
    assert values == pytest.approx([-1.5, -4 / 3, -1])


@pytest.mark.parametrize(("broken", "code"), [(1, EXIT_DONE), (3, EXIT_INPUT)])
def test_rewards_that_are_no_numbers_are_counted_and_a_prompt_with_no_other_is_an_error(
    broken: int, code: int, chosen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = Path(copytree(chosen, tmp_path / "again"))
    rows = RecordSet(out / "rewards", Ratio).read()
    first = [answer.answer for answer in rows[:broken]]
    changed = [
        row.model_copy(update={"total": None}) if row.answer in first else row for row in rows
    ]
    rmtree(out / "rewards")
    rmtree(out / "answers")
    RecordSet(out / "rewards", Ratio).append(changed)
    assert choose(out) == code
    if code == EXIT_DONE:
        assert json.loads((out / "best-of.json").read_text())["unrewarded"] == first
        assert not set(first) & RunFolder(out).answers.keys()
        page = (out / "report.html").read_text()
        assert "never chosen: 1 of 9 (their keys: best-of.json)" in page
        assert first[0] not in page
    else:
        error = capsys.readouterr().err
        assert "No answer can be chosen for 1 of 3 prompts" in error
        assert f"where: answer {first[0]}" in error


def test_an_answer_of_which_a_claim_was_not_read_is_not_counted_as_without_rejected_claims(
    chosen: Path, tmp_path: Path
):
    folder = RunFolder(Path(copytree(chosen / "candidates", tmp_path / "candidates")))
    statuses = ["rejected", "unparsed", "supported"]
    rows = [
        Claim.model_validate(
            {"key": f"c{i}", "answer": answer.key, "start": 0, "end": 1, "text": "A"}
            | {"question": "Is it?", "status": statuses[i % 3]}
        )
        for i, answer in enumerate(folder.answers.read())
    ]
    folder.claims.append(rows)
    write_run(folder.claims.path, {"labeler": "openai:BIG@http://h/v1"}, {}, {}, [])
    command = ["best-of", str(folder.path), *MODELS, "--n", "3", "--out", str(tmp_path / "o")]
    assert run(command) == EXIT_DONE
    found = json.loads((tmp_path / "o/best-of.json").read_text())
    assert (found["by_claims"], found["unchecked"]) == (True, 3)
    assert found["labeler"] == "openai:BIG@http://h/v1"
    page = (tmp_path / "o/report.html").read_text()
    assert "Answers in which openai:BIG@http://h/v1 rejects a claim" in page
    assert found["curves"][0]["points"][0]["values"]["rejected"][0] == pytest.approx(0.5)


def test_a_packages_reward_chooses(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = fill_compared(tmp_path / "answers", prompts=4)
    out = tmp_path / "best"
    with installed(install_example("own_reward", tmp_path / "site"), REWARDS):
        command = ["best-of", str(folder.path), "--reward", "few-words", "--n", "3"]
        assert run([*command, "--out", str(out), "--json"]) == EXIT_DONE
        found = json.loads(capsys.readouterr().out)
        assert [curve["normalise"] for curve in found["curves"]] == [0.0]
        assert {a.index for a in RunFolder(out).answers.read()} == {0}
        assert "few-words" in (out / "report.html").read_text("utf-8")
        both = [*command, "--reference", "world:base", "--out", str(tmp_path / "both")]
        assert run(both) == EXIT_INPUT
    assert "two ways to choose" in capsys.readouterr().err
    assert run(["best-of", str(folder.path), "--out", str(tmp_path / "no")]) == EXIT_INPUT
    assert "or a rewarder" in capsys.readouterr().err


def test_checked_claims_choose_with_fewer_rejected_then_more_supported_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = fill_compared(tmp_path / "answers", prompts=2, answers=4)
    command = ["best-of", str(folder.path), "--reward", "claims", "--n", "4", "--out"]
    assert run([*command, str(tmp_path / "none")]) == EXIT_INPUT
    assert "holds no claims" in capsys.readouterr().err
    statuses = {
        "a0-0": ("rejected", "supported", "supported"),
        "a0-1": ("supported",),
        "a0-2": ("supported", "supported"),
        "a0-3": ("supported", "supported", "unparsed"),
        "a1-0": ("rejected", "rejected"),
        "a1-1": ("rejected",),
        "a1-2": ("rejected", "rejected", "supported"),
        "a1-3": ("unparsed",),
    }
    folder.claims.append(
        [
            Claim(key=f"{key} {n}", answer=key, start=0, end=5, text="There", status=status)
            for key, own in statuses.items()
            for n, status in enumerate(own)
        ]
    )
    assert run([*command, str(tmp_path / "out")]) == EXIT_DONE
    assert {answer.key for answer in RunFolder(tmp_path / "out").answers.read()} == {"a0-2", "a1-1"}
    found = json.loads((tmp_path / "out" / "best-of.json").read_text())
    assert found["unrewarded"] == ["a0-3", "a1-3"]
