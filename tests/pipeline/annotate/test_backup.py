"""Backups of projects: everything comes back, and what isn't a whole backup is refused."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from annotation_items import TEXT, event, marked, run_of, submit
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.annotate.backup import MANIFEST, back_up
from groundtune.pipeline.annotate.project import Project, existing_project, open_project
from groundtune.pipeline.annotate.results import finished_work


@pytest.fixture
def project(tmp_path: Path) -> Project:
    run_of(tmp_path / "run", [[TEXT], [f"{TEXT} 2"]])
    made = open_project(tmp_path / "project", {"severity": True})
    made.join("ada", "Ada", "owner")
    made.add_run(tmp_path / "run")
    work = made.next_work("ada", "correct")
    assert work is not None
    made.record("ada", [event(work.item.key, marked("dog", "fox")), submit(work.item.key)])
    return made


def test_a_project_comes_back_whole(project: Project, tmp_path: Path):
    (project.path / "guidelines.md").write_text("# Ours\n", "utf-8")
    before = finished_work(project)
    backup = tmp_path / "backup.zip"
    assert run(["project", "backup", str(project.path), "--out", str(backup)]) == 0
    assert run(["project", "restore", str(backup), str(tmp_path / "again")]) == 0
    again = existing_project(tmp_path / "again")
    assert finished_work(again) == before
    assert (again.id, again.settings, again.guidelines) == (
        project.id,
        project.settings,
        "# Ours\n",
    )
    work = again.next_work("ada", "correct")
    assert work is not None
    again.images.read(work.item.prompt.images[0])


def refused(backup: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a restore that must fail, and must leave nothing."""
    there = sorted(target.parent.iterdir())
    assert run(["project", "restore", str(backup), str(target)]) == EXIT_INPUT
    assert sorted(target.parent.iterdir()) == there
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 3
    return said


def test_nothing_is_overwritten(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    back_up(project, tmp_path / "backup.zip")
    assert "isn't empty" in refused(tmp_path / "backup.zip", project.path, capsys)
    words = ["project", "backup", str(project.path), "--out", str(tmp_path / "backup.zip")]
    assert run(words) == EXIT_INPUT
    assert "there already" in capsys.readouterr().err


def rewritten(backup: Path, target: Path, name: str, data: bytes | None) -> Path:
    """The archive with one file changed, added, or left out."""
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(target, "w") as new:
        for each in old.namelist():
            if each != name:
                new.writestr(each, old.read(each))
        if data is not None:
            new.writestr(name, data)
    return target


def test_a_damaged_or_foreign_archive_is_refused(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "restoring"
    folder.mkdir()
    backup, bad = tmp_path / "backup.zip", tmp_path / "bad.zip"
    back_up(project, backup)
    with zipfile.ZipFile(backup) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        image = next(name for name in archive.namelist() if name.startswith("images/"))
    for name, data, why in [
        (MANIFEST, None, "no backup.json"),
        (MANIFEST, b"{}", "can't be read"),
        (image, b"other bytes", "is damaged"),
        (image, None, "other files"),
        ("../evil", b"evil", "other files"),
        (MANIFEST, json.dumps({**manifest, "items": 9}).encode(), "missing"),
    ]:
        rewritten(backup, bad, name, data)
        assert why in refused(bad, folder / "new", capsys)
    shutil.copy(backup, bad)
    bad.write_bytes(bad.read_bytes()[:-400])
    assert "damaged" in refused(bad, folder / "new", capsys)
    assert "doesn't exist" in refused(tmp_path / "none.zip", folder / "new", capsys)


def test_a_backup_of_a_newer_version_says_so(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with project.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    made = tmp_path / "newer.zip"
    project.close()
    shutil.make_archive(str(tmp_path / "newer"), "zip", project.path)
    assert "no backup.json" in refused(made, tmp_path / "new", capsys)
    assert run(["project", "backup", str(project.path), "--out", str(made)]) == EXIT_INPUT
    assert "newer version" in capsys.readouterr().err
