"""What the page of rounds begins with: answers that could not be checked, and rounds in vain."""

import json
import shutil
from pathlib import Path

import pytest

from groundtune.bench.world.images import add_image, split_scenes
from groundtune.pipeline.align.caveats import UNCHANGED, UnreadPart, caveat_of
from groundtune.pipeline.align.choosing import START, CandidateModel, RoundChoice
from groundtune.pipeline.align.run import align, rewrite_align
from groundtune.pipeline.align.settings import AlignResult, AlignSettings
from groundtune.pipeline.recipes.registry import find
from groundtune.recipe_loading import load
from groundtune.records import Score
from groundtune.store.dataset import RecordSet
from groundtune.store.images import ImageStore
from job_works import Notes

LEARNT = "from which round 1 learnt"
SMALL = (
    "prompts=",
    "ask=Describe the image.",
    "n=3",
    "rounds=1",
    "sampling.max_new_tokens=60",
    "feedback.labeler=world:labeler",
    "learn.max_steps=1",
    "learn.checkpoints=1",
    "learn.optim.lr=1.0e-20",
)


def choice(chosen: str) -> RoundChoice:
    candidate = CandidateModel(name=START, step=0, wrong=0.5, kept=3.0, unchecked=1, allowed=True)
    return RoundChoice(by="claims", prompts=10, candidates=(candidate,), chosen=chosen)


@pytest.fixture(scope="module")
def in_vain(tmp_path_factory: pytest.TempPathFactory) -> AlignResult:
    """A round about eight images that learnt nothing: its rate is too small for any weight."""
    folder = tmp_path_factory.mktemp("images")
    store = ImageStore(folder / "store")
    for number, scene in enumerate(split_scenes("train", 8)):
        shutil.copy(store.path(add_image(scene, store)), folder / f"{number}.png")
    settings = load(find("world-align"), [*SMALL, f"images={folder}"], AlignSettings)
    return align(settings, folder / "out", Notes())


def test_a_round_that_was_not_better_is_not_compared_with_its_own_start(in_vain: AlignResult):
    page = in_vain.report.read_text()
    assert f"<h1>{UNCHANGED}</h1>" in page
    assert in_vain.unchanged
    assert "no checkpoint was better" in in_vain.verdict
    assert "no clear change" not in page
    assert "did not clearly change" not in page
    assert "Round 1: " in page
    assert [row[0] for row in in_vain.table] == ["model", "Base"]
    tables = json.loads(in_vain.results.read_text())
    assert {row["model"] for row in tables["estimates"]} == {"base", "round-1"}


def test_the_page_begins_with_the_unread_share_of_the_answers_it_reports_on(
    in_vain: AlignResult, tmp_path: Path
):
    out = tmp_path / "out"
    shutil.copytree(in_vain.report.parent, out)
    for name in ("base", "round-1"):
        kept = RecordSet(out / "evaluation" / name / "scores", Score)
        first, *others = kept.read()
        unread = first.model_copy(update={"status": "unparsed", "values": {}, "why": "unread"})
        shutil.rmtree(kept.path)
        kept.add([unread, *others])
    page = rewrite_align(out).read_text()
    assert "<h1>50% of the answers that this page reports on could not be checked</h1>" in page
    assert "Not checked: 2 of 4 that this page reports on." in page
    assert UNCHANGED in page


@pytest.mark.parametrize(
    ("unread", "begins"),
    [(9, None), (10, f"10% of the answers {LEARNT} could not be checked")],
)
def test_from_a_tenth_of_any_part_on_the_page_begins_with_it(unread: int, begins: str | None):
    parts = [UnreadPart("that this page reports on", 0, 0), UnreadPart(LEARNT, unread, 100)]
    found = caveat_of([choice("step-000001")], parts)
    assert (found.title if found else None) == begins


def test_one_better_round_of_several_is_a_change():
    assert caveat_of([choice(START), choice("step-000002")], []) is None
    found = caveat_of([choice(START), choice(START)], [])
    assert found is not None
    assert found.title == UNCHANGED
    assert found.text.startswith("After 2 rounds no checkpoint was better")
