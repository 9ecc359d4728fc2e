"""The training benchmark's arithmetic, and that its page says what was measured. Nothing is run."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_bound_of_a_model_of_one_feature_is_counted_by_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import train_bounds
    from train_cases import ONE, Case, Size

    size = Size(
        layers=1, hidden=1, inner=0, keys=1, vocabulary=0, image_tokens=0, tower=0, projector=0
    )
    case = Case(name="", label="", model="", answers=2, tokens=51, pairs=ONE, lora=False)
    # Two sequences of 101 tokens: 808 by weights, 2 * 5151 pairs of tokens that see each other.
    baseline = 808 * 3 + 2 * 10302 * 3.5 + (808 + 2 * 10302)
    # The prompt's 50 tokens, then 50 of each answer (the last isn't run), which see the prompt.
    packed = 600 * 3 + 2 * 8825 * 3.5
    found = train_bounds.bound(case, size)
    assert found.step == pytest.approx(baseline / packed)
    assert found.first_epoch == pytest.approx(baseline / (packed + 600 + 2 * 8825))


def test_the_page_has_the_tables_and_the_chart_of_the_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import train_report

    results = json.loads((BENCHMARKS / "results" / "train.json").read_text())
    assert train_report.tables(results) in train_report.PAGE.read_text()
    measured = train_report._measured(results)
    assert train_report.CHART.read_text() == train_report.chart(measured)


def test_a_benchmark_that_was_stopped_measures_no_case_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import train_against_trl as benchmark
    from train_cases import CASES

    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "train.json")
    monkeypatch.setattr(benchmark, "PART", tmp_path / "train.part.json")
    alone = {"ids": [[1]], "loss": [0.5], "norm": [2.0], "memory_mb": 7}
    timed = {"ours": {"cpu": [1.0]}, "trl": {"cpu": [2.0]}}
    asked: list[str] = []

    def start(work: dict[str, str]) -> object:
        asked.append(work["kind"] + work.get("case", ""))
        if asked[-1] == "ablation" and asked.count("ablation") == 1:
            raise KeyboardInterrupt
        return {"alone": alone, "time": timed}.get(work["kind"], {})

    first, second = CASES[:2]
    wanted = [first, second, "ablation"]
    with pytest.raises(KeyboardInterrupt):
        benchmark.measure(wanted, start, "code")
    assert not benchmark.RESULTS.exists()
    benchmark.measure([second], start, "code")
    assert list(json.loads(benchmark.RESULTS.read_text())["cases"]) == [second.name]
    benchmark.measure(wanted, start, "code")
    assert asked.count(f"time{first.name}") == 1
    assert asked.count(f"time{second.name}") == 2  # asked for by name, and done: then a new run
    results = json.loads(benchmark.RESULTS.read_text())
    assert set(results["cases"]) == {first.name, second.name}
    assert results["ablation"] == {}
    assert not benchmark.PART.exists()
    benchmark.measure([first], start, "other code")
    assert asked.count(f"time{first.name}") == 2
