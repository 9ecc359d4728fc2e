"""Replacements of two people that a labeler judged: what is asked, kept and shown."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.feedback.divide import SentenceDivider
from groundtune.pipeline.annotate import claim_check
from groundtune.pipeline.annotate.claim_check import check_replacements
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.annotate.quality.live import LiveQuality
from groundtune.pipeline.annotate.quality.summary import TaskQuality
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress, YesNoReply
from groundtune.records import Producer, Prompt
from groundtune.store.annotations.items import all_items
from groundtune.store.annotations.records import DropSpan
from written_world import written as written_answers

NO = ("wolf", "green")
SILENT = "bear"


class Labeler:
    """Says no to sentences with certain words, nothing to others, and else yes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def yes_no(self, prompts: Sequence[Prompt]) -> list[YesNoReply]:
        self.asked += [prompt.question for prompt in prompts]
        replies: list[YesNoReply] = []
        for prompt in prompts:
            if SILENT in prompt.question:
                replies.append(YesNoReply(0.0, 0.0))
            else:
                no = any(word in prompt.question for word in NO)
                replies.append(YesNoReply(1 - no, float(no)))
        return replies


@pytest.fixture
def labeler(monkeypatch: pytest.MonkeyPatch) -> Labeler:
    made = Labeler()

    @contextmanager
    def opened(settings: Any, folder: RunFolder) -> Generator[Labelling]:
        assert folder.prompts.read()
        assert all(folder.images.path(i).is_file() for p in folder.prompts.read() for i in p.images)
        yield Labelling(SentenceDivider(), made, Producer(kind="model", name=settings.labeler))

    monkeypatch.setattr(claim_check, "open_labelling", opened)
    return made


WRITTEN = {
    "0": ("fox", "fox"),  # the same
    "1": ("fox", "red fox"),  # both right
    "2": ("fox", "wolf"),  # one is right
    "3": ("wolf", "green wolf"),  # both wrong
    "4": ("fox", "bear"),  # no verdict
    "5": ("fox", ""),  # one deletes
}


def project_of(path: Path) -> Project:
    """Two people replace "dog" in each answer."""
    run_of(path / "run", [[f"{TEXT} {number}" for number in WRITTEN]])
    project = open_project(path / "farm", {"people_per_item": 2})
    project.add_run(path / "run")
    for place, person in enumerate(("ada", "ben")):
        project.join(person, person.title(), "annotator")
        while work := project.next_work(person, "correct"):
            key, text = work.item.key, work.item.answers[0].text
            written = WRITTEN[text[-1]][place]
            project.record(person, [event(key, marked("dog", written, text=text)), submit(key)])
    return project


def only(live: LiveQuality) -> TaskQuality:
    (task,) = live.now().tasks
    return task


def figure(task: TaskQuality, name: str) -> Any:
    return next((each for each in task.agreement if each.name == name), None)


def test_the_share_of_equal_replacements_by_hand(tmp_path: Path, labeler: Labeler):
    project = project_of(tmp_path)
    live = LiveQuality(project)
    before = only(live)
    assert (figure(before, "same_claims"), before.claim_check) == (None, None)
    assert round(figure(before, "same_text").value, 6) == round(1 / 6, 6)
    found = check_replacements(project, [], SilentProgress(), options={"labeler": "m"})
    assert (found.equal_texts, found.same, found.different, found.unclear) == (1, 1, 3, 1)
    assert found.asked_now == 5
    after = only(live)  # a page that is open follows
    same = figure(after, "same_claims")
    # 0 and 1 of 0, 1, 2, 3, 5: Wilson's interval of 2 of 5.
    assert (same.value, same.n) == (0.4, 5)
    assert (round(same.low, 3), round(same.high, 3)) == (0.118, 0.769)
    assert figure(after, "same_text") == figure(before, "same_text")
    assert after.claim_check is not None
    assert (after.claim_check.labeler, after.claim_check.divider) == ("m", "m")
    assert (after.claim_check.unjudged, after.claim_check.unclear) == (0, 1)


def test_only_what_is_new_is_asked_and_the_labeler_is_kept(tmp_path: Path, labeler: Labeler):
    project = project_of(tmp_path)
    live = LiveQuality(project)
    check_replacements(project, ["divider=sentences"], SilentProgress(), options={"labeler": "m"})
    asked = len(labeler.asked)
    assert check_replacements(project, [], SilentProgress()).asked_now == 0
    assert len(labeler.asked) == asked
    with project.database.reading() as connection:
        one = next(each for each in all_items(connection) if each.answers[0].text.endswith("0"))
    text = one.answers[0].text
    changed = marked("dog", "grey fox", text=text, id="span-new")
    old = marked("dog", "fox", text=text)
    drop = DropSpan(id=old.id)
    project.record("ben", [event(one.key, drop), event(one.key, changed), submit(one.key)])
    waiting = only(live)
    assert waiting.claim_check is not None
    assert waiting.claim_check.unjudged == 1
    assert figure(waiting, "same_claims").n == 4
    again = check_replacements(project, [], SilentProgress())
    assert (again.labeler, again.divider, again.asked_now) == ("m", "sentences", 1)
    assert figure(only(live), "same_claims").n == 5


def test_another_labeler_judges_all_anew(tmp_path: Path, labeler: Labeler):
    project = project_of(tmp_path)
    live = LiveQuality(project)
    check_replacements(project, [], SilentProgress(), options={"labeler": "m"})
    assert check_replacements(project, ["labeler=n"], SilentProgress()).asked_now == 5
    check = only(live).claim_check
    assert check is not None
    assert check.labeler == "n"


def test_a_check_that_was_stopped_goes_on(
    tmp_path: Path, labeler: Labeler, monkeypatch: pytest.MonkeyPatch
):
    project = project_of(tmp_path)
    monkeypatch.setattr(claim_check, "_AT_ONCE", 2)
    real, calls = labeler.yes_no, list[int]()

    def fails_later(prompts: Sequence[Prompt]) -> list[YesNoReply]:
        calls.append(len(prompts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(prompts)

    monkeypatch.setattr(labeler, "yes_no", fails_later)
    with pytest.raises(KeyboardInterrupt):
        check_replacements(project, [], SilentProgress(), options={"labeler": "m"})
    assert check_replacements(project, [], SilentProgress()).asked_now == 3


def test_what_can_not_be_asked_is_reported(tmp_path: Path, labeler: Labeler):
    project = project_of(tmp_path)
    with pytest.raises(UserError, match="No labeler is named"):
        check_replacements(project, [], SilentProgress())
    empty = open_project(tmp_path / "empty")
    with pytest.raises(UserError, match="nothing to ask"):
        check_replacements(empty, [], SilentProgress(), options={"labeler": "m"})


def test_the_command_says_that_only_equal_texts_count_until_a_labeler_is_named(
    tmp_path: Path, labeler: Labeler, capsys: pytest.CaptureFixture[str]
):
    project_of(tmp_path).close()
    farm = str(tmp_path / "farm")
    assert run(["project", "quality", farm]) == 0
    assert "count only if their texts are the same" in capsys.readouterr().out
    assert run(["project", "claims", farm]) == EXIT_INPUT
    assert "--labeler MODEL" in capsys.readouterr().err
    assert run(["project", "claims", farm, "--labeler", "m"]) == 0
    assert "unclear" in capsys.readouterr().out
    assert run(["project", "quality", farm]) == 0
    shown = capsys.readouterr().out
    assert "count only if" not in shown
    line = next(each for each in shown.splitlines() if "equal replacements by claims" in each)
    assert "40.0%" in line
    assert line.split()[-1] == "5"


def test_the_truth_about_a_scene_confirms_what_is_in_it(tmp_path: Path):
    # The scene has a horse and a dog, and no cup.
    (answer,) = written_answers(tmp_path / "run", 1).answers.read()
    assert "two cows and a horse" in answer.text
    assert "two sandwiches" in answer.text
    project = open_project(tmp_path / "farm", {"people_per_item": 2})
    project.add_run(tmp_path / "run")
    written = {"ada": ("a dog", "a dog"), "ben": ("one dog", "a cup")}
    for person, texts in written.items():
        project.join(person, person.title(), "annotator")
        work = project.next_work(person, "correct")
        assert work is not None
        spans = [
            marked(words, text, text=answer.text)
            for words, text in zip(("two cows", "two sandwiches"), texts, strict=True)
        ]
        project.record(
            person, [*(event(work.item.key, span) for span in spans), submit(work.item.key)]
        )
    options = {"labeler": "world:truth"}
    found = check_replacements(project, [], SilentProgress(), options=options)
    assert (found.divider, found.same, found.different, found.unclear) == ("world", 1, 1, 0)
    assert figure(only(LiveQuality(project)), "same_claims").value == 0.5
