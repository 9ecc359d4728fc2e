"""FG-RLHF's feedback: in as records, out as the file that came in."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotation_items import run_of
from groundtune.cli.app import run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.feedback.corrections import check_correction, correction_from_texts
from groundtune.pipeline.exchange.run import export_feedback, import_feedback
from groundtune.pipeline.feedback.pairs import PairSettings, make_pairs
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Missing, Producer

ROW: dict[str, Any] = {
    "question": "Who won?",
    "passages": [["Cup", "Ada won the cup.", "Bo came second."], ["Prize", "It was a vase."]],
    "gold": "Ada won a vase.",
    "prediction 1": "Bo won. The cup was red. Caf\u00e9s cheered \U0001f389.",
    "prediction 2": "Ada won.",
    "prediction 3": "Nobody won.",
    "prediction 4": "Ada and Bo.",
    "feedback": {
        "errors": [
            {"error type": "Unverifiable", "explanation": "", "start": 8, "end": 24},
            {"error type": "Wrong-Grounding", "explanation": "It was Ada.", "start": 0, "end": 2},
        ],
        "missing-info": [{"error type": "Missing-Answer", "passage_id": 2, "sentence_id": [0, 1]}],
        "corrected-prediction": "Ada won. Caf\u00e9s cheered \U0001f389. She got a vase.",
    },
    "preference": [2, 1, 0, 1, 2, 0],
}


def changed(**fields: Any) -> dict[str, Any]:
    return {**ROW, **fields}


def file_of(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps(list(rows), indent=2), "utf-8")
    return path


def imported(folder: Path, *rows: dict[str, Any], skip_bad: bool = False) -> RunFolder:
    file = file_of(folder / "feedback.json", *rows)
    import_feedback("fg-rlhf", file, folder / "run", SilentProgress(), skip_bad=skip_bad)
    return RunFolder(folder / "run")


def test_marks_missing_facts_and_preferences_become_records(tmp_path: Path):
    run = imported(tmp_path, ROW)
    (correction,) = run.corrections.read()
    marked = [(correction.text[s.start : s.end], s.label, s.note) for s in correction.wrong]
    assert marked == [
        ("Bo", "Wrong-Grounding", "It was Ada."),
        ("The cup was red.", "Unverifiable", ""),
    ]
    assert correction.verdict == "wrong"
    assert correction.missing == (Missing(label="Missing-Answer", facts=(3, 4)),)
    assert run.prompts.read()[0].facts[4] == "It was a vase."
    check_correction(correction)  # the edits give the text that the person wrote
    sides = [each.better for each in run.comparisons.read()]
    assert sides == ["second", "first", "tie", "first", "second", "tie"]
    assert {each.hallucinates_more for each in run.comparisons.read()} == {None}


def test_a_file_that_was_imported_comes_out_byte_for_byte(tmp_path: Path):
    run = imported(tmp_path, ROW, changed(question="Who lost?"))
    written = export_feedback("fg-rlhf", run.path, tmp_path / "out.json", SilentProgress())
    assert written.rows == 2
    given = (tmp_path / "feedback.json").read_bytes()
    assert (tmp_path / "out.json").read_bytes() == given


def test_a_dry_run_shows_corrections_as_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = file_of(tmp_path / "feedback.json", changed(gold=3), ROW)
    assert run(["import", "fg-rlhf", str(file), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("pair 1, from row 2\n  question  Who won?\n  rejected  [-Bo-] won.")
    assert f"bad row: {file}, row 1: The field gold" in shown
    assert "chosen    {+Ada+} won." in shown


def test_importing_twice_adds_nothing(tmp_path: Path):
    before = len(imported(tmp_path, ROW).answers.read())
    assert len(imported(tmp_path, ROW).answers.read()) == before == 4
    assert len(imported(tmp_path, ROW).answers.parts()) == 1


def test_an_edited_row_of_feedback_is_refused(tmp_path: Path):
    before = imported(tmp_path, ROW).corrections.read()
    edited = changed(feedback={**ROW["feedback"], "corrected-prediction": "Ada won. She did."})
    with pytest.raises(UserError, match=r"rows of .* changed since .*: row 1 \(correction\)"):
        imported(tmp_path, edited)
    with pytest.raises(UserError, match="not in the file any more, or can't be read: row 1"):
        imported(tmp_path, changed(feedback=7), changed(question="Who?"), skip_bad=True)
    assert RunFolder(tmp_path / "run").corrections.read() == before


def test_a_correction_that_was_changed_is_exported_as_it_is_now(tmp_path: Path):
    run = imported(tmp_path, ROW)
    (correction,) = run.corrections.read()
    later = correction.model_copy(update={"marks": correction.marks[:1]})
    RunFolder(tmp_path / "later").corrections.append([later])
    for name in ("prompts", "answers", "comparisons"):
        (tmp_path / "later" / name).symlink_to(run.path / name)
    export_feedback("fg-rlhf", tmp_path / "later", tmp_path / "out.json", SilentProgress())
    (row,) = json.loads((tmp_path / "out.json").read_bytes())
    assert [each["error type"] for each in row["feedback"]["errors"]] == ["Wrong-Grounding"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (changed(preference=[0, 1]), "preference"),
        (changed(preference=[0, 1, 2, 3, 0, 0]), "does not fit"),
        (changed(feedback={**ROW["feedback"], "more": 1}), "feedback.more"),
        (changed(passages=[["Cup"]]), "no passage 2"),
        (changed(passages=[["Cup"], ["Prize"]]), "has no sentence [1]"),
        (changed(**{"prediction 1": "Bo won."}), "leaves the text"),
    ],
)
def test_a_row_that_does_not_fit_its_texts_is_named(
    tmp_path: Path, row: dict[str, Any], complaint: str
):
    with pytest.raises(UserError) as caught:
        imported(tmp_path, ROW, row)
    assert complaint in caught.value.what
    assert "row 2" in caught.value.where
    assert len(imported(tmp_path, ROW, row, skip_bad=True).corrections.read()) == 1


def test_prompts_of_other_data_are_refused_instead_of_an_empty_file(tmp_path: Path):
    run = run_of(tmp_path / "run", [["A dog."]])
    (answer,) = run.answers.read()
    by = Producer(kind="person", name="ada")
    run.corrections.append([correction_from_texts(answer, "A fox.", by)])
    with pytest.raises(UserError, match="None of the prompts"):
        export_feedback("fg-rlhf", run.path, tmp_path / "out.json", SilentProgress())
    assert not (tmp_path / "out.json").exists()


def test_the_layout_holds_one_correction_of_an_answer(tmp_path: Path):
    run = imported(tmp_path, ROW)
    (correction,) = run.corrections.read()
    run.corrections.append([correction.model_copy(update={"key": "another"})])
    with pytest.raises(UserError, match="2 corrections"):
        export_feedback("fg-rlhf", run.path, tmp_path / "out.json", SilentProgress())


def test_the_published_file_comes_back_byte_for_byte_and_makes_pairs(
    test_data: Path, tmp_path: Path
):
    file = test_data / "fg_rlhf" / "dev_feedback.json"
    made = import_feedback("fg-rlhf", file, tmp_path / "run", SilentProgress())
    assert (made.rows, made.corrections, made.comparisons) == (500, 500, 3000)
    export_feedback("fg-rlhf", tmp_path / "run", tmp_path / "out.json", SilentProgress())
    assert (tmp_path / "out.json").read_bytes() == file.read_bytes()
    counts = make_pairs(tmp_path / "run", tmp_path / "run", PairSettings(), SilentProgress())
    # In 13 rows the person left nothing of the answer.
    assert (counts.made, counts.unchanged, counts.empty_chosen) == (481, 6, 13)
