"""Annotation projects from Python."""

from pathlib import Path

import groundtune
from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.pipeline.annotate.project import open_project


def test_a_project_is_filled_read_and_paired_from_python(tmp_path: Path):
    run_of(tmp_path / "run", [[TEXT]])
    with groundtune.AnnotationProject(tmp_path / "project", severity=True) as project:
        assert project.add(tmp_path / "run") == 1
        assert project.add(tmp_path / "run", task="evaluate") == 1
    opened = open_project(tmp_path / "project")  # what the browser does
    opened.join("ada", "Ada", "owner")
    for task, body in (("correct", marked("dog", "fox")), ("evaluate", marked("red"))):
        work = opened.next_work("ada", task)
        assert work is not None
        done = opened.record("ada", [event(work.item.key, body), submit(work.item.key)])
        assert done.refused == ()
    opened.close()
    with groundtune.AnnotationProject(tmp_path / "project") as project:
        assert [each.corrected for each in project.corrections] == [TEXT.replace("dog", "fox")]
        assert [len(each.marks) for each in project.evaluations] == [1]
        assert [each.answers for each in project.rates()] == [1]
        assert not project.suggestions().any
        (pair,) = project.pair(tmp_path / "pairs", people="majority")
        assert pair.rejected == TEXT
        assert project.export("mhumaneval", tmp_path / "marks.jsonl") == 1
        project.back_up(tmp_path / "backup.zip")
    assert groundtune.Run(tmp_path / "pairs").pairs == [pair]
