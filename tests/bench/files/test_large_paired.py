"""Large files of answers are compared as small ones are, without score records."""

import json
import random
from pathlib import Path

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.bench.files import large_paired
from groundtune.bench.files.large_items import LargeItems, count_items, scores_of
from groundtune.bench.item import MODES, Mode
from groundtune.bench.stats.behaviour import behaviour
from groundtune.bench.stats.paired import HeadlineTest, UntestedHeadline, headline_test
from groundtune.bench.stats.sums import tabulate, value_of
from groundtune.bench.tasks.pope import pope
from groundtune.bench.tasks.pope.columns import score_large
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.pipeline.compare.large import large_in
from groundtune.pipeline.compare.run import compare
from groundtune.pipeline.report import write_run_report
from groundtune.records import Score

SAID = ("Yes.", "no", "NO", "", "not sure", 'Yes, a "sign".', "Yes, it is.")
N = 240
IMAGES = 40


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [
        {"image": f"p{i // 6}.jpg", "text": f"Is there {i}?", "label": ("yes", "no")[i % 2]}
        for i in range(N)
    ]
    path = tmp_path / "pope_q.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answered(folder: Path, name: str, right: float) -> Path:
    draw = random.Random(name)
    said = [("Yes", "No")[i % 2] if draw.random() < right else draw.choice(SAID) for i in range(N)]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"answer": text}) + "\n" for text in said))
    return path


def both_ways(
    questions: Path, answers: Path, mode: Mode
) -> tuple[large_paired.LargeModel, list[Score]]:
    """What is counted of a table of items, and the scores of the same answers."""
    out = answers.parent / f"{answers.stem}-{mode}.jsonl"
    made = score_large([questions], answers, mode, out)
    assert made is not None
    items = LargeItems(path=made.items, model=answers.stem, benchmark="pope")
    data = pope.read_data([questions])
    how = Scoring(mode=mode, model=answers.stem)
    return (
        large_paired.LargeModel(items, count_items(items)),
        pope.score(data, pope.read_answers(answers, data), how),
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_test_of_items_finds_what_one_of_scores_does(
    tmp_path: Path, questions: Path, mode: Mode
) -> None:
    (ours, our_scores), (theirs, their_scores) = (
        both_ways(questions, answered(tmp_path, name, right), mode)
        for name, right in (("tuned", 0.8), ("base", 0.5))
    )
    made = large_paired.headline_test(ours, theirs, pope.METRICS, "f1")
    known = headline_test(our_scores, their_scores, pope.METRICS, "f1")
    assert isinstance(made, HeadlineTest)
    assert isinstance(known, HeadlineTest)
    same = ("benchmark", "value", "verdict", "improved", "worsened", "unchanged", "mcnemar")
    assert made.model_dump(include=set(same)) == known.model_dump(include=set(same))
    assert made.low == pytest.approx(known.low, abs=0.03)
    assert {(f.item, f.image, f.better) for f in made.flips} == {
        (f.item, f.image, f.better) for f in known.flips
    }
    assert made.images == known.images == IMAGES  # no two names fall into one group here


@pytest.mark.parametrize("mode", MODES)
def test_sums_records_and_behaviour_are_those_of_scores(
    tmp_path: Path, questions: Path, mode: Mode
) -> None:
    made, scores = both_ways(questions, answered(tmp_path, "a", 0.5), mode)
    for metric in pope.METRICS:
        assert value_of(made.counts.table, metric) == value_of(tabulate(scores), metric)
    found = scores_of(made.items, list(range(0, N, 7)))
    assert [each.model_copy(update={"key": ""}) for each in found] == [
        each.model_copy(update={"key": ""}) for each in scores[::7]
    ]
    assert large_paired.behaviour(made.items) == behaviour(scores)


def test_changed_answers_are_listed_evenly_where_there_are_many(
    tmp_path: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_paired, "LISTED", 5)
    ours, theirs = (
        both_ways(questions, answered(tmp_path, name, right), "official")[0]
        for name, right in (("tuned", 0.9), ("base", 0.2))
    )
    made = large_paired.headline_test(ours, theirs, pope.METRICS, "f1")
    assert isinstance(made, HeadlineTest)
    better = [int(flip.item) for flip in made.flips if flip.better]
    assert len(better) == 5 < made.improved
    assert better[0] < N / 4 < 3 * N / 4 < better[-1]
    (score, *_) = large_paired.scores_of_flips(theirs.items, made.flips)
    assert (score.item, score.model) == (made.flips[0].item, "base")


def constant(folder: Path, name: str, said: str) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text((json.dumps({"answer": said}) + "\n") * N)
    return path


def test_a_headline_without_a_value_is_treated_as_that_of_scores(
    tmp_path: Path, questions: Path
) -> None:
    (base, base_scores), (lazy, lazy_scores), (mute, _) = (
        both_ways(questions, path, "strict")
        for path in (
            answered(tmp_path, "base", 0.9),
            constant(tmp_path, "lazy", "no"),
            constant(tmp_path, "mute", "well"),
        )
    )
    made = large_paired.headline_test(lazy, base, pope.METRICS, "f1")
    known = headline_test(lazy_scores, base_scores, pope.METRICS, "f1")
    assert isinstance(made, HeadlineTest)
    assert isinstance(known, HeadlineTest)
    assert (made.metric, made.in_place_of, made.missing_for) == ("accuracy", "f1", ("lazy",))
    same = {"metric", "in_place_of", "missing_for", "value", "improved", "worsened", "unchanged"}
    assert made.model_dump(include=same) == known.model_dump(include=same)
    assert made.worse
    none = large_paired.headline_test(mute, base, pope.METRICS, "f1")
    assert isinstance(none, UntestedHeadline)
    assert none.missing_for == ("mute",)


def test_answers_to_other_questions_are_refused(tmp_path: Path, questions: Path) -> None:
    ours = both_ways(questions, answered(tmp_path, "a", 0.5), "official")[0]
    questions.write_text(questions.read_text().replace("p3.jpg", "other.jpg"))
    theirs = both_ways(questions, answered(tmp_path, "b", 0.5), "official")[0]
    with pytest.raises(UserError, match="not answered the same questions: 240 answers"):
        large_paired.read([ours.items, theirs.items])


def test_a_damaged_table_of_items_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="can't be read"):
        count_items(LargeItems(path=tmp_path / "a.parquet", model="a", benchmark="pope"))


def test_folders_of_large_files_are_compared_and_reported(
    tmp_path: Path, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = [
        ScoreSettings(name="pope", answers=answered(tmp_path, name, right), data=(questions,))
        for name, right in (("base", 0.5), ("tuned", 0.9))
    ]
    folders = [each.default_out for each in params]
    score_bench(params[0], folders[0], SilentProgress())  # its scores make way for items
    monkeypatch.setattr(pope, "LARGE", 0)
    for each, folder in zip(params, folders, strict=True):
        score_bench(each, folder, SilentProgress())
        assert [items.model for items in large_in(folder)] == [each.model]
        rows = json.loads((folder / "summary.json").read_text())
        assert [row["metric"] for row in rows].count("f1") == 1
    made = compare(folders)
    assert made.models == ("base", "tuned")
    (test,) = made.bench.tests
    assert (test.benchmark, test.value > 0) == ("pope/greedy", True)
    assert not made.regressions()
    assert [(t.model, t.against) for t in compare(folders[::-1]).regressions()] == [
        ("base", "tuned")
    ]
    assert "POPE" in write_run_report(folders[0]).read_text()
    lazy = ScoreSettings(name="pope", answers=constant(tmp_path, "lazy", "no"), data=(questions,))
    score_bench(lazy, lazy.default_out, SilentProgress())
    (test,) = compare([folders[1], lazy.default_out]).regressions()
    assert (test.model, test.benchmark) == ("lazy", "pope/greedy")
