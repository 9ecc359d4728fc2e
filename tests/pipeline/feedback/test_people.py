"""Claims and spans against people's marks: by hand, and on the published files."""

import json
from pathlib import Path

import pytest

from groundtune.cli.app import run
from groundtune.errors import UserError
from groundtune.feedback.people_marks import (
    LabelledAnswer,
    TaggedAnswer,
    labelled_answers,
    tagged_answers,
)
from groundtune.pipeline.feedback.claim_settings import ClaimSettings
from groundtune.pipeline.feedback.people import (
    agree_with_people,
    claim_agreement,
    span_agreement,
)
from groundtune.protocols import SilentProgress
from groundtune.records import Claim
from scripted_endpoint import ScriptedEndpoint, running

TEXT = "A boy stands on a ramp. It is a lovely day."


def claim(text: str, start: int, end: int) -> Claim:
    return Claim(key=text, answer="a", start=start, end=end, text=text)


def test_claims_are_matched_once_by_their_words():
    answer = LabelledAnswer(
        "1",
        TEXT,
        {"A boy stands on a ramp": True, "It is a lovely day": False},
        {"There is a boy.": True, "There is a ramp.": True, "The boy stands.": True},
    )
    own = [claim("There is a boy.", 0, 5), claim("The boy is standing.", 0, 12)]
    found = claim_agreement([answer], [own])
    assert (found.marks, found.found) == (3, 2)
    assert found.recall is not None
    assert found.precision is not None
    assert found.recall.value == pytest.approx(1 / 3)
    assert found.precision.value == pytest.approx(1 / 2)
    assert (found.facts_covered, found.opinions_left) != (None, None)
    assert found.facts_covered is not None
    assert found.opinions_left is not None
    assert (found.facts_covered.value, found.opinions_left.value) == (1, 1)


def test_answers_that_could_not_be_divided_are_counted_and_in_no_rate():
    answer = LabelledAnswer(
        "1",
        TEXT,
        {"A boy stands on a ramp": True, "It is a lovely day": False},
        {"There is a boy.": True},
    )
    unread = claim("- none", 0, 5).model_copy(update={"status": "unparsed"})
    found = claim_agreement([answer, answer], [[claim("There is a boy.", 0, 5)], [unread]])
    assert (found.answers, found.unread, found.marks, found.found) == (2, 1, 1, 1)
    assert found.recall is not None
    assert found.recall.value == 1
    nothing = claim_agreement([answer], [[]])
    assert nothing.recall is not None
    assert (nothing.recall.value, nothing.precision) == (0, None)


def test_a_divider_of_which_nothing_can_be_read_is_named(tmp_path: Path):
    row = {"id": "1", "answer": TEXT, "stage 1": {TEXT: 1}, "stage 2": {"There is a boy.": 1}}
    marks = tmp_path / "marks.jsonl"
    marks.write_text(json.dumps(row) + "\n")
    with running(ScriptedEndpoint(lambda body, index: "- none\n- none")) as endpoint:
        settings = ClaimSettings(divider=f"openai:tiny@{endpoint.url}")
        with pytest.raises(UserError, match="None of 1 replies") as error:
            agree_with_people(marks, tmp_path / "out", settings, SilentProgress())
    assert "- none" in error.value.what
    assert "divider" in error.value.where


def test_spans_are_compared_by_character():
    answer = TaggedAnswer("1", "Two red cups.", ((0, 7),), "Two blue cups.")
    found = span_agreement([answer])
    assert (found.marks, found.found) == (1, 1)
    assert found.recall is not None
    assert found.precision is not None
    assert found.recall.value == pytest.approx(3 / 7)
    assert found.precision.value == 1


def tagged(tmp_path: Path, *rows: tuple[str, str]) -> Path:
    path = tmp_path / "marks.json"
    told = [{"test_solution": a, "hallucinated_solution": b} for a, b in rows]
    path.write_text(json.dumps(told))
    return path


def test_rows_whose_tags_are_of_another_text_are_refused_and_counted(tmp_path: Path):
    rows = [
        ("A red cup.", "A <hallucination>red</hallucination> cup."),
        ("A red cup.", "A <hallucination>blue</hallucination> cup."),
        ("A cup.", "A <hallucination>cup."),
        ("A cup.", "A cup</hallucination>."),
    ]
    found, refused = tagged_answers(tagged(tmp_path, *rows))
    assert [each.spans for each in found] == [((2, 5),)]
    assert refused == 3
    with pytest.raises(UserError, match="in all 1 rows"):
        tagged_answers(tagged(tmp_path, rows[1]))


@pytest.mark.parametrize("row", [{"id": "1"}, {"id": "1", "answer": "A.", "stage 1": {"A": 2}}])
def test_a_row_that_lacks_labels_is_named(row: object, tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError) as error:
        list(labelled_answers(path))
    assert f"{path}:1" in error.value.where


def test_the_published_files_have_what_their_authors_say(test_data: Path):
    rows = list(labelled_answers(test_data / "faithscore/annotation.jsonl"))
    assert (len(rows), sum(len(row.claims) for row in rows)) == (180, 1380)
    found, refused = tagged_answers(test_data / "mhalo/processed_rlhfv_dataset.json")
    assert (len(found), refused) == (458, 42)


def test_the_command_divides_and_compares(
    test_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    marks = test_data / "faithscore/annotation.jsonl"
    line = ["splitter", "people", str(marks), "--divider", "sentences", "--json"]
    assert run([*line, "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["answers"], found["marks"]) == (180, 1380)
    assert 0 < found["recall"][0] < found["precision"][0] < 1
    spans = test_data / "mhalo/processed_rlhfv_dataset.json"
    assert run(["splitter", "people", str(spans), "--json", "--out", str(tmp_path / "b")]) == 0
    assert json.loads(capsys.readouterr().out)["refused"] == 42
