"""Models compared on benchmarks that are scored from files: tests, costs, readings, exit status."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from groundtune.bench.item import Mode
from groundtune.bench.run.run import read_scores, store_scores
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.bench.kept import judges_in
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.pipeline.compare.parts import parts_of
from groundtune.pipeline.compare.run import Comparisons, compare, rows_of_tests, write_comparison
from groundtune.pipeline.compare.strata import strata_of_scores
from groundtune.pipeline.report import write_run_report
from groundtune.records import Score, Span
from groundtune.store import checksums
from job_works import Notes

N = 60
"""Questions, two an image, half of them to be answered yes."""


def truth(i: int) -> str:
    return "yes" if i % 2 else "no"


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pope(folder: Path, model: str, said: list[str], *, mode: Mode = "official", n: int = N) -> Path:
    """A folder with a model's scores of a small set of POPE's kind."""
    asked = [
        {"question_id": i, "image": f"{i // 2}.jpg", "text": f"Is there a {i}?", "label": truth(i)}
        for i in range(n)
    ]
    data = lines(folder / "data" / "small_pope.json", asked)
    answers = lines(folder / f"{model}.jsonl", [{"question": "", "answer": text} for text in said])
    params = ScoreSettings(name="pope", answers=answers, data=(data,), mode=mode)
    score_bench(params, folder / model, Notes())
    return folder / model


def answers(wrong: int, *, right: str = "{}", n: int = N) -> list[str]:
    """The first `wrong` answers are wrong, the others right and worded like `right`."""
    other = {"yes": "no", "no": "yes"}
    return [other[truth(i)] if i < wrong else right.format(truth(i).capitalize()) for i in range(n)]


@pytest.fixture
def compared(tmp_path: Path) -> Comparisons:
    return compare(
        [pope(tmp_path, "base", answers(30)), pope(tmp_path, "tuned", answers(6, right="{}."))]
    )


def test_the_headline_is_tested_image_by_image_and_its_items_counted(compared: Comparisons):
    (test,) = compared.bench.tests
    assert (test.model, test.against, test.benchmark) == ("tuned", "base", "pope/greedy")
    assert (test.metric, test.verdict, test.test) == ("f1", "accuracy", "permutation by image")
    assert (test.items, test.images) == (N, N // 2)
    assert (test.improved, test.worsened, test.unchanged) == (24, 0, N - 24)
    assert test.p == test.p_holm < 0.01
    assert compared.regressions() == []
    (row,) = rows_of_tests([test])
    assert row[-1] == "+24 -0 =36"


def test_models_whose_answers_were_scored_with_other_data_bear_a_warning(tmp_path: Path):
    first, second = pope(tmp_path, "base", answers(30)), pope(tmp_path, "tuned", answers(6))
    assert not any(each.guard == "other_data" for each in compare([first, second]).bench.warnings)
    (result,) = second.glob("results/*.json")
    row = json.loads(result.read_text())
    row["data"][0]["sha256"] = "0" * 64  # as of a file with other questions and the same ids
    checksums.write(result, json.dumps(row).encode())
    warning = compare([first, second]).bench.warnings[0]
    assert (warning.model, warning.benchmark, warning.n) == ("tuned", "pope/greedy", N)
    assert "scored with other data than base: small_pope.json (00000000)" in warning.text


def test_headline_tile_table_and_exit_code_are_of_one_inference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Of 20 answers one model gets 6 more wrong, p 0.03; with two others it is 0.09 by Holm."""
    n = 20

    def folder(model: str, wrong: int) -> Path:
        rows = [{"right": float(i >= wrong), "all": 1.0} for i in range(n)]
        return kept(tmp_path / model, "mmstar", model, rows, per_image=1)

    base, worse = folder("base", 0), folder("worse", 6)
    alone = compare([base, worse])
    (test,) = alone.bench.tests
    assert (test.p, test.family, test.worse) == (pytest.approx(2 / 64), 1, True)
    assert [d.metric for d in alone.worse] == ["accuracy"]
    folders = [base, worse, folder("same", 0), folder("near", 1)]
    made = compare(folders)
    test = made.bench.tests[0]
    (row,) = [d for d in made.summary.differences if d.headline and d.model == "worse"]
    for each in (test, row):
        assert (each.p, each.p_holm) == (pytest.approx(2 / 64), pytest.approx(6 / 64))
        assert (each.family, each.clear) == (3, False)
        assert each.low > 0 or each.high < 0
    assert made.worse == ()
    assert made.regressions() == []
    page = write_comparison(made, tmp_path / "out", folders).read_text()
    assert "<h1>No clear change in " in page
    assert "p = 0.094 corrected for 3 comparisons (0.031 alone)" in page
    assert ">worse</span> <" not in page.partition('id="tests"')[2].partition("</section>")[0]
    told = ["compare", *map(str, folders), "--fail-on", "regression"]
    assert run(told) == 0
    said = capsys.readouterr().out
    assert "comparisons were looked at: 3 headlines" in said
    assert "no clear change" in said
    assert run(["compare", str(base), str(worse), "--fail-on", "regression"]) == 1


def test_other_tools_readings_are_listed_too(compared: Comparisons):
    shares = {(r.model, r.tool): (r.share, r.unread) for r in compared.bench.readings}
    assert shares["tuned", "pope"] == (0.9, 0)
    assert shares["tuned", "lmms_eval_pope"] == (0.0, N - 6)  # "Yes." isn't "yes" to it
    assert {each.answer for each in compared.bench.apart if each.model == "tuned"} >= {
        "Yes.",
        "No.",
    }


def test_a_regression_is_one_beyond_the_interval_or_beyond_the_margin(tmp_path: Path):
    good = pope(tmp_path, "good", answers(2))
    slightly = compare([good, pope(tmp_path, "slightly", answers(3))])
    assert slightly.regressions() == []
    assert slightly.regressions(margin=0.5) == []
    (test,) = slightly.regressions(margin=0.001)
    assert test.loss > 0.001
    much = compare([good, pope(tmp_path, "much", answers(40))])
    assert [test.model for test in much.regressions()] == ["much"]


def test_the_command_fails_on_a_regression_only_if_it_is_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    good, bad = pope(tmp_path, "good", answers(2)), pope(tmp_path, "bad", answers(40))
    assert run(["compare", str(good), str(bad)]) == 0
    told = capsys.readouterr().out
    assert "regressions  bad on pope/greedy" in told
    assert "would show" in told
    assert run(["compare", str(good), str(bad), "--fail-on", "regression"]) == 1
    assert run(["compare", str(bad), str(good), "--fail-on", "regression", "--json"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    found = json.loads(last)
    assert found["regressions"] == []
    assert found["bench"]["tests"][0]["improved"] == 38
    assert len(found["bench"]["tests"][0]["flips"]) == 20
    assert run(["compare", str(good), str(bad), "--margin", "-1"]) == 2


def test_a_headline_that_lost_its_value_fails_by_what_is_tested_in_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base, lazy = pope(tmp_path, "base", answers(6)), pope(tmp_path, "lazy", ["no"] * N)
    out = tmp_path / "out"
    told = ["compare", str(base), str(lazy), "--fail-on", "regression", "--out", str(out)]
    assert run(told) == 1
    said = capsys.readouterr().out
    why = "F1 has no value for lazy: every answer is 'no'. Shown in its place: Right answers."
    assert "pope/greedy: Right answers*" in said
    assert f"* pope/greedy: {why}" in said
    assert "regressions  lazy on pope/greedy" in said
    page = (out / "report.html").read_text()
    assert "Right answers on POPE fell from 90.0% to 50.0%" in page
    assert why.replace("'", "&#39;") in page
    assert run(["compare", str(lazy), str(base), "--fail-on", "regression"]) == 0


def test_a_headline_that_lost_its_value_unseen_by_the_other_test_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    mostly_no = ["yes" if truth(i) == "yes" and i < 4 else "no" for i in range(N)]
    base, lazy = pope(tmp_path, "base", mostly_no), pope(tmp_path, "lazy", ["no"] * N)
    assert run(["compare", str(base), str(lazy), "--fail-on", "regression"]) == 0
    said = capsys.readouterr().out
    assert (
        "warning: lazy, pope/greedy: F1 has no value for lazy: every answer is 'no'. Right "
        "answers, tested in its place, did not clearly get worse." in said
    )


def test_answers_that_cannot_be_read_are_reported_as_untested_and_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base = pope(tmp_path, "base", answers(6), mode="strict")
    mute = pope(tmp_path, "mute", ["well"] * N, mode="strict")
    assert run(["compare", str(base), str(mute), "--fail-on", "regression"]) == 1
    said = capsys.readouterr().out
    assert (
        "mute, pope:strict/greedy: not tested. F1 has no value for mute: no answer can be" in said
    )
    assert "regressions  mute on pope:strict/greedy" in said
    assert run(["compare", str(mute), str(base), "--fail-on", "regression"]) == 0
    assert "base, pope:strict/greedy: not tested. F1 has no value for mute" in (
        capsys.readouterr().out
    )


def asked_values(i: int, right: bool) -> dict[str, float]:
    return {"existence:num": 1, "existence:correct": right, "official": 1}


def described_values(i: int, right: bool) -> dict[str, float]:
    return {"nouns": 5, "wrong_nouns": 0 if right else 3, "described": 1}


def mme_values(i: int, right: bool) -> dict[str, float]:
    row = {"questions": 1, "right": right, "images": i % 2, "both": right * (i % 2)}
    tasks = ("existence", "count", "position", "color")
    return {**row, **{f"{tasks[i % 8 // 2]}:{name}": value for name, value in row.items()}}


@pytest.mark.parametrize(
    ("name", "values", "stands"),
    [
        (
            "amber",
            asked_values,
            "accuracy",
        ),
        (
            "amber",
            described_values,
            "chair",
        ),
        ("mme", mme_values, "hallucination"),
    ],
)
def test_a_part_of_a_benchmark_without_the_headline_is_tested(
    tmp_path: Path, name: str, values: Callable[[int, bool], dict[str, float]], stands: str
):
    folders = [
        kept(tmp_path / model, name, model, [values(i, i % 10 >= wrong) for i in range(80)])
        for model, wrong in (("good", 1), ("bad", 5))
    ]
    made = compare(folders)
    (test,) = made.regressions()
    assert (test.model, test.metric, test.missing_for) == ("bad", stands, ("bad", "good"))
    assert compare(folders[::-1]).regressions() == []
    assert [each.guard for each in made.bench.warnings if each.guard == "no_value"] == []


def kept(
    folder: Path, name: str, model: str, values: Sequence[Mapping[str, float]], per_image: int = 2
) -> Path:
    scores = [
        Score(
            key=f"{model}{i}",
            benchmark=name,
            item=str(i),
            image=str(i // per_image),
            model=model,
            answer=f"Answer {i}.",
            values={key: float(value) for key, value in each.items()},
        )
        for i, each in enumerate(values)
    ]
    store_scores(scores, folder)
    return folder


def test_benchmarks_that_one_model_lacks_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    base, tuned = pope(tmp_path, "base", answers(6)), pope(tmp_path, "tuned", answers(6))
    more = graded(tmp_path / "more", "base", [[1.0], [2.0]])
    assert run(["compare", str(base), str(more), str(tuned)]) == 0
    assert "not compared: mmhal: tuned has none" in capsys.readouterr().out


def test_a_constant_answer_is_warned_of_in_the_comparison_and_on_the_page(tmp_path: Path):
    folders = [pope(tmp_path, "base", answers(10)), pope(tmp_path, "lazy", ["Yes"] * N)]
    made = compare(folders)
    guards = {(w.model, w.guard) for w in made.bench.warnings}
    assert guards == {("lazy", "constant"), ("lazy", "yes")}
    page = write_comparison(made, tmp_path / "out", folders).read_text()
    assert "100.0% of 60 answers are the same" in page
    assert page.count('id="behaviour"') == 1


def test_the_page_has_tests_readings_strata_and_changed_items(tmp_path: Path):
    folders = [pope(tmp_path, "base", answers(30)), pope(tmp_path, "tuned", answers(6))]
    out = tmp_path / "out"
    page = write_comparison(compare(folders), out, folders).read_text()
    for part in ("tests", "behaviour", "readings", "examples", "method"):
        assert f'id="{part}"' in page, part
    assert "F1 on POPE rose" in page
    assert "Got better: POPE" in page
    assert "lmms-eval, POPE" in page
    assert "AoiDragon/POPE at 08d957b" in page
    flips = [json.loads(line) for line in (out / "flips.jsonl").read_text().splitlines()]
    assert len(flips) == 24
    assert all(flip["better"] for flip in flips)
    (test,) = json.loads((out / "tests.json").read_text())
    assert "flips" not in test


def test_modes_are_not_mixed(tmp_path: Path):
    official = pope(tmp_path, "a", answers(3))
    strict = pope(tmp_path, "b", answers(3), mode="strict")
    with pytest.raises(UserError, match="no benchmark in common"):
        compare([official, strict])


def test_a_models_benchmarks_may_lie_in_several_folders(tmp_path: Path):
    grades = [[float(i % 7)] for i in range(24)]
    folders = [
        pope(tmp_path / "x", "base", answers(30)),
        graded(tmp_path / "y", "base", grades),
        pope(tmp_path, "tuned", answers(6)),
        graded(tmp_path / "z", "tuned", grades),
    ]
    made = compare(folders)
    assert made.models == ("base", "tuned")
    assert {each.benchmark for each in made.summary.differences} >= {"pope/greedy"}
    assert {each.benchmark for each in made.bench.behaviours} == {"pope/greedy", "mmhal/greedy"}


def test_other_items_are_refused(tmp_path: Path):
    many, few = pope(tmp_path / "x", "a", answers(3)), pope(tmp_path, "b", answers(3)[:40], n=40)
    with pytest.raises(UserError, match="not answered the same items"):
        compare([many, few])


def test_one_models_folder_makes_a_report_with_its_behaviour_and_strata(tmp_path: Path):
    folder = pope(tmp_path, "base", answers(30, right="{}, there is."))
    page = write_run_report(folder).read_text()
    assert 'id="behaviour"' in page
    assert 'id="tests"' not in page
    assert "VLMEvalKit" in page


def graded(folder: Path, model: str, grades: list[list[float]]) -> Path:
    scores = [
        Score(
            key=f"{model}{i}",
            benchmark="mmhal",
            item=str(i),
            image=str(i),
            model=model,
            answer="A red bus stands there today.",
            values={
                "score": sum(each) / len(each),
                **{f"repeat:{k}": value for k, value in enumerate(each)},
            },
            spans=(Span(start=2, end=5, kind="attribute"),),
            strata={"type": "attribute" if i % 2 else "counting"},
        )
        for i, each in enumerate(grades)
    ]
    store_scores(scores, folder)
    told = {"benchmark": "mmhal", "name": "mmhal", "model": model, "judge": {"model": "gpt-x"}}
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "r.json").write_text(json.dumps(told))
    return folder


def test_judges_and_their_variance_are_reported(tmp_path: Path):
    grades = [[float(i % 7), float((i + 1) % 7)] for i in range(24)]
    folder = graded(tmp_path / "a", "m", grades)
    assert judges_in(folder) == {("m", "mmhal"): {"model": "gpt-x"}}
    parts = parts_of(read_scores(folder), judges=judges_in(folder))
    (judge,) = parts.judges
    assert (judge.properties, judge.repeats, judge.items) == ({"model": "gpt-x"}, 2, 24)
    assert 0 < judge.judge_share < 1
    page = write_run_report(folder).read_text()
    assert "gpt-x" in page
    assert "of the variance" in page


def test_a_damaged_result_file_only_lacks_what_it_would_tell(tmp_path: Path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text("{")
    (tmp_path / "results" / "y.json").write_text("[1]")
    assert judges_in(tmp_path) == {}


def test_strata_of_the_headline_are_by_each_axis_that_has_several():
    scores = [
        Score(
            key=str(i),
            benchmark="mmstar",
            item=str(i),
            image=str(i),
            model="m",
            values={"right": float(i % 4 == 0), "all": 1},
            strata={"category": "fine" if i % 2 else "math", "l2_category": "geometry"},
        )
        for i in range(24)
    ]
    found = {(row.by, row.stratum): row.value for row in strata_of_scores(scores)}
    assert found == {("category", "math"): 0.5, ("category", "fine"): 0}
