"""Benchmarks run on scripted models: kept, resumed, refused, summed up."""

from pathlib import Path

import pytest
from bench_writers import machine, truthful

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import ItemSelection
from groundtune.bench.registry import load, load_all
from groundtune.bench.run import run as running
from groundtune.bench.run.exam import exam_of, scores_of
from groundtune.bench.run.run import ask, read_scores, store_scores
from groundtune.bench.summary import Summary, metric_of, pool, summarise
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.records import Answer, Prompt, Score
from groundtune.store.dataset import RecordSet
from groundtune.store.images import ImageStore

HERE = "development"


def measure(
    out: Path,
    model: ScriptedGenerator,
    *names: str,
    n: int = 12,
    label: str = "",
) -> list[Score]:
    scores: list[Score] = []
    images, how = ImageStore(out / "images"), Scoring(mode="strict", model=label or model.name)
    for benchmark in load_all(names or ["world"]):
        exam = exam_of(benchmark, (), ItemSelection(split=HERE, n=n), how, images)
        answers = ask(benchmark, exam.data, model, 0, out, SilentProgress())
        own = scores_of(exam, answers)
        store_scores(own, out)
        scores += own
    return scores


def value(summary: Summary, model: str, benchmark: str, metric: str) -> float:
    return next(
        e.value
        for e in summary.estimates
        if (e.model, e.benchmark, e.metric) == (model, benchmark, metric)
    )


def test_both_decodings_of_every_part_are_run_and_kept(tmp_path: Path):
    scores = measure(tmp_path, machine())
    assert {score.decoding for score in scores} == {"greedy", "t1"}
    assert {score.benchmark for score in scores} == {
        "world-captions",
        "world-captions/missing",
        "world-captions/replaced",
        *(f"world-questions/{part}" for part, _ in load("world-questions").labels),
    }
    assert read_scores(tmp_path) == scores
    prompts = {prompt.key for prompt in RecordSet(tmp_path / "prompts", Prompt).read()}
    assert {a.prompt for a in RecordSet(tmp_path / "answers", Answer).read()} == prompts


def test_a_prompt_that_several_items_share_is_asked_once(tmp_path: Path):
    scores = measure(tmp_path, truthful(), "world-questions")
    answers = RecordSet(tmp_path / "answers", Answer).read()
    assert len(answers) < len(scores)
    assert len({(a.prompt, a.producer.sampling) for a in answers}) == len(answers)


def test_what_was_answered_is_not_asked_again(tmp_path: Path):
    first = measure(tmp_path, machine())

    def refuse(prompt: Prompt, seed: int) -> str:
        raise AssertionError(f"asked again: {prompt.question} {seed}")

    assert measure(tmp_path, ScriptedGenerator(refuse, name="machine")) == first
    assert len(list((tmp_path / "scores").glob("*.parquet"))) == 1


def test_a_run_that_was_killed_goes_on_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(running, "AT_ONCE", 5)
    whole = measure(tmp_path / "whole", machine(), "world-captions")
    left = 12

    class Killed(Exception):
        pass

    honest = machine().answer

    def dying(prompt: Prompt, seed: int) -> str:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return honest(prompt, seed)

    with pytest.raises(Killed):
        measure(tmp_path / "cut", ScriptedGenerator(dying, name="machine"), "world-captions")
    assert len(RecordSet(tmp_path / "cut" / "answers", Answer).read()) == 10
    assert measure(tmp_path / "cut", machine(), "world-captions") == whole


def test_another_model_of_the_same_name_is_refused(tmp_path: Path):
    measure(tmp_path, machine(), "world-captions")
    other = ScriptedGenerator(lambda prompt, seed: "A cup.", name="other")
    with pytest.raises(UserError, match="different scores of a model with the same name, machine"):
        measure(tmp_path, other, "world-captions", label="machine")


def test_the_summary_tells_honest_from_machine_writers(tmp_path: Path):
    scores = measure(tmp_path, machine(), "world-captions", n=60)
    scores += measure(tmp_path, truthful(), "world-captions", n=60)
    summary = summarise(scores, against="machine")
    for decoding in ("greedy", "t1"):
        name = f"world-captions/{decoding}"
        assert value(summary, "truthful", name, "chair_sentence") == 0
        assert 0.93 < value(summary, "truthful", name, "recall") < 1
        assert value(summary, "machine", name, "chair_sentence") > 0.3
        (change,) = [
            d for d in summary.differences if (d.benchmark, d.metric) == (name, "chair_sentence")
        ]
        assert (change.model, change.against) == ("truthful", "machine")
        assert change.high < 0
        assert change.relative == pytest.approx(-1)
    assert all(d.model == "truthful" for d in summary.differences)


def test_runs_of_several_seeds_are_pooled(tmp_path: Path):
    scores = measure(tmp_path, machine(), "world-captions")
    scores += measure(tmp_path, truthful(), "world-captions")
    again = [s.model_copy(update={"model": "second"}) for s in scores if s.model == "truthful"]
    pooled = pool(
        [("truthful", "machine"), ("second", "machine")],
        [*scores, *again],
        model="honest, two seeds",
        against="machine",
    )
    one = {(d.benchmark, d.metric): d for d in summarise(scores).differences}
    assert pooled
    for each in pooled:
        assert each.value == pytest.approx(one[each.benchmark, each.metric].value)
        assert each.model == "honest, two seeds"


def test_models_that_answered_other_items_are_not_compared(tmp_path: Path):
    scores = measure(tmp_path / "a", machine(), "world-captions", n=5)
    scores += measure(tmp_path / "b", truthful(), "world-captions", n=6)
    with pytest.raises(UserError, match="not answered the same items"):
        summarise(scores)


def test_a_base_that_is_none_of_the_models_is_refused(tmp_path: Path):
    scores = measure(tmp_path, machine(), "world-captions", n=2)
    with pytest.raises(UserError, match="no model named base"):
        summarise(scores, against="base")


def test_metrics_are_found_by_the_benchmark_that_an_estimate_names():
    assert metric_of("world-captions/missing/t1", "overgeneral_delta").range == (-1, 1)
    assert metric_of("world-self-knowledge/greedy", "prior_slope").decimals == 2
    assert metric_of("pope:strict/greedy", "yes_ratio").label == "Answers that are yes"


@pytest.mark.parametrize("name", ["papal", "", "world"])
def test_a_benchmark_that_is_none_is_the_users_error(name: str):
    with pytest.raises(UserError, match="no benchmark"):
        load(name)


def test_scores_of_the_same_model_make_way_for_new_ones_only_where_they_may(tmp_path: Path):
    first = measure(tmp_path, machine(), "world-captions", n=4)
    other = [s.model_copy(update={"key": f"{s.key} again", "answer": "A cup."}) for s in first]
    with pytest.raises(UserError, match="different scores of a model with the same name, machine"):
        store_scores(other, tmp_path)
    assert read_scores(tmp_path) == first
    store_scores(other[:3], tmp_path, may_replace=True)
    greedy = [score for score in first if score.decoding == "t1"]
    assert read_scores(tmp_path) == [*greedy, *other[:3]]
