"""Benchmarks by name: ours, and third parties' by entry point."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from example_packages import install_example, result_with
from groundtune.bench.metric import Metric
from groundtune.bench.registry import TARGETS, load, names
from groundtune.bench.stats.bootstrap import estimate
from groundtune.bench.stats.sums import tabulate
from groundtune.errors import UserError
from groundtune.records import Score

ROOT = Path(__file__).parents[2]


def test_every_benchmark_that_is_there_is_what_its_name_says():
    for name in names():
        benchmark = load(name)
        assert benchmark.name == name
        assert benchmark.headline in {metric.name for metric in benchmark.metrics}
        assert benchmark.revision
        assert bool(benchmark.layouts) == (benchmark.read_answers is not None)
        assert (benchmark.load is None) or (benchmark.read_data is None)


def test_metrics_have_plain_names_units_and_ranges():
    for name in names():
        own = load(name).metrics
        assert len({metric.name for metric in own}) == len(own)
        for metric in own:
            assert metric.name.replace("_", "").isalnum()
            assert metric.name.islower()
            assert metric.is_share == (metric.scale == 100), f"{name} {metric.name}"


def test_a_name_that_is_none_is_the_users_error():
    with pytest.raises(UserError, match="no benchmark 'nope'"):
        load("nope")


def test_a_dash_is_as_good_as_an_underscore():
    assert load("LLaVA-Bench") is load("llava_bench")
    assert "llava_bench" in TARGETS


def people(tmp_path: Path) -> tuple[Path, Path]:
    """The site with the example, and a folder with data, answers and images for it."""
    site = install_example("own_benchmark", tmp_path / "site")
    rows = [("a.jpg", 2, "2 people"), ("b.jpg", 3, "4"), ("c.jpg", 1, "some")]
    data = [json.dumps({"image": image, "people": number}) for image, number, _ in rows]
    answers = [json.dumps({"image": i, "answer": text}) for i, _, text in reversed(rows)]
    (tmp_path / "data.jsonl").write_text("\n".join(data))
    (tmp_path / "answers.jsonl").write_text("\n".join(answers))
    for at, (image, _, _) in enumerate(rows):
        Image.new("RGB", (20 + at, 16), "red").save(tmp_path / image)
    return site, tmp_path


def test_a_third_partys_benchmark_is_scored_through_its_entry_point(tmp_path: Path):
    site, files = people(tmp_path)
    answers, data = files / "answers.jsonl", ("--data", files / "data.jsonl")
    result = result_with(site, "bench", "score", "people", answers, *data)
    assert result["metrics"] == {"accuracy": 0.5, "unparsed": 1 / 3}
    assert result["unparsed"] == 1


def scores(*values: float) -> list[Score]:
    return [
        Score(key=str(i), benchmark="b", item=str(i), image=str(i), model="m", values={"a": value})
        for i, value in enumerate(values)
    ]


def test_a_formula_makes_a_value_and_its_interval_of_the_sums():
    root = Metric(
        name="r", label="R", formula=lambda sums: np.sqrt(sums["a"]), unit="points", scale=1
    )
    made = estimate(tabulate(scores(*[1.0] * 16)), root, model="m", benchmark="b")
    assert made is not None
    assert (made.value, made.low, made.high, made.n) == (4, 4, 4, 16)
    varied = estimate(tabulate(scores(*[0.0, 2.0] * 8)), root, model="m", benchmark="b")
    assert varied is not None
    assert varied.low < 4 < varied.high


def test_a_formula_reads_0_for_a_column_that_is_not_there_and_nan_is_no_estimate():
    missing = Metric(
        name="m", label="M", formula=lambda sums: sums["b"] + 1, unit="points", scale=1
    )
    made = estimate(tabulate(scores(1.0)), missing, model="m", benchmark="b")
    assert made is not None
    assert made.value == 1
    never = Metric(name="n", label="N", formula=lambda sums: sums["a"] * np.nan)
    assert estimate(tabulate(scores(1.0)), never, model="m", benchmark="b") is None


def test_intervals_stay_within_a_metrics_range():
    bounded = Metric(
        name="p",
        label="P",
        formula=lambda sums: sums["a"],
        unit="points",
        scale=1,
        range=(0.0, 5.0),
    )
    made = estimate(tabulate(scores(*[0.0, 1.0] * 4)), bounded, model="m", benchmark="b")
    assert made is not None
    assert made.high == 5


def test_the_docs_table_of_metrics_is_up_to_date():
    spec = importlib.util.spec_from_file_location("bench_table", ROOT / "tools" / "bench_table.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for page, text in tool.pages().items():
        assert text == page.read_text(encoding="utf-8"), "run python tools/bench_table.py"
