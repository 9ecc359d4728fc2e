import os
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from groundtune import recipe_loading
from groundtune.errors import UserError


class Dpo(BaseModel):
    type: Literal["dpo"] = "dpo"
    beta: float = Field(default=0.1, gt=0)


class Ddpo(BaseModel):
    type: Literal["ddpo"] = "ddpo"
    beta: float = Field(default=0.1, gt=0)
    gamma: float = 5.0
    reduce: Literal["mean", "sum"] = "sum"


class Optim(BaseModel):
    lr: float = 1e-6
    steps: int = 20

    @model_validator(mode="after")
    def _steps_fit(self) -> "Optim":
        if self.lr > 1 and self.steps > 1:
            raise ValueError("a rate above 1 needs steps of 1")
        return self


class Source(BaseModel):
    path: str
    weight: float = 1.0


class Toy(BaseModel):
    model_config = ConfigDict(frozen=True)
    method: Annotated[Dpo | Ddpo, Field(discriminator="type")] = Ddpo()
    optim: Optim = Optim()
    sources: list[Source] = []
    seeds: tuple[int, ...] = (0,)
    note: str = ""


class NeedsData(BaseModel):
    data: Source


def written(folder: Path, text: str) -> Path:
    path = folder / "toy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(
    path: Path | None, *overrides: str, schema: type[BaseModel] = Toy, **options: Any
) -> UserError:
    with pytest.raises(UserError) as caught:
        recipe_loading.load(path, overrides, schema, **options)
    assert len(str(caught.value).splitlines()) == 3
    return caught.value


def test_without_file_and_overrides_the_defaults_are_used() -> None:
    assert recipe_loading.load(None, [], Toy) == Toy()


def test_the_file_wins_over_the_base_and_an_override_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, "optim: {lr: 2.0e-6, steps: 7}\n")
    base = {"optim": {"lr": 9.0, "steps": 1}, "note": "base"}
    got = recipe_loading.load(path, ["optim.steps=8"], Toy, command=base)
    assert got == Toy(optim=Optim(lr=2e-6, steps=8), note="base")
    assert base == {"optim": {"lr": 9.0, "steps": 1}, "note": "base"}


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert recipe_loading.load(written(tmp_path, "# nothing\n"), [], Toy) == Toy()


@pytest.mark.parametrize("number", ["1e-6", "1E-6", "-1e-6", "+1.5e3", "1.e2", ".5e1"])
def test_exponents_without_a_point_are_numbers(tmp_path: Path, number: str) -> None:
    class Any_(BaseModel):
        lr: object = None

    assert recipe_loading.load(written(tmp_path, f"lr: {number}\n"), [], Any_).lr == float(number)
    assert recipe_loading.load(None, [f"lr={number}"], Any_).lr == float(number)


def test_a_dotted_key_and_a_list_are_overridden_as_yaml() -> None:
    got = recipe_loading.load(None, ["seeds=[1, 2]", "method.gamma=3", "note=a=b"], Toy)
    assert got == Toy(seeds=(1, 2), method=Ddpo(gamma=3), note="a=b")


def test_an_override_without_text_is_the_empty_text(tmp_path: Path) -> None:
    assert recipe_loading.load(written(tmp_path, "note: old\n"), ["note="], Toy).note == ""


PRINTED = st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Zs"])


@given(st.text(alphabet=PRINTED))
def test_any_text_in_quotes_passes_through_an_override(text: str) -> None:
    quoted = text.replace("'", "''")
    assert recipe_loading.load(None, [f"note='{quoted}'"], Toy).note == text


@given(st.floats(allow_nan=False, min_value=1e-300, max_value=1e300))
def test_any_number_that_python_writes_is_read_as_itself(number: float) -> None:
    assert recipe_loading.load(None, [f"method.beta={number!r}"], Toy).method.beta == number


def test_switching_a_type_keeps_what_both_have(tmp_path: Path) -> None:
    path = written(tmp_path, "method:\n  type: ddpo\n  beta: 0.5\n")
    assert recipe_loading.load(path, ["method.type=dpo"], Toy).method == Dpo(beta=0.5)


def test_switching_a_type_lists_what_the_new_one_lacks(tmp_path: Path) -> None:
    path = written(tmp_path, "method:\n  type: ddpo\n  beta: 0.5\n  gamma: 3\n  reduce: mean\n")
    error = refused(path, "method.type=dpo")
    assert error.what == "method.type=dpo has no gamma, reduce."
    assert error.where == f"{path}:4"
    assert error.fix == "Take gamma, reduce out, or choose another method.type."


def test_a_variant_keeps_the_default_type_where_none_is_given() -> None:
    assert recipe_loading.load(None, ["method.gamma=2"], Toy).method == Ddpo(gamma=2)


def test_an_unknown_type_names_those_there_are() -> None:
    error = refused(None, "method.type=dppo")
    assert error.what == "method.type is 'dppo'."
    assert error.where == "override method.type=dppo"
    assert error.fix == "It should be one of 'dpo', 'ddpo'."


def test_an_unknown_key_names_the_nearest_and_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "note: hi\n\nmethod:\n  type: ddpo\n  gama: 5\n")
    error = refused(path)
    assert error.what == "method.gama is not a key of the recipe."
    assert error.where == f"{path}:5"
    assert error.fix == "Did you mean gamma?"


def test_an_unknown_key_far_from_any_lists_those_there_are() -> None:
    error = refused(None, "optim.zzzz=1")
    assert (error.where, error.fix) == ("override optim.zzzz=1", "The keys here are lr, steps.")


def test_unknown_keys_are_refused_inside_lists(tmp_path: Path) -> None:
    path = written(tmp_path, "sources:\n  - path: a\n  - path: b\n    wieght: 2\n")
    error = refused(path)
    assert error.what == "sources.1.wieght is not a key of the recipe."
    assert error.where == f"{path}:4"
    assert error.fix == "Did you mean weight?"


def test_all_unknown_keys_are_named_at_once() -> None:
    error = refused(None, "optim.stepz=1", "nota=x")
    assert {"stepz", "nota"} <= set(f"{error.what} {error.fix}".replace(".", " ").split())


def test_a_wrong_type_names_field_value_and_what_is_expected(tmp_path: Path) -> None:
    path = written(tmp_path, "optim:\n  lr: fast\n")
    error = refused(path)
    assert error.what == "optim.lr is 'fast'."
    assert error.where == f"{path}:2"
    assert error.fix.startswith("It should be a valid number")


def test_a_value_out_of_range_is_refused() -> None:
    error = refused(None, "method.beta=-1")
    assert (error.what, error.fix) == ("method.beta is -1.", "It should be greater than 0.")


def test_a_scalar_in_a_mappings_place_is_refused() -> None:
    assert refused(None, "optim=3").what == "optim is 3."


def test_a_missing_key_is_named() -> None:
    error = refused(None, "data.weight=2", schema=NeedsData)
    assert error.what == "data.path is missing."


def test_a_check_across_fields_says_what_it_says() -> None:
    assert refused(None, "optim.lr=2").what == "A rate above 1 needs steps of 1."


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "optim:\n  lr: 1\n  steps: 2\n  lr: 3\n")
    error = refused(path)
    assert error.what == ("This is not YAML: optim.lr is given twice, first in line 2; keep one.")
    assert error.where == f"{path}:4"


def test_a_key_given_twice_inside_a_list_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "sources:\n  - path: a\n    path: b\n")
    assert "sources.0.path is given twice, first in line 2" in refused(path).what


@pytest.mark.parametrize("override", ["optim.lr", "=3", "optim..lr=3", "", ".lr=1"])
def test_an_override_that_is_none_is_refused(override: str) -> None:
    assert refused(None, override).fix == "Write it as key=value."


def test_an_override_of_broken_yaml_is_refused() -> None:
    assert refused(None, "seeds=[1").what.startswith("'[1' is not a YAML value: ")


def test_an_override_below_a_plain_value_is_refused() -> None:
    assert refused(None, "note=x", "note.deep=1").what.startswith("note.deep can't be set: note is")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "note: hi\noptim: [1\n")
    error = refused(path)
    assert error.what.startswith("This is not YAML")
    assert error.where.startswith(f"{path}:")


def test_a_list_is_no_recipe(tmp_path: Path) -> None:
    assert refused(written(tmp_path, "- 1\n")).what == "A recipe is a mapping."


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_bytes(b"note: \xff\xfe\n")
    assert refused(path).what.startswith("This is not YAML")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path / "none.yaml")
    assert error.where == str(tmp_path / "none.yaml")


def test_yaml_tags_build_no_python_objects(tmp_path: Path) -> None:
    path = written(tmp_path, "note: !!python/object/apply:os.getcwd []\n")
    assert refused(path).what.startswith("This is not YAML")


def test_a_value_that_its_type_cannot_hold_names_the_line(tmp_path: Path) -> None:
    error = refused(written(tmp_path, "note: hi\nseeds: 2001-99-99\n"))
    assert error.what == "This is not YAML: '2001-99-99' is no timestamp; quote it if it is text."
    assert error.where.endswith(":2")


@pytest.mark.parametrize("text", ["note: &a [*a]", "note: &a {b: {c: *a}}", "&a {note: *a}"])
def test_a_value_that_refers_to_itself_is_refused(tmp_path: Path, text: str) -> None:
    assert "refers to itself" in refused(written(tmp_path, text)).what


def test_aliases_that_grow_without_bound_are_refused_before_anything_is_built(
    tmp_path: Path,
) -> None:
    rows = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    rows += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    error = refused(written(tmp_path, "\n".join(rows)))
    assert error.what == "This is not YAML: aliases make more than 200,000 values."
    assert error.where.endswith(":6")


@pytest.mark.parametrize(
    "text",
    ["note: " + "[" * 100_000, "- " * 100_000, "\n".join(" " * n + "a:" for n in range(900))],
)
def test_depth_is_bounded(tmp_path: Path, text: str) -> None:
    assert "inside one another" in refused(written(tmp_path, text)).what


def test_depth_counts_what_aliases_stand_for(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))]
    assert "inside one another" in refused(written(tmp_path, "\n".join(rows))).what


def test_an_alias_is_read_as_what_it_repeats(tmp_path: Path) -> None:
    path = written(tmp_path, "sources: [&a {path: x}, *a]\n")
    assert recipe_loading.load(path, [], Toy).sources == [Source(path="x"), Source(path="x")]


def test_a_control_character_and_a_pipe_are_refused(tmp_path: Path) -> None:
    assert refused(written(tmp_path, "note: a\0b")).what.startswith("This is not YAML")
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").what == "This is not a file."


def test_each_value_knows_where_it_came_from(tmp_path: Path) -> None:
    path = written(tmp_path, "optim:\n  lr: 1.0e-5\nseeds: [1]\n")
    command, options = {"note": "n", "seeds": [4]}, {"method.beta": 0.3}
    got = recipe_loading.resolve(path, ["method.gamma=1"], Toy, command=command, options=options)
    assert {each.key: each.origin for each in got.values} == {
        "method.type": "default",
        "method.beta": "override",
        "method.gamma": "override",
        "method.reduce": "default",
        "optim.lr": "file",
        "optim.steps": "default",
        "sources": "default",
        "seeds": "file",
        "note": "command",
    }


def test_a_mapping_as_an_override_is_merged_too(tmp_path: Path) -> None:
    path = written(tmp_path, "optim:\n  lr: 1.0e-5\n")
    got = recipe_loading.resolve(path, ["optim={steps: 3}"], Toy)
    assert got.recipe.optim == Optim(lr=1e-5, steps=3)
    assert ("optim.lr", 1e-5, "file") in got.values
    assert ("optim.steps", 3, "override") in got.values
    assert refused(path, "optim={stepz: 3}").where == "override optim={stepz: 3}"


def test_an_error_in_the_commands_own_settings_says_so() -> None:
    assert refused(None, command={"optim": {"lr": "x"}}).where == "the command's settings"


@given(st.text(), st.floats(allow_nan=False, min_value=1e-300, max_value=1e300), st.integers())
def test_options_are_data_and_win_over_everything_else(text: str, beta: float, seed: int) -> None:
    options = {"note": text, "method.beta": beta, "seeds": (seed,), "method.gamma": None}
    got = recipe_loading.load(
        None, ["note=old", "method={beta: 1, gamma: 2}"], Toy, options=options
    )
    assert got == Toy(note=text, method=Ddpo(beta=beta, gamma=2), seeds=(seed,))


def test_paths_and_records_are_options_too() -> None:
    options = {"note": Path("a b/c"), "optim": Optim(lr=0.5)}
    got = recipe_loading.load(None, ["optim.steps=3"], Toy, options=options)
    assert got == Toy(note=str(Path("a b/c")), optim=Optim(lr=0.5, steps=3))


def test_an_option_that_cannot_be_used_is_named() -> None:
    assert refused(None, options={"method.beta": -1}).where == "option method.beta=-1"


class Speed(recipe_loading.Settings):
    MAY_CHANGE = frozenset({"batch_size"})
    batch_size: int = 1
    seed: int = 0


class Rounds(Speed):
    MAY_CHANGE = Speed.MAY_CHANGE | {"rounds"}
    rounds: int = 1
    ask: Speed = Speed()
    learn: dict[str, Speed] = Field(default={"a": Speed()})


def test_what_changes_no_result_decides_nothing_at_any_depth() -> None:
    faster = Speed(batch_size=9)
    changed = Rounds(rounds=4, batch_size=9, ask=faster, learn={"a": faster})
    assert changed.decisive() == Rounds().decisive()
    assert changed.decisive() == {"seed": 0, "ask": {"seed": 0}, "learn": {"a": {"seed": 0}}}
    for change in ({"seed": 1}, {"ask": Speed(seed=1)}, {"learn": {"b": Speed()}}):
        assert Rounds().model_copy(update=change).decisive() != Rounds().decisive()


def test_a_part_has_the_shared_fields_and_the_changes() -> None:
    settings = Rounds(batch_size=3, seed=5)
    assert settings.part(Speed, seed=6) == Speed(batch_size=3, seed=6)
    with pytest.raises(ValidationError):
        settings.part(Speed, rounds=3)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("!!timestamp 5", "'5' is no timestamp"),
        ("!!bool maybe", "'maybe' is no bool"),
        ("!!int ''", "'' is no int"),
        ("!!float x", "'x' is no float"),
        ("!!int 1.5", "'1.5' is no int"),
    ],
)
def test_a_yaml_tag_that_does_not_fit_names_the_line(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(f"size: 1\nlr: {text}\n")
    error = refused(path)
    assert error.what == f"This is not YAML: {what}; quote it if it is text."
    assert error.where == f"{path}:2"
