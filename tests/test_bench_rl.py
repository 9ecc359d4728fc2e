"""The benchmark of reinforcement learning: its page, its agreement, its resume. Nothing is run."""

import json
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_the_page_has_the_tables_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import rl_report

    results = json.loads((BENCHMARKS / "results" / "rl.json").read_text())
    assert rl_report.tables(results) in rl_report.PAGE.read_text()


def test_parts_of_a_step_are_added_up_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import rl_report
    from rl_parts import PARTS
    from train_cases import RL_CASES

    def side(*seconds: float) -> dict[str, dict[str, list[float]]]:
        return {"cpu": {part: [s, s] for part, s in zip(PARTS, seconds, strict=True)}}

    memory = {"rollout": 10, "reference": 20, "update": 30, "whole": 30}
    case = RL_CASES[0]
    found = {
        "ours": side(1, 0, 1, 2, 0),
        "trl": side(4, 0, 5, 7, 1),
        "tokens": {"ours": 100.0, "trl": 99.5},
        "load": [1.0, 2.0],
        "memory_mb": {"ours": memory, "trl": memory, "plain": {"whole": 25}},
        "agreement": {"loss_differs": [1e-6, 1e-4], "norm_differs": [2e-6, 2e-4]},
        "made_with": {"machine": "a machine", "day": "today", "versions": {"trl": "1"}},
    }
    text = rl_report.tables({"cases": {case.name: found}})
    [learn] = [line for line in text.splitlines() if "| reference and update |" in line]
    assert "12.00 (12.00 to 12.00, n=2) | 3.00 (3.00 to 3.00, n=2) | 4.00x (goal 3x)" in learn
    [whole] = [line for line in text.splitlines() if "| whole step |" in line]
    assert "| 17.00 (17.00 to 17.00, n=2) | 4.00 (4.00 to 4.00, n=2) | 4.25x |" in whole
    assert "30 of 25, 1.20x (goal 1.3x)" in text


@pytest.mark.parametrize(
    ("name", "step", "factor"), [("loss", 0, 1.001), ("norm", 0, 1.001), ("norm", 1, 1.1)]
)
def test_sides_that_compute_other_losses_are_not_timed(
    name: str, step: int, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import rl_against_trl as benchmark
    from train_cases import RL_CASES

    ours: dict[str, Any] = {"ids": [[1]], "loss": [0.5, 0.4], "norm": [2.0, 1.0]}
    benchmark.agree(RL_CASES[0], ours, ours)
    other = {**ours, name: [v * factor if i == step else v for i, v in enumerate(ours[name])]}
    with pytest.raises(AssertionError):
        benchmark.agree(RL_CASES[0], ours, other)
    with pytest.raises(AssertionError, match="different tokens"):
        benchmark.agree(RL_CASES[0], ours, {**ours, "ids": [[2]]})


def test_a_piece_is_measured_once_for_one_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import rl_against_trl as benchmark
    from train_cases import RL_CASES

    monkeypatch.setattr(benchmark, "PART", tmp_path / "rl.part.json")
    case, other = RL_CASES[:2]
    started: list[str] = []

    def start(work: dict[str, str]) -> str:
        started.append(f"{work['case']} {work['side']}")
        return work["side"]

    first = benchmark.Pieces(start, "code")
    assert first.get(case, "alone", "trl") == "trl"
    again = benchmark.Pieces(start, "code")
    assert again.get(case, "alone", "trl") == "trl"
    assert again.get(other, "alone", "trl") == "trl"
    assert len(started) == 2
    benchmark.Pieces(start, "other code").get(case, "alone", "trl")
    assert len(started) == 3
    again.drop(case)
    assert benchmark.PART.exists()
    again.drop(other)
    assert not benchmark.PART.exists()
