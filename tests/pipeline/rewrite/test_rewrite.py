"""Stage rewrite on the embedded world, without a model: captions, truth and rules."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from groundtune.bench.world.images import find_scene
from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.pipeline.rewrite import edits
from groundtune.pipeline.rewrite.run import RewriteResult, load_settings, rewrite
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Pair
from groundtune.world.editor import WorldEditor
from groundtune.world.read import read
from groundtune.world.truth import check
from written_world import written

TRUE = {"labeler": "world:truth", "second": "none"}


def rewritten(source: RunFolder, out: Path, *more: str, **options: object) -> RewriteResult:
    settings = load_settings(source.path, more, {**TRUE, **options})
    return rewrite(source.path, out, settings, SilentProgress())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return written(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def made(source: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RewriteResult:
    return rewritten(source, tmp_path_factory.mktemp("out") / "rewrite")


def errors(folder: RunFolder, pair: Pair, text: str) -> int:
    prompt = folder.prompts_by_key()[pair.prompt]
    found = check(find_scene(prompt.source.row), read(text))
    return sum(finding.mention is not None for finding in found)  # no question asks the setting


def test_chosen_answers_have_nothing_wrong_and_rejected_ones_have(
    source: RunFolder, made: RewriteResult
):
    pairs = RunFolder(made.pairs.parent).pairs.read()
    assert len(pairs) == made.summary.counts.pairs > 16
    assert {pair.origin for pair in pairs} == {"rewrite"}
    kinds = [(errors(source, p, p.chosen), errors(source, p, p.rejected)) for p in pairs]
    # what is not asked about, as the colour of a wall, stays wrong on both sides
    assert all(chosen <= rejected for chosen, rejected in kinds)
    assert sum(rejected > chosen for chosen, rejected in kinds) > len(pairs) / 2


def test_both_sides_of_a_pair_begin_in_one_voice(made: RewriteResult):
    pairs = RunFolder(made.pairs.parent).pairs.read()
    assert all(p.chosen.split()[:2] == p.rejected.split()[:2] for p in pairs)


def test_every_answer_is_counted_once(made: RewriteResult):
    counts = made.summary.counts
    lost = counts.unread + counts.nothing_to_do + counts.no_text + counts.unchanged
    assert counts.answers == lost + counts.still_wrong + counts.drafts == 16
    assert counts.wordings == counts.drafts * 2 * 3
    assert json.loads(made.results.read_text())["counts"]["pairs"] == counts.pairs
    assert counts.corrected
    assert counts.extended


def test_the_drafts_are_corrections_that_make_pairs_in_the_old_style(
    made: RewriteResult, tmp_path: Path
):
    folder = RunFolder(made.pairs.parent)
    assert len(folder.corrections.read()) == made.summary.counts.drafts
    assert run(["pairs", "--corrections", str(folder.path), "--out", str(tmp_path / "old")]) == 0
    assert len(RunFolder(tmp_path / "old").pairs.read()) == made.summary.counts.drafts


def test_run_again_it_makes_nothing_twice(source: RunFolder, made: RewriteResult):
    folder = RunFolder(made.pairs.parent)
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.parquet")}
    again = rewritten(source, folder.path)
    assert again.summary == made.summary
    assert before == {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.parquet")}


def test_stopped_in_any_step_it_resumes_to_the_same_pairs(
    source: RunFolder, made: RewriteResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(edits, "AT_ONCE", 5)
    calls = {"left": 0}
    names = ("correct", "extend", "reword", "additions", "alternatives")
    for name in names:
        real = getattr(WorldEditor, name)

        def stopping(self: WorldEditor, *more: object, real=real, **rest: object) -> object:  # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
            if calls["left"] == 0:
                raise KeyboardInterrupt
            calls["left"] -= 1
            return real(self, *more, **rest)

        monkeypatch.setattr(WorldEditor, name, stopping)
    stops = 0
    for left in (0, 1, 2, 4, 7, 100):
        calls["left"] = left
        try:
            rewritten(source, tmp_path / "out")
        except KeyboardInterrupt:
            stops += 1
    assert stops == 5
    texts = [
        [p.chosen for p in RunFolder(path).pairs.read()]
        for path in (tmp_path / "out", made.pairs.parent)
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("other", [{"correct": False}, {"extend": False}])
def test_correcting_alone_and_extending_alone_are_settings(
    source: RunFolder, tmp_path: Path, other: dict[str, object]
):
    counts = rewritten(source, tmp_path / "out", **other).summary.counts
    assert (counts.corrected > 0) is ("correct" not in other)
    assert (counts.extended > 0) is ("extend" not in other)


def test_without_wordings_the_pairs_are_the_drafts(source: RunFolder, tmp_path: Path):
    made = rewritten(source, tmp_path / "out", rewrites=0)
    pairs = RunFolder(tmp_path / "out").pairs.read()
    assert len(pairs) == made.summary.counts.drafts
    assert {p.rejected for p in pairs} <= {a.text for a in source.answers.read()}


def refused(source: RunFolder, out: Path, **options: object) -> Sequence[str]:
    with pytest.raises(UserError) as error:
        rewritten(source, out, **options)
    return error.value.what, error.value.where, error.value.fix


def test_one_model_is_not_two_verifiers(source: RunFolder, tmp_path: Path):
    what, _, fix = refused(source, tmp_path / "out", second="world:truth")
    assert "they always agree" in what
    assert "--second" in fix


def test_the_folder_of_the_answers_takes_no_pairs(source: RunFolder):
    assert "folder of the answers" in refused(source, source.path)[0]


def test_other_settings_in_the_same_folder_are_refused(source: RunFolder, made: RewriteResult):
    what, *_ = refused(source, made.pairs.parent, rewrites=2)
    assert "rewrites" in what


def test_answers_in_which_nothing_is_wrong_or_missing_make_no_pair(tmp_path: Path):
    folder = written(tmp_path / "source", 1)
    answer = folder.answers.read()[0]
    folder.answers.replace([answer.model_copy(update={"key": "b", "text": "A photo."})])
    what, where, _ = refused(folder, tmp_path / "out")
    assert "No pair could be made (answers: 1; unread: 1; claims: 1 unread)" in what
    assert where.endswith("rewrite.json")


def test_an_unknown_editor_is_three_lines(
    source: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    line = ["rewrite", str(source.path), "--labeler", "world:truth", "--second", "none"]
    assert run([*line, "--corrector", "nobody/here", "--out", str(tmp_path / "out")]) == 2
    assert [text.split(":")[0] for text in capsys.readouterr().err.splitlines()[-3:]] == [
        "error",
        "where",
        "fix",
    ]


def test_first_sentences_share_a_verified_prefix_and_differ_in_one_sentence(
    source: RunFolder, tmp_path: Path
):
    counts = rewritten(source, tmp_path / "out", kinds=["first_sentence"]).summary.counts
    pairs = RunFolder(tmp_path / "out").pairs.read()
    assert counts.pairs == counts.first_sentences == len(pairs) > 3
    texts = {answer.text for answer in source.answers.read()}
    for pair in pairs:
        assert any(text.startswith(pair.rejected) for text in texts)
        prefix = pair.rejected.rstrip(".").rpartition(".")[0]
        assert pair.chosen.startswith(prefix)
        assert errors(source, pair, pair.chosen) == 0 < errors(source, pair, pair.rejected)
    lost = sum(counts.first_sentences_lost.values())
    assert lost + len(pairs) == counts.answers - counts.unread


def test_kinds_are_mixed_and_questions_bring_their_prompts(source: RunFolder, tmp_path: Path):
    counts = rewritten(source, tmp_path / "out", kinds=["whole", "yes_no"]).summary.counts
    folder = RunFolder(tmp_path / "out")
    pairs, prompts = folder.pairs.read(), folder.prompts_by_key()
    asked = [pair for pair in pairs if pair.chosen in ("Yes.", "No.")]
    assert len(asked) == counts.yes_no > 0
    assert sum(pair.chosen == "Yes." for pair in asked) * 2 == len(asked)
    assert all("Answer yes or no." in prompts[pair.prompt].question for pair in asked)
    assert len(pairs) == counts.pairs > len(asked)


def test_the_style_gate_refuses_before_pairs_are_written(
    source: RunFolder, tmp_path: Path, tiny_llava: Path
):
    limits = {"reference": str(tiny_llava), "rewrites": 1, "most_distance": 1e-6}
    what, where, _ = refused(source, tmp_path / "out", **limits)
    assert "differ in style" in what
    assert where.endswith("style.json")
    assert RunFolder(tmp_path / "out").pairs.read() == []
