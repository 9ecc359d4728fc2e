"""The folder of a run of many steps, opened for writing and read again."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.runs.jobs import Job, run_jobs
from groundtune.pipeline.runs.resume import open_run, read_finished
from groundtune.recipe_loading import Settings
from groundtune.store.run_json import read_run
from groundtune.store.sealed import write_sealed
from job_works import Letter, Notes, write_down


class Post(Settings):
    """Settings of a run that writes letters."""

    MAY_CHANGE = frozenset({"speed"})
    command: Literal["post"] = "post"
    letters: tuple[str, ...] = ("a", "b")
    speed: int = 1


class Parcel(Settings):
    """Settings of another command."""

    command: Literal["parcel"] = "parcel"


def jobs_of(settings: Post) -> list[Job]:
    return [
        Job(name=text, title=text, work=write_down, settings=Letter(text=text))
        for text in settings.letters
    ]


def with_an_answer(out: Path) -> Path:
    """A run for which a model has answered: others' settings are refused there."""
    part = out / "round-1/answers/part-00000.parquet"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"")
    return out


def opened(
    out: Path, settings: Settings, command: Sequence[str] = (), may_change: Collection[str] = ()
) -> None:
    inputs = {"model": "somebody/model"}
    with open_run(
        out, settings, inputs=inputs, seeds={"run": 3}, command=command, may_change=may_change
    ):
        assert (out / "run.json").exists()


def test_a_new_folder_notes_settings_models_seeds_and_command(tmp_path: Path) -> None:
    opened(tmp_path, Post(), command=("groundtune", "post"))
    run = read_run(tmp_path)
    assert run.recipe == {"command": "post", "letters": ["a", "b"], "speed": 1}
    assert (run.inputs, run.seeds) == ({"model": "somebody/model"}, {"run": 3})
    assert run.command == ("groundtune", "post")


def test_the_same_settings_resume_and_leave_the_note_as_it_is(tmp_path: Path) -> None:
    opened(tmp_path, Post())
    before = (tmp_path / "run.json").read_bytes()
    opened(tmp_path, Post())
    assert (tmp_path / "run.json").read_bytes() == before


def test_settings_that_change_no_result_may_change_and_are_noted(tmp_path: Path) -> None:
    opened(tmp_path, Post())
    opened(tmp_path, Post(speed=9))
    assert read_run(tmp_path).recipe["speed"] == 9


def test_other_settings_are_refused_by_name_unless_the_command_allows_them(tmp_path: Path) -> None:
    opened(with_an_answer(tmp_path), Post())
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(UserError, match=r"other settings \(letters\)"):
        opened(tmp_path, Post(letters=("c",)))
    assert (tmp_path / "run.json").read_bytes() == before
    opened(tmp_path, Post(letters=("c",)), may_change=("letters",))
    assert read_run(tmp_path).recipe["letters"] == ["c"]


def test_before_any_model_answered_other_settings_replace_the_run(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"mine")
    opened(tmp_path, Post())
    opened(tmp_path, Post(letters=("c",)))
    assert read_run(tmp_path).recipe["letters"] == ["c"]
    assert (tmp_path / "photos/a.png").read_bytes() == b"mine"


def test_the_folder_of_another_command_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, Post())
    with pytest.raises(UserError, match=r"other settings \(command\)"):
        opened(tmp_path, Parcel(), may_change=("letters",))


def test_a_run_that_is_done_is_read_again_with_its_steps(tmp_path: Path) -> None:
    opened(tmp_path, Post())
    run_jobs(tmp_path, jobs_of(Post()), Notes(), workers=1)
    settings, steps = read_finished(tmp_path, Post, jobs_of)
    assert settings == Post()
    assert list(steps) == ["a", "b"]


def test_a_run_that_is_not_done_names_the_command_that_resumes_it(tmp_path: Path) -> None:
    opened(tmp_path, Post(), command=("/somewhere/groundtune", "post", "--out", "a b"))
    run_jobs(tmp_path, jobs_of(Post())[:1], Notes(), workers=1)
    with pytest.raises(UserError, match="not done: 1 of 2 steps") as caught:
        read_finished(tmp_path, Post, jobs_of)
    assert caught.value.fix == "Resume it: groundtune post --out 'a b'"


def test_settings_of_another_version_are_an_error_of_their_own(tmp_path: Path) -> None:
    opened(tmp_path, Post())
    file = tmp_path / "run.json"
    run = read_run(tmp_path)
    write_sealed(file, run.model_copy(update={"recipe": {**run.recipe, "stamps": 3}}))
    with pytest.raises(UserError, match="not those of this version"):
        read_finished(tmp_path, Post, jobs_of)
