from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.store.run_json import read_run, write_run


def test_a_run_says_what_it_was_made_with(tmp_path: Path):
    path = write_run(
        tmp_path / "run",
        {"n": 10, "nested": {"a": [1]}},
        {"prompts": "ab"},
        {"sample": 3},
        ["groundtune"],
    )
    run = read_run(path.parent)
    assert path.name == "run.json"
    assert run.recipe == {"n": 10, "nested": {"a": [1]}}
    assert (run.inputs, run.seeds, run.command) == (
        {"prompts": "ab"},
        {"sample": 3},
        ("groundtune",),
    )
    assert run.versions["python"].startswith("3.")
    assert "pyarrow" in run.versions
    assert run.started.endswith("+00:00")


def test_a_folder_without_a_run_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"no run\.json"):
        read_run(tmp_path)


def test_a_foreign_run_file_is_refused(tmp_path: Path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="not a run"):
        read_run(tmp_path)
