"""JSON Schemas: what is shipped is what the code says, and recipes and records pass them."""

# pyright: reportUnknownMemberType=false
# Reason: the annotation of jsonschema's iter_errors is partial.

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.pipeline.recipes.registry import (
    EDITOR_NOTE,
    ShippedRecipe,
    command_of,
    folder,
    schema_file,
    shipped,
)
from groundtune.pipeline.recipes.schema import ENDING, names, schema_named
from groundtune.records import ImagePart, Message, Prompt, TextPart


@pytest.mark.parametrize("name", names())
def test_the_shipped_schemas_are_what_the_code_says(name: str) -> None:
    path = folder() / "schemas" / f"{name}{ENDING}"
    assert json.loads(path.read_text()) == schema_named(name), "run make generated"


def test_no_schema_is_shipped_that_the_code_lacks() -> None:
    files = {path.name.removesuffix(ENDING) for path in (folder() / "schemas").iterdir()}
    assert files == set(names())


@pytest.mark.parametrize("recipe", shipped(), ids=lambda recipe: recipe.name)
def test_a_recipe_names_its_schema_in_its_first_line_and_passes_it(recipe: ShippedRecipe) -> None:
    first, *_ = recipe.path.read_text().splitlines()
    name = schema_file(command_of(recipe.path)).name
    assert first == f"# {EDITOR_NOTE}schemas/{name}"
    schema = json.loads((recipe.path.parent / first.partition("=")[2]).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(yaml.safe_load(recipe.path.read_text()))) == []


def test_a_schema_refuses_a_misspelt_key_and_explains_fields() -> None:
    schema = schema_named("train")
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({"modle": "x"}))
    assert "hub name" in schema["properties"]["model"]["description"]
    assert "4-bit" in schema["$defs"]["QLora"]["description"]
    assert "Rank" in schema["$defs"]["QLora"]["properties"]["r"]["description"]


def test_a_record_passes_its_schema() -> None:
    parts = (ImagePart(image="0" * 64), TextPart(text="What is here?"))
    prompt = Prompt(key="k", messages=(Message(role="user", content=parts),))
    row = json.loads(prompt.model_dump_json())
    jsonschema.validate(row, schema_named("prompt"))


def test_schemas_are_listed_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["schema", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["train"] == "recipes of groundtune train"
    assert run(["schema", "pair"]) == 0
    assert json.loads(capsys.readouterr().out) == schema_named("pair")
    assert run(["schema", "align", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "align.schema.json").read_text()) == schema_named("align")
    capsys.readouterr()
    assert run(["schema", "pears"]) == EXIT_INPUT
    assert "The schemas are train" in capsys.readouterr().err


def test_a_copied_recipe_has_its_schema_next_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["recipes", "copy", "world-dpo"]) == 0
    note = Path("world-dpo.yaml").read_text().splitlines()[0]
    assert Path(note.partition("=")[2]).is_file()
