"""The house rules that no linter knows: what stays torch-free, sizes, names, paths, packaging."""

import ast
import importlib
import importlib.util
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

import groundtune
from groundtune import recipe_loading
from groundtune.cli.commands import COMMANDS
from groundtune.errors import UserError

ROOT = Path(__file__).parents[1]
TORCH_FREE = (
    "groundtune.errors",
    "groundtune.records",
    "groundtune.protocols",
    "groundtune.recipe_loading",
    "groundtune.store",
    "groundtune.methods",
    "groundtune.feedback",
    "groundtune.interchange",
    "groundtune.bench",
    "groundtune.report",
    "groundtune.pipeline.train.run",
    "groundtune.pipeline.feedback.corrections",
    "groundtune.pipeline.feedback.pairs",
    "groundtune.pipeline.reward.score",
    "groundtune.pipeline.reward.settings",
    "groundtune.pipeline.annotate",
    "groundtune.pipeline.exchange.run",
    "groundtune.pipeline.recipes.registry",
    "groundtune.web",
    "groundtune.cli",
)
HEAVY = ("torch", "transformers", "peft", "accelerate")
TELL = """
import importlib, json, sys
found = {}
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    new = [heavy for heavy in json.loads(sys.argv[2]) if heavy in sys.modules]
    if new:
        found[name] = new
        break
print(json.dumps(found))
"""
TELL_COMMANDS = """
import contextlib, io, json, sys
from groundtune.cli.app import run
found = {}
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()):
        assert run([*words.split(), "--help"]) == 0, words
    new = [heavy for heavy in json.loads(sys.argv[2]) if heavy in sys.modules]
    if new:
        found[words] = new
        break
print(json.dumps(found))
"""


def script(name: str) -> ModuleType:
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def modules_of(name: str) -> list[str]:
    """A module, or a package with everything in it, as far as it exists."""
    parent, _, _ = name.rpartition(".")
    if importlib.util.find_spec(parent) is None or importlib.util.find_spec(name) is None:
        return []
    spec = importlib.util.find_spec(name)
    assert spec is not None
    places = spec.submodule_search_locations or []
    return [name, *(info.name for info in pkgutil.walk_packages(places, f"{name}."))]


def locale_bound(code: str) -> list[int]:
    """Lines that read or write text in whatever encoding the machine's locale has."""
    found: list[int] = []
    if not re.search(r"\b(read_text|write_text|open)\b", code):
        return found  # the others need not be parsed
    for call in ast.walk(ast.parse(code)):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [each.value for each in call.args if isinstance(each, ast.Constant)]
        mode = next((str(each) for each in given if re.fullmatch("[rwax+]+", str(each))), "")
        as_text = name in ("read_text", "write_text") or (name == "open" and mode)
        named = "utf-8" in given or any(key.arg == "encoding" for key in call.keywords)
        if as_text and not named:
            found.append(call.lineno)
    return found


@pytest.mark.parametrize("folder", ["src", "tools", "benchmarks", "examples"])
def test_text_files_have_the_same_encoding_on_every_machine(folder: str) -> None:
    paths = (ROOT / folder).rglob("*.py")
    assert {path: lines for path in paths if (lines := locale_bound(path.read_text("utf-8")))} == {}


def test_the_check_for_encodings_sees_a_missing_one() -> None:
    bad = 'path.read_text()\npath.write_text(text)\npath.open("w")\nopen(path, "a")\n'
    good = 'path.read_text("utf-8")\npath.open("rb")\nimages.open(sha256)\nopen(p, encoding="x")\n'
    assert locale_bound(bad + good) == [1, 2, 3, 4]


def heavy_after(program: str, names: list[str]) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(names), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def git_files(*options: str, config: Sequence[str] = ()) -> list[str]:
    """What `git ls-files` lists, whoever owns the checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    settings = [part for each in (f"safe.directory={ROOT}", *config) for part in ("-c", each)]
    command = ["git", *settings, "ls-files", "-z", "--others", "--exclude-standard", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name]


def repository_files() -> list[Path]:
    """Every file that is, or would be, in the repository."""
    return [path for name in git_files("--cached") if (path := ROOT / name).is_file()]


def test_importing_them_imports_no_torch() -> None:
    names = {name: modules_of(name) for name in TORCH_FREE}
    assert all(names.values()), [name for name in names if not names[name]]
    assert heavy_after(TELL, [each for modules in names.values() for each in modules]) == {}


def test_the_check_for_torch_sees_torch() -> None:
    assert heavy_after(TELL, ["groundtune.records", "torch"]) == {"torch": ["torch"]}


def test_no_commands_help_imports_torch() -> None:
    assert heavy_after(TELL_COMMANDS, ["", *COMMANDS]) == {}


def test_the_package_itself_imports_nothing_but_the_standard_library() -> None:
    program = "import sys; before = set(sys.modules); import groundtune; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert not {"pydantic", "numpy", "torch", "pyarrow"} & set(loaded.split())


def test_every_public_name_can_be_had() -> None:
    for name in groundtune.__all__:
        assert getattr(groundtune, name) is not None
    assert set(groundtune.__all__) <= set(dir(groundtune))


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        groundtune.no_such_name  # noqa: B018


def test_files_functions_and_names_keep_to_the_rules() -> None:
    check = script("check_sizes")
    assert [*check.excesses(ROOT / "src"), *check.excesses(ROOT / "tools")] == []


def test_the_size_check_finds_what_it_should(tmp_path: Path) -> None:
    deep = (
        "def deep():\n    if a:\n        for b in c:\n            with d:\n                if e:\n"
    )
    (tmp_path / "long_file.py").write_text("x = 1\n" * 401)
    (tmp_path / "long_function.py").write_text("def f():\n" + "    x = 1\n" * 60)
    (tmp_path / "deep.py").write_text(deep + "                    pass\n")
    (tmp_path / "utils.py").write_text("")
    (tmp_path / "vague.py").write_text("class RunManager: ...\ndef process_rows(): ...\n")
    found = [Path(line).name for line in script("check_sizes").excesses(tmp_path)]
    assert found == [
        "deep.py:1 deep: nested 4 deep, at most 3",
        "long_file.py: 401 lines, at most 400",
        "long_function.py:1 f: 61 lines, at most 60",
        "utils.py: a file is named after what it holds",
        "vague.py:1 RunManager: a name says what the thing does",
        "vague.py:2 process_rows: a name says what the thing does",
    ]


def test_the_size_check_passes_what_is_at_the_limit(tmp_path: Path) -> None:
    chain = "def f(a):\n    if a:\n        pass\n" + "    elif a:\n        pass\n" * 5
    (tmp_path / "chain.py").write_text(chain)
    (tmp_path / "long_file.py").write_text("x = 1\n" * 400)
    docstring = '    """What.\n\n' + "    More.\n" * 30 + '    """\n'
    (tmp_path / "long_function.py").write_text("def f():\n" + docstring + "    x = 1\n" * 59)
    (tmp_path / "processor.py").write_text("class Processor: ...\ndef processor(): ...\n")
    assert list(script("check_sizes").excesses(tmp_path)) == []


def test_no_file_names_a_machines_folders_or_a_registry() -> None:
    # Put together here, so that this file passes too.
    folders = [f"/{name}/" for name in ("work", "root", "opt/pypi")]
    hosts = [
        f"{name}.org" for name in ("pypi", "pythonhosted", "npmjs", "anaconda", "download.pytorch")
    ]
    options = [f"--{name}" for name in ("index-url", "extra-index-url", "find-links")]
    pattern = re.compile("|".join(map(re.escape, [*folders, *hosts, *options])).encode())
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in repository_files()
        if path.suffix not in {".png", ".safetensors", ".parquet"}
        and (match := pattern.search(path.read_bytes()))
    ]
    assert found == []


def test_source_files_are_ascii() -> None:
    data = {"src/groundtune/world/catalogue.py"}  # its glyphs are emoji
    files = {str(path.relative_to(ROOT)): path for path in repository_files()}
    sources = [name for name in files if re.fullmatch(r"src/.*\.py", name) and name not in data]
    assert sources
    assert [name for name in sources if not files[name].read_bytes().isascii()] == []


def test_no_file_of_the_package_is_ignored_by_git_and_so_left_out_of_the_wheel() -> None:
    # by the repository's rules; a person may ignore more
    ignored = git_files("--ignored", "src/groundtune", config=["core.excludesFile="])
    lost = [name for name in ignored if "__pycache__" not in name]
    assert lost == []


def test_the_order_of_rooms_in_the_docs_is_the_one_that_is_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    checked = project["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (ROOT / "docs" / "design.md").read_text()
    written = next(line for line in text.splitlines() if line.strip().startswith("cli > "))
    assert written.split() == " > ".join(re.sub(r"[()]", "", layer) for layer in checked).split()


def test_torch_is_pinned_for_installs_and_open_for_users() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "torch>=2.13" in project["dependencies"]
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().splitlines()


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [text for extra in project["optional-dependencies"].values() for text in extra]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    for text in [*project["dependencies"], *extras]:
        wanted = Requirement(text)
        assert wanted.name in pins, text
        assert pins[wanted.name] in wanted.specifier, text


@pytest.mark.parametrize(
    ("target", "environment"),
    [
        *((name, ".venv") for name in ("demo", "test", "test-elsewhere", "lint", "bench", "docs")),
        *((f"test-{name}", f".venv-{name}") for name in ("floor", "ray", "zero", "wheel")),
    ],
)
def test_every_make_target_sets_itself_up_under_the_constraints(
    target: str, environment: str, tmp_path: Path
) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    planned = subprocess.run(
        ["make", "--dry-run", target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    ).stdout.replace("\\\n", " ")
    installs = [line for line in planned.splitlines() if "pip install" in line]
    assert f"python3 -m venv {environment}" in planned.splitlines()
    assert installs
    assert all(re.search(r"-c \S*constraints\.txt", line) for line in installs)


def yaml_blocks(page: Path) -> list[str]:
    """The fenced YAML of a documentation page that is a recipe: it sets a method."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if re.search(r"^method:", block, re.MULTILINE)]


PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
RECIPES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted((ROOT / "recipes").rglob("*.yaml"))
} | {
    f"{page.relative_to(ROOT)} block {index}": block
    for page in PAGES
    for index, block in enumerate(yaml_blocks(page))
}


def schema_of(path: Path) -> type[BaseModel]:
    """What the command that takes a recipe holds it to."""
    return importlib.import_module("groundtune.pipeline.recipes.registry").schema_of(path)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_that_is_shipped_or_shown_is_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPES[name])
    recipe_loading.load(path, [], schema_of(path))


def test_the_check_of_recipes_refuses_a_misspelt_key(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: world:base\npairs: x\nmethod:\n  type: ddpo\n  gama: 3\n")
    with pytest.raises(UserError, match="Did you mean gamma"):
        recipe_loading.load(path, [], schema_of(path))
