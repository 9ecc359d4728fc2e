"""A project is filled from files: tables, Label Studio's and Potato's exports, RLHF-V."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.annotate.export import export_project
from groundtune.pipeline.annotate.given import add_answers
from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.store.annotations.records import AnnotationItem, Task


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = open_project(tmp_path / "project")
    made.join("ada", "Ada", "owner")
    for name in ("a", "b"):
        Image.new("RGB", (40, 30), "teal").save(tmp_path / f"{name}.png")
    return made


def only_item(project: Project, task: Task = "correct") -> AnnotationItem:
    work = project.next_work("ada", task)
    assert work is not None
    return work.item


def add(project: Project, file: Path, task: Task = "correct") -> AnnotationItem:
    assert add_answers(project, file, task, SilentProgress()) == 1
    return only_item(project, task)


def written(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def test_a_table_has_answers_of_documents_with_several_pages(project: Project, tmp_path: Path):
    table = f'image,question,answer,model\na.png | b.png,"What, then?",{TEXT},ours\n'
    item = add(project, written(tmp_path / "answers.csv", table))
    assert len(item.prompt.images) == 2
    assert item.prompt.question == "What, then?"
    assert (item.answers[0].text, item.answers[0].producer.name) == (TEXT, "ours")
    assert add_answers(project, tmp_path / "answers.csv", "correct", SilentProgress()) == 0


def test_an_answer_about_a_document_has_its_pages(project: Project, tmp_path: Path):
    for name in ("scan.pdf", "scan.tif"):
        pages = [Image.new("RGB", (40 + number, 60), "ivory") for number in range(4)]
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], resolution=200)
    names = "scan.pdf | a.png | scan.tif#page=3-4"
    item = add(project, written(tmp_path / "answers.csv", f"image,answer\n{names},Four pages.\n"))
    widths = [project.images.open(each).width for each in item.prompt.images]
    assert widths == [40, 41, 42, 43, 40, 42, 43]
    assert item.prompt.source.row == "scan.pdf#page=1-4 | a.png | scan.tif#page=3-4"


def test_corrected_answers_of_a_table_are_reviewed(project: Project, tmp_path: Path):
    corrected = TEXT.replace("dog", "fox")
    table = f"image\tanswer\tcorrected answer\na.png\t{TEXT}\t{corrected}\n"
    item = add(project, written(tmp_path / "answers.tsv", table), "review")
    assert [(s.start, s.end, s.replacement) for s in item.suggestions] == [(2, 5, "fox")]


def test_label_studios_labels_are_suggestions_whatever_their_unit(project: Project, tmp_path: Path):
    text = "\U0001f600 A dog sits."
    value = {"start": 5, "end": 8, "text": "dog", "labels": ["Object"]}  # UTF-16 units
    task: dict[str, Any] = {
        "id": 1,
        "data": {"image": "/data/upload/3/1a2b3c4d-a.png", "caption": text, "question": "What?"},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {"result": [{"type": "labels", "value": value}]},
        ],
    }
    item = add(project, written(tmp_path / "export.json", [task]))
    (span,) = item.suggestions
    assert (span.start, span.end, span.kind, span.label) == (4, 7, "object", "Object")
    assert (item.prompt.question, len(item.prompt.images)) == ("What?", 1)


def test_label_studios_text_area_is_a_correction_to_review(project: Project, tmp_path: Path):
    result = {"type": "textarea", "value": {"text": ["A fox."]}}
    task = {"data": {"img": "b.png", "text": "A dog."}, "annotations": [{"result": [result]}]}
    item = add(project, written(tmp_path / "export.json", [task]), "review")
    assert [each.replacement for each in item.suggestions] == ["fox"]


def test_potatos_spans_are_suggestions(project: Project, tmp_path: Path):
    span = {"start": 2, "end": 5, "span": "dog", "annotation": "number"}
    row = {"id": "1", "displayed_text": TEXT, "span_annotations": [span], "user_id": "ada"}
    item = add(project, written(tmp_path / "annotated_instances.jsonl", row))
    assert [(each.start, each.kind) for each in item.suggestions] == [(2, "number")]


def test_pairs_in_rlhf_vs_parquet_are_reviewed_and_exported_again(project: Project, tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]])
    first = open_project(tmp_path / "first")
    first.join("ada", "Ada", "owner")
    first.add_run(tmp_path / "run")
    item = only_item(first)
    assert first.record("ada", [event(item.key, marked("dog", "fox")), submit(item.key)])
    export_project("rlhf-v", first, tmp_path / "pairs.parquet", SilentProgress())
    item = add(project, tmp_path / "pairs.parquet", "review")
    assert item.answers[0].text == TEXT
    assert [each.replacement for each in item.suggestions] == ["fox"]
    assert project.images.path(item.prompt.images[0]).is_file()
    assert add_answers(project, tmp_path / "pairs.parquet", "compare", SilentProgress()) == 1


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"image": "none.png", "answer": TEXT}], "missing"),
        ([{"image": "a.png#page=2", "answer": TEXT}], "no page 2"),
        ([{"answer": TEXT, "marks": [{"start": 2, "end": 5, "text": "cat"}]}], "not at its text"),
        ([{"answer": TEXT, "marks": [{"start": 2}]}], "no end"),
        ([{"answer": TEXT, "marks": [{"start": 2, "end": 5}, {"start": 4, "end": 9}]}], "kept"),
        ([{"answer": TEXT, "marks": [{"start": 2, "end": 500}]}], "leaves"),
        ([{"data": {"image": "a.png"}}], "no text"),
        ([], "no answers"),
    ],
)
def test_a_bad_file_is_refused_and_adds_nothing(
    project: Project, tmp_path: Path, rows: list[Any], why: str
):
    with pytest.raises(UserError, match=why):
        add_answers(project, written(tmp_path / "rows.json", rows), "correct", SilentProgress())
    assert project.next_work("ada", "correct") is None
