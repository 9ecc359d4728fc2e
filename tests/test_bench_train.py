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
        layers=1,
        hidden=1,
        inner=0,
        queries=1,
        keys=1,
        vocabulary=0,
        image_tokens=0,
        tower=0,
        projector=0,
    )
    case = Case(name="", label="", model="", answers=2, tokens=51, pairs=ONE, lora=False)
    # Two sequences of 101 tokens: 808 by weights, 2 * 5151 pairs of tokens that see each other.
    baseline = 808 * 3 + 2 * 10302 * 3.5 + (808 + 2 * 10302)
    # The prompt's 50 tokens, then 50 of each answer (the last isn't run), which see the prompt.
    packed = 600 * 3 + 2 * 8825 * 3.5
    found = train_bounds.bound(case, size)
    assert found.step == pytest.approx(baseline / packed)
    assert found.first_epoch == pytest.approx(baseline / (packed + 600 + 2 * 8825))
    # In reinforcement learning both sides run a reference, in the same shapes as the policy.
    assert train_bounds.rl_bound(case, size) == pytest.approx(found.first_epoch)


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
    assert set(results["made_with"]) == {first.name, second.name, "ablation"}
    assert not benchmark.PART.exists()
    benchmark.measure([first], lambda work: start(work) or {"day": "later"}, "other code")
    assert asked.count(f"time{first.name}") == 2
    made_with = json.loads(benchmark.RESULTS.read_text())["made_with"]
    assert made_with == {first.name: {"day": "later"}, second.name: {}, "ablation": {}}


def test_cases_of_several_runs_have_a_machine_line_each_and_one_case_writes_no_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import train_against_trl as benchmark
    import train_report

    results = json.loads((BENCHMARKS / "results" / "train.json").read_text())
    name = "llava-100-full"
    results["made_with"][name] = {**results["made_with"][name], "machine": "another machine"}
    first, second, *_ = train_report.tables(results).splitlines()
    assert first.startswith("- llava-100-lora, two-pairs-lora, ")
    assert second.startswith(f"- {name}: another machine, one thread")
    page = train_report.PAGE.read_bytes()
    printed = benchmark.report(results, [name])
    assert train_report.PAGE.read_bytes() == page
    assert printed.startswith("another machine, one thread")
    assert printed.endswith("--table writes it from all results.")


def test_the_table_of_a_gpu_has_a_row_a_case_and_says_where_memory_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import train_report
    from train_bounds import bound
    from train_cases import GPU_CASES, GPU_SIZES

    ours = {"seconds": [0.2], "reference": [0.05], "encoding": 0.05, "memory_mb": 500}
    ended = {"out_of_memory": 140_000}
    one, full = GPU_CASES[:2]
    flop = 2 * bound(one, GPU_SIZES[one.model]).ours
    results = {
        "made_with": {
            "machine": "a GPU",
            "day": "today",
            "versions": {"trl": "1.16.0"},
            "flop_per_second": flop / 0.4,
        },
        "cases": {
            one.name: {"ours": ours, "trl": {"seconds": [0.6], "memory_mb": 1_000}},
            full.name: {"ours": ours, "trl": ended},
        },
    }
    first, second = train_report.gpu_table(results).splitlines()[-2:]
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells[:2] == [one.label, "LoRA r16"]
    assert cells[4].startswith("3.00x")
    assert cells[7] == "2.00x (goal 1.5x)"  # 0.6 to 0.2 and 0.1 for the reference
    assert cells[9].endswith("and 200%")  # twice what the product reaches, as was made up
    assert cells[10] == "500 of 1,000 MiB, 0.50x (goal 0.55x)"
    assert "| - | - | - | - |" in second
    assert "500 of 140,000 MiB, where one ended" in second


def test_a_gpus_models_have_the_sizes_of_those_that_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import torch
    import train_models

    with torch.device("meta"):
        llava = train_models._llava("llava-7b").model
        qwen = train_models._qwen3("qwen3-vl-4b").model
    assert sum(p.numel() for p in llava.parameters()) == pytest.approx(7.06e9, rel=0.01)
    # 4.4e9 with the head's weights, which are the embeddings' in the published model
    own = sum(p.numel() for p in qwen.parameters()) - qwen.lm_head.weight.numel()
    assert own == pytest.approx(4.44e9, rel=0.01)
