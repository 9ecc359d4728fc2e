"""Benchmarks as a stage: a folder of answers, scores and a summary; answers that exist."""

import json
from pathlib import Path

import numpy as np
import pytest

from groundtune.bench.item import Wanted
from groundtune.bench.summary import resolve
from groundtune.bench.world.captions import load
from groundtune.bench.world.pictures import find_scene
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.bench.run import BenchParams, bench, run_bench
from groundtune.pipeline.bench.score_world import read_results, score_answers
from groundtune.records import Estimate, Prompt
from groundtune.store.images import ImageStore
from groundtune.world.captions import EVALUATION_INSTRUCTIONS, MACHINE, caption
from scripted_endpoint import ScriptedEndpoint, running


def machine(prompt: Prompt, seed: int) -> str:
    scene = find_scene(prompt.source.row)
    if prompt.question in EVALUATION_INSTRUCTIONS:
        return caption(scene, np.random.default_rng([seed % 2**32, scene.seed]), MACHINE)
    return "Yes."


def do(out: Path, **settings: object) -> list[Estimate]:
    params = BenchParams.model_validate({"model": "machine", "n": 10, **settings})
    model = ScriptedGenerator(machine, lambda prompt: 0.2, name="machine")
    return bench(params, model, model, out, SilentProgress(), None, resolve(params.benchmarks))


def score(path: Path, out: Path, n: int = 10, **settings: str) -> list[Estimate]:
    return score_answers(
        ["world"], path, out, SilentProgress(), wanted=Wanted(n=n), label=settings.get("label", "")
    )


def test_a_run_writes_a_summary_of_all_metrics_with_intervals(tmp_path: Path):
    estimates = do(tmp_path, knowing=True)
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert [Estimate.model_validate(row) for row in rows] == estimates
    found = {(row["benchmark"], row["metric"]): row for row in rows}
    for place in (
        ("world-captions/greedy", "chair_sentence"),
        ("world-captions/t1", "recall"),
        ("world-captions/missing/greedy", "overgeneral_delta"),
        ("world-questions/adversarial/greedy", "f1"),
        ("world-questions/place/t1", "unparsed"),
        ("world-knowing/greedy", "prior_slope"),
    ):
        assert found[place]["low"] <= found[place]["value"] <= found[place]["high"]
    assert found["world-knowing/greedy", "knows_better"]["value"] == 1


def test_a_runs_folder_can_be_scored_again_without_a_model(tmp_path: Path):
    first = {(e.benchmark, e.metric): e for e in do(tmp_path / "run")}
    for out in (tmp_path / "again", tmp_path / "run"):
        again = score(tmp_path / "run", out)
        assert {(e.benchmark, e.metric): e for e in again} == first
        assert len(again) == len(first)


def test_json_lines_are_matched_by_scene_and_question(tmp_path: Path):
    images = ImageStore(tmp_path / "images")
    file = tmp_path / "theirs.jsonl"
    rows = [
        {
            "scene": item.image,
            "question": item.prompt.question,
            "answer": f"There is a {find_scene(item.image).things[0].category}.",
        }
        for item in load(Wanted(n=10), images)
        if item.benchmark == "world-captions"
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    estimates = score(file, tmp_path / "out")
    found = {(made.benchmark, made.metric): made for made in estimates}
    assert found["world-captions/greedy", "chair_sentence"].value == 0
    assert found["world-captions/greedy", "mentions"].value == 1
    assert {made.model for made in estimates} == {"theirs"}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    with pytest.raises(UserError, match="Only 9 of 10 items of world-captions"):
        score(file, tmp_path / "less")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\n", "not an answer"),
        ('{"scene": "development/0", "answer": "x"}\n', "not an answer"),
        ('["a"]\n', "not an answer"),
        ('{"scene": "development/0", "question": "Who?", "answer": "x"}\n', "None of the answers"),
        ("", "None of the answers"),
    ],
)
def test_answers_that_are_none_are_the_users_error(tmp_path: Path, text: str, message: str):
    file = tmp_path / "answers.jsonl"
    file.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        score(file, tmp_path / "out", n=2)
    assert "answers.jsonl" in error.value.where
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_file_that_is_not_there_is_the_users_error(tmp_path: Path):
    with pytest.raises(UserError, match="can't be read"):
        score(tmp_path / "none.jsonl", tmp_path / "out")


def test_results_and_items_are_told_as_those_of_any_other_benchmark(tmp_path: Path):
    do(tmp_path / "run")
    score(tmp_path / "run", tmp_path / "again")
    found = {each["benchmark"]: each for each in read_results(tmp_path / "again")}
    told = found["world-captions"]
    assert told["mode"] == "strict"
    assert told["metrics"]["chair_sentence"] is not None
    rows = Path(str(told["items"])).read_text().splitlines()
    assert len(rows) == told["n"]
    assert set(json.loads(rows[0])) >= {"item", "answer", "extracted", "values", "status", "why"}


def test_a_model_behind_an_endpoint_is_measured_like_any_other(tmp_path: Path):
    endpoint = ScriptedEndpoint(lambda body, index: "Yes.")
    with running(endpoint):
        params = BenchParams(model=f"openai:tiny@{endpoint.url}", benchmarks=("world",), n=2)
        estimates = run_bench(params, tmp_path, SilentProgress())
    found = {(each.benchmark, each.metric): each.value for each in estimates}
    assert found["world-questions/random/greedy", "yes_rate"] == 1
    assert found["world-captions/greedy", "recall"] == 0
    run = json.loads((tmp_path / "scores/run.json").read_text())
    assert "tiny" in run["inputs"]["model"]
    assert any("image_url" in str(body) for body in endpoint.bodies)
