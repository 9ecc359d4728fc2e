"""The text stages against a real language model: nothing of what it says is lost or believed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.rewrite.edits import EditedText
from groundtune.pipeline.rewrite.run import load_settings, rewrite
from groundtune.pipeline.rewrite.settings import StepCounts
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.store.dataset import RecordSet
from real_llm import VARIABLE, named_llm, served
from written_world import written

pytestmark = pytest.mark.real_llm
NUMBER = 2


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = named_llm()
    if not name:
        pytest.skip(f"{VARIABLE} is not set: no language model to ask")
    with served(name, tmp_path_factory.mktemp("llm") / "serve.log") as setting:
        yield setting


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return written(tmp_path_factory.mktemp("written"), NUMBER)


def counts_of(source: RunFolder, out: Path, llm: str, **more: object) -> StepCounts:
    """What became of the answers; no pair at all is a result, too."""
    limits = {"max_reply_tokens": 96, "sampling": {"max_new_tokens": 96}, "batch_size": 1}
    names = {"labeler": "world:truth", "second": "none", "corrector": llm, "rewriter": llm}
    options = {**names, "sees": False, "rewrites": 1, **limits, **more}
    settings = load_settings(source.path, [], options)
    try:
        return rewrite(source.path, out, settings, SilentProgress()).summary.counts
    except UserError as error:
        if not error.what.startswith("No pair could be made"):
            raise
        return StepCounts(**json.loads((out / "rewrite.json").read_text())["counts"])


def test_every_answer_and_every_text_is_accounted_for(source: RunFolder, llm: str, tmp_path: Path):
    counts = counts_of(source, tmp_path / "out", llm)
    lost = counts.unread + counts.nothing_to_do + counts.no_text + counts.unchanged
    assert counts.answers == lost + counts.still_wrong + counts.drafts == NUMBER
    edited = RecordSet(tmp_path / "out" / "edited", EditedText).read()
    steps = [row.step for row in edited]
    assert steps.count("reword") == counts.wordings == 2 * counts.drafts
    assert steps.count("correct") >= 1
    assert all(row.by.name == llm.partition("@")[0] for row in edited)
    assert sum(counts.wordings_lost.values()) + 2 * counts.pairs >= counts.wordings


def test_what_a_divider_replies_is_kept_or_counted_as_unread(
    source: RunFolder, llm: str, tmp_path: Path
):
    counts = counts_of(source, tmp_path / "out", llm, divider=llm)
    rows = RunFolder(tmp_path / "out").division.read()
    assert {row.answer for row in rows} == {answer.key for answer in source.answers.read()}
    unread = {row.answer for row in rows if row.status == "unparsed"}
    nothing = {row.answer for row in rows if row.status == "empty"}
    assert len(unread | nothing) <= counts.unread <= NUMBER
    assert all(row.text for row in rows if row.status == "unparsed")


def test_it_resumes_without_asking_again(source: RunFolder, llm: str, tmp_path: Path):
    first = counts_of(source, tmp_path / "out", llm)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    assert counts_of(source, tmp_path / "out", llm) == first
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
