"""The style gate: what a classifier without content words tells, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.bench.stats.means import mean_interval
from groundtune.cli.app import run
from groundtune.pipeline.models.prompt_sources import load
from groundtune.pipeline.rewrite.style_features import (
    features,
    histogram,
    length_auc,
    style_auc,
    unseen_share,
)
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Pair
from groundtune.world.captions import CLEAN, MACHINE, VOICES, Voice, caption
from groundtune.world.scenes import scene


def pairs_in(chosen: Voice, rejected: Voice, number: int = 60) -> list[Pair]:
    """Pairs of a truthful and a machine writer's caption, each side in its voice."""
    found: list[Pair] = []
    for i in range(number):
        shown, rng = scene("train", i), np.random.default_rng(i)
        good, bad = caption(shown, rng, CLEAN, chosen), caption(shown, rng, MACHINE, rejected)
        pair = Pair(key=f"{i}", prompt=f"p{i}", chosen=good, rejected=bad, origin="rewrite")
        found.append(pair)
    return found


def test_two_voices_are_told_apart_and_one_is_not() -> None:
    apart = style_auc(pairs_in(VOICES[1], VOICES[3]))
    together = style_auc(pairs_in(VOICES[1], VOICES[1]))
    assert apart.low > 0.9
    assert together.low < 0.5 < together.high
    assert together.value < 0.7


def test_length_is_reported_by_itself() -> None:
    longer = [
        Pair(key=f"{i}", prompt=f"{i}", chosen="one two", rejected="one", origin="rewrite")
        for i in range(10)
    ]
    assert length_auc(longer).value == 1
    assert style_auc(longer).value == 0.5


def test_pairs_of_other_languages_are_counted_as_not_seen() -> None:
    assert unseen_share(pairs_in(VOICES[1], VOICES[3])) == 0
    texts = [
        ("有一个杯子。", "有一只狗。"),
        ("Eine rote Tasse.", "Ein Hund."),
        ("The cup is red.", "A cup."),
    ]
    pairs = [
        Pair(key=f"{i}", prompt=f"{i}", chosen=chosen, rejected=rejected, origin="rewrite")
        for i, (chosen, rejected) in enumerate(texts)
    ]
    assert unseen_share(pairs) == pytest.approx(2 / 3)


def test_full_width_marks_are_style() -> None:
    spoken = [
        Pair(
            key=f"{i}",
            prompt=f"{i}",
            chosen=f"有{i}个杯子。",
            rejected=f"\u201c有{i}个杯子\uff01\u201d",
            origin="rewrite",
        )
        for i in range(40)
    ]
    assert style_auc(spoken).low > 0.9


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_prompts_show_nothing(number: int) -> None:
    found = style_auc(pairs_in(VOICES[1], VOICES[3], number))
    assert found.low <= 0.5 <= found.high


@given(st.text())
def test_every_text_has_finite_features(text: str) -> None:
    found = features(text)
    assert np.isfinite(found).all()
    assert len(found) == len(features("A cup."))


def test_intervals_draw_prompts_not_pairs() -> None:
    values = np.tile([0.0, 1.0], 10)
    few = mean_interval(values, ["a", "b"] * 10)
    many = mean_interval(values, [str(i) for i in range(20)])
    assert few[0] == many[0] == 0.5
    assert few[2] - few[1] > many[2] - many[1]


def test_histograms_share_bins_and_add_up_to_one() -> None:
    _, one, other = histogram(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    assert (one.sum(), other.sum()) == (1, 1)
    assert np.minimum(one, other).sum() == 0.5
    _, same, _ = histogram(np.array([1.0]), np.array([1.0]))
    assert same.sum() == 1


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "pairs")
    prompts = load("world").prompts(made.images, 8, SilentProgress(), part="learning", seed=0)
    made.prompts.add(prompts)
    rows = pairs_in(VOICES[1], VOICES[3], 8)
    made.pairs.add(
        [p.model_copy(update={"prompt": q.key}) for p, q in zip(rows, prompts, strict=True)]
    )
    return made


def test_the_command_reports_and_says_what_it_does_not_see(
    folder: RunFolder, tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["style", str(folder.path), "--model", str(tiny_llava), "--out", str(tmp_path / "out")]
    assert run([*line, "refuse=false", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pairs"] == 8
    assert found["mean"]["chosen"] < 0 < found["words"]["chosen"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Both sides of the pairs differ in style" in page
    assert "% of texts" in page
    assert "hardly an English function word" not in page
    folder.pairs.replace(
        [
            p.model_copy(update={"key": f"zh-{p.key}", "chosen": "有杯子", "rejected": "有狗"})
            for p in folder.pairs.read()
        ]
    )
    other = ["style", str(folder.path), "--model", str(tiny_llava), "--out", str(tmp_path / "zh")]
    assert run([*other, "refuse=false"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "100% of the pairs have hardly an English function word" in shown
    assert "hardly an English function word" in (tmp_path / "zh" / "report.html").read_text()


def test_the_command_refuses_what_is_apart_and_resumes(
    folder: RunFolder, tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["style", str(folder.path), "--model", str(tiny_llava), "--out", str(tmp_path / "out")]
    assert run([*line, "refuse=false"]) == 0
    capsys.readouterr()
    parts = sorted((tmp_path / "out" / "log-probs").glob("*.parquet"))
    assert run([*line, "most_distance=0.000001"]) == 2
    lines = capsys.readouterr().err.splitlines()[-3:]
    assert "differ in style" in lines[0]
    assert "standard deviations apart" in lines[0]
    assert sorted((tmp_path / "out" / "log-probs").glob("*.parquet")) == parts
