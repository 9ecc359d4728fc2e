"""Judges' prompts from files and from scripts that build them; no script is run."""

from pathlib import Path

import pytest

from groundtune.bench.judge.prompts import PromptKind, ScriptPrompt, read_prompt
from groundtune.errors import UserError

KIND = PromptKind(name="mmhal", fields=("image_contents", "question", "reference", "answer"))


def test_the_projects_prompts_have_their_fields():
    prompt = read_prompt(KIND)
    text = prompt.fill(image_contents="{answer}", question="q?", reference="r", answer="a {}")
    assert "{answer}" in text  # what is put in is not searched for fields
    assert "a {}" in text
    assert prompt.name.startswith("groundtune/mmhal.txt (")


def test_a_text_file_may_have_a_system_text_and_must_have_all_fields(tmp_path: Path):
    path = tmp_path / "mine.txt"
    kind = PromptKind(name="x", fields=("a", "b"))
    path.write_text("[system]\nBe fair.\n[request]\n{b} then {a}, {not_ours} {}")
    prompt = read_prompt(kind, path)
    assert prompt.system == "Be fair."
    assert prompt.fill(a="1", b="2") == "2 then 1, {not_ours} 1"
    path.write_text("only {a}")
    with pytest.raises(UserError, match=r"lacks the field \{b\}"):
        read_prompt(kind, path)
    with pytest.raises(UserError, match="can't be read"):
        read_prompt(kind, tmp_path / "absent.txt")


@pytest.mark.parametrize(
    ("script", "spec"),
    [
        ("template = '''A {} B {} C'''\nopen('ran', 'w')", ScriptPrompt(variable="template")),
        (
            "if __name__ == '__main__':\n for a, b in []:\n  text = (f'A {a[\"x\"]} B '"
            "\n   f'{b} C')\n",
            ScriptPrompt(variable="text", expressions={"a['x']": "a", "b": "b"}),
        ),
        (
            "HEAD = 'A '\ndef build(a, b):\n prompt = f'{HEAD}{a} B {b} C'\n return prompt\n",
            ScriptPrompt(variable="prompt", function="build", expressions={"a": "a", "b": "b"}),
        ),
        (
            "def ask(rows):\n for row in rows:\n  prompt = 'A '\n  prompt += row['a'] + ' B '\n"
            "  prompt += row[b]\n  prompt += ' C'\n",
            ScriptPrompt(
                variable="prompt", function="ask", expressions={"row['a']": "a", "row[b]": "b"}
            ),
        ),
    ],
)
def test_a_scripts_prompt_is_read_from_its_assignments(
    tmp_path: Path, script: str, spec: ScriptPrompt
):
    path = tmp_path / "official.py"
    path.write_text(script)
    kind = PromptKind(name="x", fields=("a", "b"), script=spec)
    assert read_prompt(kind, path).fill(a="1", b="2") == "A 1 B 2 C"
    assert not (tmp_path / "ran").exists()


def test_a_scripts_system_text_is_read_too(tmp_path: Path):
    path = tmp_path / "official.py"
    path.write_text(
        "def ask(x):\n send([{'role': 'system', 'content': 'Be fair.'}, {'role': 'user'}])\n"
        "template = '{}'\n"
    )
    kind = PromptKind(name="x", fields=("a",), script=ScriptPrompt(variable="template"))
    assert read_prompt(kind, path).system == "Be fair."


def test_a_script_without_the_prompt_is_the_users_error(tmp_path: Path):
    path = tmp_path / "other.py"
    path.write_text("x = 1\n")
    kind = PromptKind(name="x", fields=("a",), script=ScriptPrompt(variable="template"))
    with pytest.raises(UserError, match="does not build"):
        read_prompt(kind, path)
    path.write_text("this is no Python\n")
    with pytest.raises(UserError, match="not Python"):
        read_prompt(kind, path)
