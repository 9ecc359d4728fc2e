"""The frame of the command line, run in its own interpreter or through `run`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

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
        name: cli.Command(f"{__name__}:{function}", f"Line of {name}.", "Evaluate")
        for name, function in {
            "good": "good",
            "bad": "bad_input",
            "broken": "broken",
            "stop": "stopped",
            "bench run": "good",
        }.items()
    }
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(cli, "COMMANDS", table)
    return table


def good(
    count: int = 1,
    *,
    at_most: int | None = None,
    share: float | None = None,
    sort: Literal["up", "down"] | None = None,
    flag: bool | None = None,
    name: str | None = None,
    path: Path | None = None,
    json: bool = False,
) -> None:
    """Print a count.

    A longer explanation of good.

    Args:
        count: How many.
    """
    print(f"count {count}")
    if name or path:
        print(name, path)


def bad_input(*, json: bool = False) -> None:
    raise UserError("the row has no image", "rows.jsonl:3", "give it one,\nwith more words")


def broken() -> None:
    raise ZeroDivisionError("a bug")


def stopped() -> None:
    raise KeyboardInterrupt


def packages(code: str) -> set[str]:
    """The packages that are imported by the time that code has run."""
    script = f"""
import atexit, sys
atexit.register(lambda: print(*{{name.split(".")[0] for name in sys.modules}}, file=sys.stderr))
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    found = {name for name in done.stderr.split() if not name.startswith("_sysconfigdata")}
    return found - set(sys.stdlib_module_names)


CHATTY = """
import atexit, logging, subprocess, sys
from groundtune.cli import app, finish
from groundtune.cli.commands import Command

def chatty(*, json: bool = False) -> None:
    'Chat.'
    print("Project initialised!")
    subprocess.run(["echo", "A child's line."])
    atexit.register(print, "View the run at home.")
    logging.getLogger("groundtune.store").warning("2 files were left out.")
    logging.getLogger("tracker.api").warning("no network")
    finish.finish({"steps": 3}, json=json)

app.COMMANDS = {"chatty": Command("__main__:chatty", "Chat.", "Evaluate")}
from groundtune.__main__ import main
sys.argv = ["groundtune", "chatty", *sys.argv[1:]]
main()
"""


def test_with_json_stdout_has_the_object_alone_whatever_libraries_print() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHATTY, "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"steps": 3}
    assert "Project initialised!" in done.stderr
    assert "View the run at home." in done.stderr
    assert "A child's line." in done.stderr


def test_a_warning_is_a_plain_line_and_names_a_foreign_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHATTY], capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert lines == ["warning: 2 files were left out.", "warning: tracker: no network"]


def test_a_message_of_the_hub_is_printed_once() -> None:
    code = (
        "import logging; from groundtune.cli.output import log_to_stderr\n"
        "log_to_stderr(logging.WARNING); from huggingface_hub.utils import logging as hub\n"
        "hub.get_logger('huggingface_hub.file_download').warning('no network')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("no network") == 1


def test_help_imports_no_package_but_those_that_write_it() -> None:
    writers = packages("import cyclopts, pydantic, rich.console")
    helped = packages("from groundtune.__main__ import main; sys.argv[1:] = ['--help']; main()")
    assert helped - writers == {"groundtune", "docstring_parser"}  # cyclopts reads help with it


def test_help_names_every_command_there_is() -> None:
    text = groundtune("--help").stdout
    assert all(f" {name.split()[0]} " in text for name in cli.COMMANDS)


def test_help_has_the_sections_in_the_order_of_the_table() -> None:
    text = groundtune("--help").stdout
    titles = ["Start", "The loop", "Evaluate", "Data", "Serve", "The embedded world", "Options"]
    places = [text.index(f" {title} ") for title in titles]
    assert places == sorted(places)


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
    assert lines[2] == "fix: Did you mean --count? `groundtune good --help` lists the options."


@pytest.mark.usefixtures("commands")
def test_a_value_of_the_wrong_type_is_three_lines_and_exit_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["good", "--count", "many"]) == cli.EXIT_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "many" in lines[0]


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("value", ["1.5", "2.0", "None", "null", "nan", "", " "])
@pytest.mark.parametrize("option", ["count", "at-most"])
def test_a_whole_number_is_neither_rounded_nor_left_out(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["good", f"--{option}={value}"]) == cli.EXIT_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"error: --{option} is {value!r}.",
        "where: groundtune good",
        "fix: Give a whole number.",
    ]


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("--share nan", "Give a number."),
        ("--share inf", "Give a number."),
        ("--share none", "Give a number."),
        ("--sort none", "Give one of up, down."),
        ("--flag=none", "Give true or false."),
    ],
)
def test_a_value_that_is_no_value_is_refused(
    words: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["good", *words.split()]) == cli.EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[2] == f"fix: {fix}"


@pytest.mark.usefixtures("commands")
def test_text_and_paths_may_be_the_word_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["good", "--name", "None", "--path", "none"]) == cli.EXIT_DONE
    assert "None none" in capsys.readouterr().out


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a" * 300, "it is too long (300 characters)"),
        ('{"a": ' * 2000, "it is too long (12,000 characters)"),
        ("a\0b", "No file can have this name."),
    ],
)
def test_a_path_that_no_file_can_have_is_three_lines_and_exit_2(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["good", "--path", name]) == cli.EXIT_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 3
    assert says in lines[0]
    assert len(lines[1]) < 100


@pytest.mark.parametrize("option", ["n", "batch-size", "limit", "seed", "max-new-tokens"])
@pytest.mark.parametrize("value", ["1.5", "None"])
def test_no_whole_number_of_sample_is_rounded(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["sample", f"--{option}={value}", "--out", "x"]) == cli.EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[0] == f"error: --{option} is {value!r}."


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        ("smaple", "There is no command 'smaple'.", "Did you mean sample?"),
        ("bench scroe", "There is no command 'scroe'.", "Did you mean score?"),
        ("sample", "--out is missing.", "`groundtune sample --help` lists the options."),
        ("sample --out", "--out has no value.", "`groundtune sample --help` lists"),
        ("sample --out a --out b", "--out is given twice.", "Give it once."),
        ("sample --out x --engine rya", "--engine is 'rya'.", "Give one of local, ray."),
        ("--jsn", "There is no option '--jsn'.", "`groundtune --help` lists the options."),
        ("pairs --cap=-1", "--cap is '-1'.", "Must be >= 0."),
        ("report run other", "'other' is one argument too many.", "Remove it;"),
    ],
)
def test_what_cannot_be_parsed_is_reported_in_plain_words(
    words: str, what: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words.split()) == cli.EXIT_INPUT
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == f"error: {what}"
    assert lines[1].startswith("where: groundtune")
    assert lines[2].startswith(f"fix: {fix}")


@pytest.mark.usefixtures("commands")
def test_with_json_an_error_is_one_object_on_stdout_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bad", "--json"]) == cli.EXIT_INPUT
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "what": "the row has no image",
        "where": "rows.jsonl:3",
        "fix": "give it one, with more words",
    }
    assert len(printed.err.splitlines()) == 3
    assert cli.run(["good", "--json", "--cuont", "3"]) == cli.EXIT_INPUT
    assert set(json.loads(capsys.readouterr().out)) == {"what", "where", "fix"}


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
def test_a_users_error_is_three_lines_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bad"]) == cli.EXIT_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: the row has no image",
        "where: rows.jsonl:3",
        "fix: give it one, with more words",
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
def test_ctrl_c_says_that_the_same_command_resumes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["stop"]) == cli.EXIT_INTERRUPTED
    err = capsys.readouterr().err
    assert "Run the same command again to resume." in err
    assert "Traceback" not in err


LOUD = """
import sys
from groundtune.cli import app

def loud() -> None:
    print("x" * 10)

app.COMMANDS = {"loud": app.Command("loud:loud", "", "Start")}
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
    assert cli.run([*name.split(), "--help"]) == cli.EXIT_DONE
    assert "Usage: groundtune" in capsys.readouterr().out


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_json_and_no_line_wider_than_the_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run([*name.split(), "--help"]) == cli.EXIT_DONE
    lines = capsys.readouterr().out.splitlines()
    assert any(" --json " in line for line in lines)
    assert all(len(line) <= 80 or line.startswith("    groundtune ") for line in lines)


def test_words_that_are_not_utf8_are_refused_by_their_number(
    capsys: pytest.CaptureFixture[str],
):
    assert cli.run(["import", "trl", "rows.jsonl", "--out", "caf\udce9"]) == 2
    what, where, _ = capsys.readouterr().err.splitlines()
    assert what == "error: Word 5 of the command is not UTF-8."
    assert where == r"where: 'caf\udce9'"
