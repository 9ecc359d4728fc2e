"""A line that changed, is lost or stands elsewhere is found; a cut line is left out and logged."""

import logging
from pathlib import Path

import pytest

from flips import flipped
from groundtune.store.checksums import DamageError
from groundtune.store.lines import CheckedLines, read_lines

ROWS = [{"step": step, "loss": step / 8} for step in range(1, 6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lines = CheckedLines(tmp_path / "log.jsonl", ROWS[:2])
    for row in ROWS[2:]:
        lines.append(row)
    return tmp_path / "log.jsonl"


def test_what_was_appended_is_read(path: Path):
    assert read_lines(path, "fix") == ROWS
    assert read_lines(path.with_name("none.jsonl"), "fix") == []


def test_no_flipped_bit_of_a_line_is_read(path: Path, caplog: pytest.LogCaptureFixture):
    end = path.stat().st_size * 8
    for place in flipped(path, end):
        caplog.clear()
        if place >= end - 8:  # the last line end: an incomplete line
            assert read_lines(path, "fix") == ROWS[:-1]
            assert "incomplete last line" in caplog.text
        else:
            with pytest.raises(DamageError, match=r"line is damaged"):
                read_lines(path, "fix")


def test_a_lost_line_and_lines_in_another_order_are_found(path: Path):
    lines = path.read_text().splitlines(keepends=True)
    for changed in (lines[:1] + lines[2:], [lines[1], lines[0], *lines[2:]]):
        path.write_text("".join(changed))
        with pytest.raises(DamageError, match="damaged") as error:
            read_lines(path, "fix")
        assert error.value.where.startswith(f"{path}:")


def test_what_a_killed_writer_left_of_a_line_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
):
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    with caplog.at_level(logging.WARNING):
        assert read_lines(path, "fix") == ROWS
    assert f"{path}:6: the incomplete last line" in caplog.text
