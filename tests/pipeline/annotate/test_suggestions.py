"""Suggestions: which are shown, and wrong ones planted among them."""

from pathlib import Path

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate.project import open_project
from groundtune.pipeline.annotate.results import finished_work
from groundtune.pipeline.annotate.suggestions import SuggestionCounts
from groundtune.records import Claim
from groundtune.store.annotations.records import Decide


@pytest.mark.parametrize(("blind", "expected"), [(False, ["labeler", "planted"]), (True, [])])
def test_a_planted_suggestion_is_a_claim_that_the_labeler_believes(
    tmp_path: Path, blind: bool, expected: list[str]
):
    run = run_of(tmp_path / "run", [[TEXT]])
    (answer,) = run.answers.read()
    sofa = TEXT.index("red")
    run.claims.append(
        [
            Claim(key="c", answer=answer.key, start=0, end=5, text="A dog", status="rejected"),
            Claim(
                key="d", answer=answer.key, start=sofa, end=sofa + 3, text="", status="supported"
            ),
        ]
    )
    project = open_project(tmp_path / "project", {"planted": 1, "blind": blind})
    project.join("ada", "Ada", "owner")
    project.add_run(tmp_path / "run")
    work = project.next_work("ada", "correct")
    assert work is not None
    shown = () if blind else work.item.suggestions
    assert [span.by for span in shown] == expected
    key = work.item.key
    span = marked("dog", "fox")
    accepted = [Decide(place=0, accepted=True, span=span.id)] if not blind else []
    bodies = [span, *accepted]
    assert (
        project.record("ada", [*(event(key, body) for body in bodies), submit(key)]).refused == ()
    )
    counts = SuggestionCounts() if blind else SuggestionCounts(accepted=1, planted_ignored=1)
    assert finished_work(project).suggestions == counts
