"""The frame of the command line, run in its own interpreter or through `run`."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from groundtune.cli import app as cli
from groundtune.errors import UserError

COMMAND = [sys.executable, "-m", "groundtune"]


def groundtune(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, cli.Command]:
    """A table of commands of this file's own functions."""
    table = {
        name: cli.Command(f"{__name__}:{function}", f"Line of {name}.")
        for name, function in {
            "good": "good",
            "bad": "bad_input",
            "broken": "broken",
            "stop": "stopped",
            "bench run": "good",
            "absent": "good",
        }.items()
    }
    table["absent"] = cli.Command("groundtune.cli.no_such_module:absent", "Not there.")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(cli, "COMMANDS", table)
    return table


def good(count: int = 1) -> None:
    """Print a count.

    A longer explanation of good.

    Args:
        count: How many.
    """
    print(f"count {count}")


def bad_input() -> None:
    raise UserError("the row has no image", "rows.jsonl:3", "give it one")


def broken() -> None:
    raise ZeroDivisionError("a bug")


def stopped() -> None:
    raise KeyboardInterrupt


def processor_s(command: Sequence[str]) -> float:
    """The least processor time of five runs."""
    times_s: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times_s.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(times_s)


def test_help_takes_less_than_twice_as_long_as_the_libraries_it_needs() -> None:
    libraries = [sys.executable, "-c", "import cyclopts, pydantic, rich.console"]
    assert processor_s([*COMMAND, "--help"]) < 2 * processor_s(libraries)


def test_help_names_every_command_there_is() -> None:
    text = groundtune("--help").stdout
    offered = {name.split()[0] for name in cli.COMMANDS if cli.is_there(cli.COMMANDS[name])}
    assert all(f" {name} " in text for name in offered)


def test_the_version_is_the_packages() -> None:
    import groundtune as package

    assert groundtune("--version").stdout.strip() == package.__version__


def test_an_unknown_command_is_three_lines_and_exit_2() -> None:
    done = groundtune("no-such-command")
    assert (done.returncode, done.stdout) == (cli.EXIT_INPUT, "")
    assert len(done.stderr.splitlines()) == 3
    assert "no-such-command" in done.stderr.splitlines()[0]


@pytest.mark.usefixtures("commands")
def test_an_unknown_option_is_three_lines_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["good", "--cuont", "3"]) == cli.EXIT_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "--cuont" in lines[0]
    assert lines[2].endswith("see groundtune good --help")


@pytest.mark.usefixtures("commands")
def test_a_value_of_the_wrong_type_is_three_lines_and_exit_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["good", "--count", "many"]) == cli.EXIT_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "many" in lines[0]


@pytest.mark.usefixtures("commands")
def test_a_command_runs_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["good", "--count", "3"]) == cli.EXIT_DONE
    assert cli.run(["bench", "run", "4"]) == cli.EXIT_DONE
    assert capsys.readouterr().out == "count 3\ncount 4\n"


@pytest.mark.usefixtures("commands")
def test_the_list_has_a_commands_line_and_its_own_help_the_docstring(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["--help"]) == cli.EXIT_DONE
    listed = capsys.readouterr().out
    assert "Line of good." in listed
    assert "Line of bench run." not in listed
    assert cli.run(["good", "--help"]) == cli.EXIT_DONE
    own = capsys.readouterr().out
    assert "A longer explanation of good." in own
    assert "How many." in own


@pytest.mark.usefixtures("commands")
def test_a_group_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--help"]) == cli.EXIT_DONE
    assert "Line of bench run." in capsys.readouterr().out


@pytest.mark.usefixtures("commands")
def test_a_command_whose_file_is_absent_is_not_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == cli.EXIT_DONE
    assert "absent" not in capsys.readouterr().out
    assert cli.run(["absent"]) == cli.EXIT_INPUT


@pytest.mark.usefixtures("commands")
def test_a_users_error_is_three_lines_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bad"]) == cli.EXIT_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: the row has no image",
        "  where: rows.jsonl:3",
        "  mend:  give it one",
    ]


@pytest.mark.usefixtures("commands")
def test_debug_shows_the_traceback_of_a_users_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bad", "--debug"]) == cli.EXIT_INPUT
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
def test_our_own_bug_is_a_traceback_and_exit_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["broken"]) == cli.EXIT_FAILED
    assert "ZeroDivisionError: a bug" in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
def test_ctrl_c_says_that_the_same_command_continues(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["stop"]) == cli.EXIT_INTERRUPTED
    err = capsys.readouterr().err
    assert "the same command continues" in err
    assert "Traceback" not in err


LOUD = """
import sys
from groundtune.cli import app

def loud() -> None:
    print("x" * 10)

app.COMMANDS = {"loud": app.Command("loud:loud", "")}
if __name__ == "__main__":
    sys.exit(app.run(["loud"]))
"""


def test_a_reader_that_went_away_causes_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "loud.py"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    os.close(write_end)
    assert done.returncode == cli.EXIT_FAILED
    assert done.stderr == "Stopped: nobody reads the output any more.\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_commands_own_help_can_be_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not cli.is_there(cli.COMMANDS[name]):
        pytest.skip(f"{cli.COMMANDS[name].target} is not written yet")
    assert cli.run([*name.split(), "--help"]) == cli.EXIT_DONE
    assert "Usage: groundtune" in capsys.readouterr().out
