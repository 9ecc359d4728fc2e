"""Tab completion, by the scripts that cyclopts generates."""

import subprocess
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.commands import COMMANDS

TRY = """
source "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_groundtune
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_has_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name.split()[-1] in script for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sam"], ["sample"]),
        (["bench", "sc"], ["score"]),
        (["sample", "--max"], ["--max-new-tokens"]),
        (["label", "--by", ""], ["corrections", "comparisons", "claims"]),
        (["completion", "f"], ["fish"]),
    ],
)
def test_bash_completes_commands_options_and_choices(
    words: list[str], expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", "bash"]) == 0
    script = tmp_path / "groundtune.bash"
    script.write_text(capsys.readouterr().out)
    command = ["bash", "-c", TRY, "try", str(script), "groundtune", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected


def test_install_writes_the_script_where_the_shell_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["completion", "fish", "--install"]) == 0
    assert (tmp_path / ".config/fish/completions/groundtune.fish").is_file()
    assert "groundtune.fish" in capsys.readouterr().out


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == EXIT_INPUT
    assert capsys.readouterr().err.splitlines()[2] == "fix: Give one of bash, zsh, fish."
