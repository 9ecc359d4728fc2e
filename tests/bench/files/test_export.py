"""What is scored, exported and scored again has the same metrics, in every benchmark."""

from pathlib import Path

import pytest
from small_data import SMALL, Small

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import MODES, Mode
from groundtune.bench.judge.judge import Judging
from groundtune.bench.judge.recorded import RecordedJudge
from groundtune.bench.registry import TARGETS, load
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.bench.export import Layout, export_scores
from groundtune.pipeline.bench.result import BenchmarkResult
from groundtune.pipeline.bench.score import ScoreSettings, score_bench


def scored(name: str, small: Small, answers: Path, out: Path, mode: Mode) -> BenchmarkResult:
    judge = Judging(source=RecordedJudge(small.replies)) if small.replies else None
    params = ScoreSettings(name=name, answers=answers, data=small.data, mode=mode, label="m")
    (result,) = score_bench(params, out, SilentProgress(), scoring=Scoring(judge=judge)).results
    return result


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", SMALL)
def test_exported_answers_score_as_they_did(case: str, mode: Mode, tmp_path: Path):
    name = case.partition(" ")[0]
    layouts: tuple[Layout, ...] = ("lmms-eval", "inspect")
    (tmp_path / "small").mkdir()
    small = SMALL[case](tmp_path / "small")
    first = scored(name, small, small.answers, tmp_path / "first", mode)
    assert any(first.results.metrics.values())
    for layout in layouts:
        (log,) = export_scores(tmp_path / "first", tmp_path / layout, layout)
        again = scored(name, small, log, tmp_path / f"{layout} again", mode)
        assert again.results.metrics == first.results.metrics, layout
        assert again.results.strata == first.results.strata, layout
        assert (again.results.n, again.results.unparsed) == (
            first.results.n,
            first.results.unparsed,
        )


def test_every_benchmark_is_exported_and_read_again_but_the_one_that_people_mark():
    from_files = {name for name in TARGETS if load(name).read_data is not None}
    assert {case.partition(" ")[0] for case in SMALL} == from_files - {"mhumaneval"}
