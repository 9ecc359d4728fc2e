"""What the packages contain and say: links, licences, versions, files."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_readme_of_a_package_index_has_absolute_links() -> None:
    hook = module("hatch_build.py")
    base = PROJECT["project"]["urls"]["Source"]
    text = hook.absolute((ROOT / "README.md").read_text(), base)
    assert f"]({base}/docs/images/report.png)" in text
    assert "](docs/" not in text
    assert hook.absolute("[a](#b) [c](https://d)", base) == "[a](#b) [c](https://d)"


def test_every_link_of_the_readme_leads_to_a_file_of_the_source() -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_check_of_packages_finds_what_is_missing() -> None:
    check = module("tools/check_packages.py")
    wanted = check.wanted_of_wheel()
    assert "groundtune/recipes/rlhf-v.yaml" in wanted
    assert "groundtune/recipes/schemas/train.schema.json" in wanted
    assert any(name.endswith(".safetensors") for name in wanted)
    assert check.missing(["a", "b"], ["b"]) == ["a"]
    assert check.metadata_faults("Name: x\n\n[a](docs/b)") == [
        "relative link ](docs/",
        "no project URLs",
        "Requires-Python is None",
    ]


def test_everything_that_the_sdist_names_is_there() -> None:
    named = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_citation_has_the_packages_version_and_licence() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == PROJECT["project"]["version"]
    assert cited["license"] == PROJECT["project"]["license"]


def test_the_licence_of_every_direct_dependency_is_listed_as_its_package_says() -> None:
    maker = module("tools/make_licences_page.py")
    text = (ROOT / "docs" / "licences.md").read_text()
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [*PROJECT["project"]["dependencies"], *(e for x in maker.READ for e in extras[x])]
    names = {canonicalize_name(Requirement(each).name) for each in asked}
    for name in names:
        licence = maker.licence_of(maker.distribution(name))
        assert f"| {name} | {licence} |" in text, "run make generated"
    apart = {
        canonicalize_name(Requirement(each).name)
        for extra in set(extras) - {*maker.READ, "dev"}
        for each in extras[extra]
    }
    assert apart == set(maker.APART)


def test_every_python_that_the_package_names_is_in_the_matrix() -> None:
    start = "Programming Language :: Python :: 3."
    named = [each.split()[-1] for each in PROJECT["project"]["classifiers"] if start in each]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())
    job = workflow["jobs"]["tests"]
    assert job["strategy"]["matrix"]["python"] == named
    assert job["steps"][-1] == {"run": ".ci/run"}
    (looked_for,) = re.findall(r"^PYTHONS \?= (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert ["3.11", *looked_for.split()] == named


def test_the_container_installs_the_package_under_the_constraints() -> None:
    text = (ROOT / "Containerfile").read_text()
    assert "-c constraints.txt" in text
    for extra in text.partition('".[')[2].partition("]")[0].split(","):
        assert extra in PROJECT["project"]["optional-dependencies"]
