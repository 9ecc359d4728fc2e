"""Benchmarks of other packages, by entry point: run on a model, or refused by what they lack."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from example_packages import EXAMPLES, install, install_example, installed
from groundtune.bench.registry import PLUGINS
from groundtune.errors import UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.bench.data_paths import DataPaths
from groundtune.pipeline.bench.run import BenchSettings, run_bench
from groundtune.pipeline.bench.score import ScoreSettings, score_bench
from groundtune.protocols import SilentProgress

CHANGED = "from dataclasses import replace\nfrom own_benchmark import PEOPLE\n"


@contextmanager
def people_changed(tmp_path: Path, change: str) -> Generator[None]:
    """A benchmark `mine`: the example with a change."""
    site = install_example("own_benchmark", tmp_path / "site")
    code = f"{CHANGED}MINE = replace(PEOPLE, {change})\n"
    install(
        site, "mine", "1", {"mine_code.py": code}, {"groundtune.bench": {"mine": "mine_code:MINE"}}
    )
    with installed(site, PLUGINS):
        yield


def files(tmp_path: Path) -> DataPaths:
    for at, name in enumerate(("a.png", "b.png")):
        Image.new("RGB", (20 + at, 16), "red").save(tmp_path / name)
    data = tmp_path / "data.jsonl"
    data.write_text('{"image": "a.png", "people": 2}\n{"image": "b.png", "people": 3}\n')
    return DataPaths(data={"": (data,)}, images={"": tmp_path})


def run(name: str, tmp_path: Path):
    model = ScriptedGenerator(lambda prompt, seed: "2 people", lambda prompt: 0.5, name="machine")
    settings = BenchSettings(model="machine", benchmarks=(name,))
    out = tmp_path / "out"
    return run_bench(
        settings, out, SilentProgress(), data_paths=files(tmp_path), generator=model
    ).estimates


def test_the_documented_benchmark_runs_on_a_model(tmp_path: Path):
    with installed(install_example("own_benchmark", tmp_path / "site"), PLUGINS):
        estimates = run("people", tmp_path)
    values = {each.metric: each.value for each in estimates}
    assert values == {"accuracy": 0.5, "unparsed": 0.0}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("items=None", "mine can't be run: it lacks the hook items, which makes questions"),
        ("score=None", "mine can't be run: it lacks the hook score, which scores answers"),
        ("read_data=None", "mine can't be run: it lacks the hook read_data or load, which"),
        ("score=lambda *_: []", "The hook score returned 0 scores for 2 answers."),
    ],
)
def test_bench_run_names_the_hook_that_a_benchmark_lacks(change: str, what: str, tmp_path: Path):
    with people_changed(tmp_path, f"name='mine', {change}"), pytest.raises(UserError) as caught:
        run("mine", tmp_path)
    assert caught.value.what.startswith(what)
    assert caught.value.where == "mine"


def test_bench_score_names_the_hook_that_a_benchmark_lacks(tmp_path: Path):
    settings = ScoreSettings(name="mine", answers=tmp_path / "answers.jsonl")
    with (
        people_changed(tmp_path, "name='mine', read_answers=None"),
        pytest.raises(UserError, match="can't be scored: it lacks the hook read_answers"),
    ):
        score_bench(settings, tmp_path / "out", SilentProgress())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("revision='2'", "The Benchmark of the entry point mine is called people."),
        ("name='mine', headline='x'", "The headline of mine, 'x', is not one of its metrics."),
    ],
)
def test_a_benchmark_that_does_not_fit_its_name_is_refused(change: str, what: str, tmp_path: Path):
    with people_changed(tmp_path, change), pytest.raises(UserError) as caught:
        run("mine", tmp_path)
    assert caught.value.what == what
    assert caught.value.where == "groundtune.bench: mine = mine_code:MINE"


def test_the_documented_benchmark_is_the_example_and_has_40_lines_of_code():
    text = (EXAMPLES / "own_benchmark" / "own_benchmark.py").read_text("utf-8")
    assert text in (EXAMPLES.parent / "docs" / "bench-custom.md").read_text("utf-8")
    code = [line for line in text.splitlines() if line.strip() and '"""' not in line]
    assert len(code) <= 40
