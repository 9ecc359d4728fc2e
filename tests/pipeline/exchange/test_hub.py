"""Data sets of the hub, from a local folder and from a cache as the hub's library writes it."""

import json
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.exchange.hub import HubSource, opened, parse_hub, split_only
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from hub_data import COMMIT, cached_file, corrections_set


def test_the_parts_of_a_source_are_read() -> None:
    assert parse_hub("hub:a/b") == HubSource("a/b", "main", "")
    assert parse_hub("hub:a/b@v1:x/y.json") == HubSource("a/b", "v1", "x/y.json")
    with pytest.raises(UserError, match="names no data set"):
        parse_hub("hub:a@b@c")


def test_a_condition_needs_a_column_and_a_text() -> None:
    assert split_only("origin_split=Muffin") == ("origin_split", "Muffin")
    assert split_only("") == ("", "")
    with pytest.raises(UserError, match="no condition"):
        split_only("Muffin")


def test_rows_of_a_data_set_become_pairs_with_their_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"hub:{corrections_set(tmp_path / 'set')}"
    out = tmp_path / "run"
    words = ["import", "rlhf-v", source, "--out", str(out)]
    assert run([*words, "--only", "origin_split=Muffin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 3
    folder = RunFolder(out)
    assert len(folder.pairs.read()) == 3
    assert all(folder.images.open(name) for row in folder.prompts.read() for name in row.images)
    noted = json.loads((out / "pairs" / "run.json").read_text())
    assert "(commit unknown)" in json.dumps(noted)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".hub-")] == []


@pytest.mark.parametrize(
    ("only", "what"),
    [
        ("origin_split=GPT", "No row's origin_split contains 'GPT'."),
        ("source=Muffin", "The data set has no column 'source'."),
    ],
)
def test_a_condition_that_keeps_no_row_is_refused(only: str, what: str, tmp_path: Path) -> None:
    source = Path(f"hub:{corrections_set(tmp_path / 'set')}")
    with (
        pytest.raises(UserError) as seen,
        opened(source, SilentProgress(), near=tmp_path / "run", only=only),
    ):
        pass
    assert seen.value.what == what


def test_one_file_of_the_hub_is_read_from_the_cache_and_noted_with_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_file(tmp_path, monkeypatch, "some/data", "folder/pairs.json", b"[]")
    source = Path("hub:some/data@main:folder/pairs.json")
    with opened(source, SilentProgress(), near=tmp_path / "run") as found:
        assert found.path.read_bytes() == b"[]"
        assert found.display_name == f"hub:some/data@{COMMIT}:folder/pairs.json"


def test_a_data_set_that_is_not_there_is_named_in_three_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for source in ("hub:some/other-data@main:x.json", "hub:some/other-data@main"):
        assert run(["import", "rlhf-v", source, "--out", "run"]) == EXIT_INPUT
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(":")[0] for line in lines[-3:]] == ["error", "where", "fix"]
        assert source in lines[-2]


def test_a_condition_on_a_plain_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.parquet"
    file.touch()
    words = ["import", "rlhf-v", str(file), "--out", str(tmp_path / "run"), "--only", "a=b"]
    assert run(words) == EXIT_INPUT
    assert "needs a data set of the hub" in capsys.readouterr().err
