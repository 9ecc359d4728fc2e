import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from groundtune.cli.finish import finish
from groundtune.cli.progress import PlainProgress, SilentProgress, open_progress, progress_line


class Terminal(io.StringIO):
    """Text that says it is a terminal, as rich asks."""

    def isatty(self) -> bool:
        return True


def clock_of(*seconds: float) -> Callable[[], float]:
    times = iter(seconds)
    return lambda: next(times)


def test_a_line_has_count_rate_and_time_left() -> None:
    line = progress_line("sample", 12, 40, 4.0, "8 tokens/s")
    assert line == "sample  12/40  3/s  0:09 left  8 tokens/s"


def test_a_line_without_a_total_has_no_time_left() -> None:
    assert progress_line("sample", 12, None, 4.0, "") == "sample  12  3/s"


def test_the_last_line_says_how_long_it_took() -> None:
    assert progress_line("train", 20, 20, 3723, "") == "train  20/20  0.00537/s  done in 1:02:03"


def test_lines_come_no_faster_than_asked_and_the_last_always() -> None:
    stream = io.StringIO()
    now = [0.0]
    progress = PlainProgress(stream, every_s=5, clock=lambda: now[0])
    progress.start("sample", total=10)
    for second in range(1, 11):
        now[0] = float(second)
        progress.advance()
    assert [line.split("  ")[1] for line in stream.getvalue().splitlines()] == ["5/10", "10/10"]


def test_a_new_task_first_shows_what_the_old_one_reached() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, every_s=100, clock=clock_of(*range(20)))
    progress.start("first", total=10)
    progress.advance(3, note="slow")
    progress.start("second", total=2)
    progress.advance(2)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[:2] for line in lines] == [["first", "3/10"], ["second", "2/2"]]
    assert lines[0].endswith("slow")
    assert "slow" not in lines[1]


def test_away_from_a_terminal_progress_is_plain_lines_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_progress() as progress:
        progress.start("sample", total=2)
        progress.advance(2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("sample  2/2")
    assert "\x1b" not in printed.err


def test_silent_progress_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with open_progress(silent=True) as progress:
        progress.start("sample", total=2)
        progress.advance(2, note="x")
        assert isinstance(progress, SilentProgress)
    assert capsys.readouterr() == ("", "")


def test_an_error_inside_still_shows_what_was_done() -> None:
    stream = io.StringIO()

    def work() -> None:
        with open_progress(stream=stream) as progress:
            progress.start("sample", total=9)
            progress.advance(4)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert stream.getvalue().startswith("sample  4/9")


def test_a_terminal_gets_a_bar_with_the_count_and_the_note() -> None:
    stream = Terminal()
    with open_progress(stream=stream) as progress:
        progress.start("sample", total=4)
        progress.advance(1, note="warm")
        progress.start("train", total=2)
        progress.advance(2)
    assert "sample" in stream.getvalue()
    assert "1/4" in stream.getvalue()
    assert "2/2" in stream.getvalue()
    assert "warm" in stream.getvalue()


def test_results_end_with_the_path_and_the_next_command_quoted_for_a_shell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    following = ["groundtune", "label", Path("my answers")]
    finish({"answers": 3, "n": 0}, path=Path("out"), next_command=following)
    assert capsys.readouterr().out.splitlines() == [
        "answers  3",
        "n        0",
        "wrote    out",
        "next     groundtune label 'my answers'",
    ]


def test_results_for_machines_are_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    finish({"rate": 0.5, "path": Path("a")}, path=Path("out"), json=True)
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert json.loads(text) == {"rate": 0.5, "path": "a", "wrote": "out"}
