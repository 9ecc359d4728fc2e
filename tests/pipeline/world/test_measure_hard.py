"""Models of hard scenes are measured on hard scenes, and pages show it as that."""

from pathlib import Path

import pytest

from groundtune.bench.run.run import read_scores
from groundtune.bench.summary import summarise
from groundtune.errors import UserError
from groundtune.pipeline.models.measure import Evaluation, ToMeasure
from groundtune.pipeline.models.prompt_sources import load
from groundtune.pipeline.models.settings import LabelledModel
from groundtune.protocols import SilentProgress

TARGET = ToMeasure(LabelledModel(model="world:base", label="base"))


def test_hard_scenes_are_measured_and_shown_under_their_own_names(tmp_path: Path) -> None:
    source = load("world-hard")
    assert source.measure is not None
    measure = source.measure()
    images = {"world-hard-captions": 4, "world-hard-questions": 1}
    job = measure.job(TARGET, Evaluation(images=images))
    job.work(tmp_path, job.settings, SilentProgress())
    scores = read_scores(tmp_path / TARGET.out)
    assert {score.image.partition("/")[0] for score in scores} == {"hard"}
    headline = measure.columns[0]
    summary = summarise(scores, against="base")
    rows = [row for row in summary.estimates if row.benchmark == headline.benchmark]
    assert {row.n for row in rows if row.metric == headline.metric} == {4}
    subject = measure.subject(summary.estimates, seeds=1)
    assert subject.headline == headline
    labels = {spec.name: spec.label for spec in subject.benchmarks}
    assert "hard" in labels[headline.benchmark]
    hidden = [row for row in summary.estimates if not subject.on_page(row)]
    assert {"world-hard-questions/random/t1"} <= {row.benchmark for row in hidden}
    assert measure.equal_length(scores, scores) is not None


def test_a_benchmark_of_clear_scenes_is_refused_for_hard_ones() -> None:
    measure = load("world-hard").measure
    assert measure is not None
    with pytest.raises(UserError, match="can't measure models with world-captions") as caught:
        measure().job(TARGET, Evaluation(images={"world-captions": 4}))
    assert "world-hard-captions and world-hard-questions" in str(caught.value.fix)
