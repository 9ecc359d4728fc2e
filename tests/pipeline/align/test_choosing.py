"""Which checkpoint a round of AI feedback chooses, by which rule, and with how many questions."""

import math
import shutil
from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.feedback.claims import is_unanswered
from groundtune.feedback.conquer import question_prompt
from groundtune.pipeline.align.choosing import (
    START,
    AnswerContent,
    RoundChoice,
    judge_candidates,
    kept_before,
    read_choice,
)
from groundtune.pipeline.align.report import truth_notes, with_truth_note
from groundtune.pipeline.align.run import align_jobs
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.recipe_loading import load
from groundtune.records import Answer
from groundtune.store.dataset import RecordSet
from groundtune.store.sealed import write_sealed
from groundtune.train.checkpoint import write_model
from groundtune.vlm.load import load as load_model
from groundtune.world import weights
from job_works import Notes
from scripted_endpoint import ScriptedEndpoint, running

RECIPES = ("world-align", "rlaif-v", "claims-ddpo")
SMALL = (
    "prompts=world:4",
    "n=3",
    "rounds=2",
    "sampling.max_new_tokens=40",
    "choose.prompts=3",
)


def settings_of(*overrides: str) -> AlignSettings:
    return load(find("world-align"), [*SMALL, *overrides], AlignSettings)


def saved_base(folder: Path) -> Path:
    """The world's base as a run writes it: a chosen model has the same bytes."""
    write_model(load_model(str(weights.path("base")), dtype="auto"), folder / "base")
    return folder / "base"


def choose(out: Path, settings: AlignSettings, number: int = 1, steps: int = 2) -> RoundChoice:
    """A round's choice where each of its checkpoints has the weights of the first model."""
    jobs = {job.name: job for job in align_jobs(settings)}
    jobs["hold-out"].work(out, jobs["hold-out"].settings, Notes())
    for step in range(1, steps + 1):
        checkpoint = out / f"round-{number}/training/checkpoints/step-{step:06d}"
        shutil.copytree(weights.path("base"), checkpoint)
    chosen = jobs[f"choose-{number}"]
    chosen.work(out, chosen.settings, Notes())
    return read_choice(out / f"round-{number}")


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_shipped_recipe_of_rounds_chooses_by_the_truth(recipe: str):
    assert load(find(recipe), [], AlignSettings).choose.by == "claims"


def test_what_says_little_is_not_allowed_however_little_of_it_is_wrong():
    rows = {
        START: AnswerContent(0.5, 10.0),
        "step-000002": AnswerContent(0.4, 9.5),
        "step-000004": AnswerContent(0.1, 9.4),
    }
    assert [c.allowed for c in judge_candidates(rows, 0.05)] == [True, True, False]
    assert [c.step for c in judge_candidates(rows, 0.05)] == [0, 2, 4]


def test_what_a_round_lost_the_next_ones_cannot_lose_again(tmp_path: Path):
    rows = {
        START: AnswerContent(0.5, 10.0),
        "step-000002": AnswerContent(0.4, 9.9),
        "step-000004": AnswerContent(0.1, 9.5),
    }
    choice = RoundChoice(
        by="claims", prompts=1, candidates=tuple(judge_candidates(rows, 0.05)), chosen=START
    )
    for number, chosen in enumerate(("step-000004", "step-000002"), start=1):
        (tmp_path / f"round-{number}").mkdir()
        told = choice.model_copy(update={"chosen": chosen})
        write_sealed(tmp_path / f"round-{number}/choice.json", told)
    assert kept_before(tmp_path / "round-1") == 1.0
    assert kept_before(tmp_path / "round-3") == pytest.approx(0.95 * 0.99)
    allowed = [c.allowed for c in judge_candidates(rows, 0.05, kept_before(tmp_path / "round-2"))]
    assert allowed == [True, False, False]
    assert [c.allowed for c in judge_candidates(rows, 0.06, 0.95)] == [True, True, False]
    assert [c.allowed for c in judge_candidates(rows, 0.05, 0.9)] == [True, False, False]


def test_only_claims_of_the_given_kinds_count_as_kept_each_once(tmp_path: Path):
    endpoint = ScriptedEndpoint(lambda body, index: "Yes")
    endpoint.top = lambda body: [("Yes", math.log(0.9)), ("No", math.log(0.1))]
    with running(endpoint):
        labeler = f"feedback.labeler=openai:tiny@{endpoint.url}"
        choice = choose(tmp_path, settings_of(labeler, "choose.kinds=[object]"), steps=1)
        all_kinds = choose(tmp_path / "all", settings_of(labeler, "choose.kinds=[]"), steps=1)
        with pytest.raises(UserError, match="of a kind that counts as kept"):
            choose(tmp_path / "none", settings_of(labeler, "choose.kinds=[action]"), steps=1)
    claims = RunFolder(tmp_path / "round-1/choosing").claims.read()
    unread = {c.answer for c in claims if c.status == "unparsed" or is_unanswered(c)}
    supported = [c for c in claims if c.status == "supported" and c.answer not in unread]
    objects = {(claim.answer, claim.question) for claim in supported if claim.kind == "object"}
    assert choice.candidates[0].unchecked < 3
    assert choice.candidates[0].kept == len(objects) / len({c.answer for c in supported})
    assert all_kinds.candidates[0].kept > choice.candidates[0].kept > 0


def test_a_question_about_an_image_is_asked_once_over_all_candidates(tmp_path: Path):
    endpoint = ScriptedEndpoint(lambda body, index: "Yes")
    endpoint.top = lambda body: [("Yes", math.log(0.9)), ("No", math.log(0.1))]
    with running(endpoint):
        labeler = f"feedback.labeler=openai:tiny@{endpoint.url}"
        choice = choose(tmp_path, settings_of(labeler))
    assert [each.wrong for each in choice.candidates] == [0.0, 0.0, 0.0]
    assert choice.chosen == START
    folder = RunFolder(tmp_path / "round-1/choosing")
    answers = {answer.key: answer for answer in folder.answers.read()}
    assert len(answers) == 9
    prompts = folder.prompts_by_key()
    claims = [claim for claim in folder.claims.read() if claim.question]
    asked = {
        question_prompt(prompts[answers[claim.answer].prompt], claim.question).key
        for claim in claims
    }
    assert len(claims) >= 3 * len(asked)
    assert len(endpoint.bodies) == len(asked) + 1  # and the control question


def test_the_model_that_a_round_began_with_does_not_answer_again_what_it_answered_as_a_checkpoint(
    tmp_path: Path,
):
    settings = settings_of(f"model={saved_base(tmp_path)}")
    assert choose(tmp_path, settings).chosen == START
    drawn = RecordSet(tmp_path / "round-1/choosing/drawn/start/answers", Answer)
    marked = [each.model_copy(update={"text": "There is a dog."}) for each in drawn.read()]
    shutil.rmtree(drawn.path)
    drawn.append(marked)
    choose(tmp_path, settings, number=2, steps=1)
    answers = {
        name: RunFolder(tmp_path / f"round-2/choosing/drawn/{name}").answers.read()
        for name in (START, "step-000001")
    }
    assert {each.text for each in answers[START]} == {"There is a dog."}
    assert {each.producer.name for each in answers[START]} == {START}
    assert "There is a dog." not in {each.text for each in answers["step-000001"]}


def test_answers_of_other_weights_are_not_taken_for_those_of_the_model_that_a_round_began_with(
    tmp_path: Path,
):
    settings = settings_of(f"model={saved_base(tmp_path)}")
    choose(tmp_path, settings)
    drawn = RecordSet(tmp_path / "round-1/choosing/drawn/start/answers", Answer)
    others = [
        each.model_copy(
            update={
                "text": "There is a dog.",
                "producer": each.producer.model_copy(update={"revision": "another"}),
            }
        )
        for each in drawn.read()
    ]
    shutil.rmtree(drawn.path)
    drawn.append(others)
    choose(tmp_path, settings, number=2, steps=1)
    answers = RunFolder(tmp_path / "round-2/choosing/drawn/start").answers.read()
    assert "There is a dog." not in {each.text for each in answers}


def test_a_candidate_of_which_no_claim_was_checked_is_an_error(tmp_path: Path):
    endpoint = ScriptedEndpoint(lambda body, index: "I see.")
    with (
        running(endpoint),
        pytest.raises(UserError, match="No claim of the answers was checked"),
    ):
        choose(tmp_path, settings_of(f"feedback.divider=openai:tiny@{endpoint.url}"))


def test_runs_whose_checkpoints_the_truth_chose_say_so_first():
    by_claims, by_truth = settings_of(), settings_of("choose.by=truth")
    assert truth_notes(by_claims) == ()
    assert with_truth_note("It fell.", by_claims) == "It fell."
    assert with_truth_note("It fell.", by_truth) == (
        "For comparison alone: the truth chose the checkpoints (choose.by=truth). Without the "
        "truth, claims choose them. It fell."
    )
    (note,) = truth_notes(by_claims, by_truth)
    assert "of 1 of the 2 runs" in note.text
    assert note.kind == "warning"
