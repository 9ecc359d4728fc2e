"""Recipes of published results: what they say of themselves, dry runs on tiny models, runs."""

import importlib.util
import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

import tiny_families
import tiny_parts
import tiny_processors
from example_rows import example_file
from groundtune.bench import registry
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.exchange.examples import import_examples
from groundtune.pipeline.exchange.run import import_layout
from groundtune.pipeline.recipes.about import About, about_of
from groundtune.pipeline.recipes.registry import ShippedRecipe, schema_of, shipped
from groundtune.pipeline.train.checks import check_reach
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.settings import TrainSettings
from groundtune.protocols import SilentProgress
from groundtune.recipe_loading import load
from groundtune.train.estimate import sizes_of
from groundtune.train.tune import apply
from groundtune.vlm.family import family_of_type
from hub_data import corrections_set

ROOT = Path(__file__).parents[3]
PUBLISHED = {
    "rlhf-v-1.4k",
    "rlhf-v-5.7k",
    "rlaif-v-7b",
    "rlaif-v-12b",
    "ha-dpo-llava-1.5-7b",
    "ha-dpo-instructblip-13b",
    "ha-dpo-minigpt-4",
}
RECIPES = {recipe.name: recipe for recipe in shipped() if about_of(recipe.path)}
WITHOUT_DATA = {
    "claims-ddpo",
    "rlaif-v",
    "rlhf-v",
    "rlhf-v-sft",
    "llava-rlhf-sft",
    "llava-rlhf-reward",
    "llava-rlhf-ppo",
}
"""Recipes for your own data, and stages of LLaVA-RLHF, whose page has their figures."""


@cache
def abouts() -> dict[str, About]:
    return {name: about for name, recipe in RECIPES.items() if (about := about_of(recipe.path))}


def test_every_recipe_of_a_real_model_says_where_it_comes_from() -> None:
    real = {recipe.name for recipe in shipped() if not recipe.name.startswith("world-")}
    assert real - WITHOUT_DATA == set(RECIPES)
    assert set(RECIPES) >= PUBLISHED
    for name in PUBLISHED:
        assert abouts()[name].published, name
        assert abouts()[name].paper.startswith("arXiv"), name


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipes_data_and_figures_are_named_completely(name: str) -> None:
    about = abouts()[name]
    assert about.data
    assert all(source.licence and source.revision for source in about.data)
    for figure in about.expected:
        assert figure.benchmark in registry.names()
        assert figure.source
        assert not figure.measured_here  # nothing of a real model has been measured here yet
    if any("nc" in source.licence for source in about.data):
        assert any("commercial use" in note for note in about.notes)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_dry_run_on_a_tiny_model_of_its_family(name: str, tmp_path: Path) -> None:
    family = abouts()[name].family
    makers = [*tiny_processors.PROCESSORS, *tiny_processors.WITH_PACKAGES]
    make = next((each for each in makers if each.__name__ == family), None)
    if make is None:
        pytest.skip(f"no processor of {family} can be built here: it needs torchvision")
    for package in family_of_type(family).packages:
        pytest.importorskip(package)
    pairs = tmp_path / "pairs"
    file = corrections_set(tmp_path / "set") / "train.parquet"
    import_layout("rlhf-v", file, pairs, SilentProgress())
    model = tiny_processors.saved(make, tmp_path / "model")
    settings = settings_of(RECIPES[name], model, pairs)
    if settings.anchor:
        captions = tmp_path / "captions"
        file = example_file("cc-sbu-align", tmp_path / "cc_sbu_align")
        import_examples("cc-sbu-align", file, captions, SilentProgress())
        settings = settings.model_copy(update={"anchor": captions})
    plan = plan_training(settings, SilentProgress())
    assert plan.captions == bool(settings.anchor)
    assert plan.pairs == 4
    assert plan.dropped == 0
    assert plan.steps >= 1
    assert plan.trained_weights > 0
    assert (plan.decoder_reached < 1) == bool(getattr(settings.tune, "layers", ()))


def minicpmv4_6() -> Any:
    """A tiny model of MiniCPM-V 4.6 from its configuration."""
    text = {
        **tiny_parts.TEXT,
        "model_type": "qwen3_5_text",
        "head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"],
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 1.0,
            "mrope_section": [2, 1, 1],
        },
    }
    vision = {
        **tiny_parts.VISION,
        "model_type": "minicpmv4_6_vision",
        "num_hidden_layers": 3,
        "insert_layer_id": 1,
    }
    sizes: dict[str, Any] = {"insert_layer_id": 1, "image_size": 16, "patch_size": 4}
    config = hf.MiniCPMV4_6Config(text_config=text, vision_config=vision, **sizes)
    return hf.MiniCPMV4_6ForConditionalGeneration(config)


@pytest.mark.parametrize("name", ["smolvlm2-2.2b", "minicpm-v-4.6"])
def test_a_recipe_whose_processor_needs_a_package_trains_what_it_says_on_a_tiny_model(
    name: str,
) -> None:
    family = abouts()[name].family
    builds = {each.__name__: each for each in (*tiny_families.PACKED, *tiny_families.ALONE)}
    model = minicpmv4_6() if family == "minicpmv4_6" else builds[family]()[0]
    settings = settings_of(RECIPES[name], "model", Path("pairs"))
    assert check_reach(model, settings) > 0.99
    sizes = sizes_of(apply(model, settings.tune), adapted=True)
    assert 0 < sizes.trained < sizes.weights
    assert sizes.ranks > 0


def settings_of(recipe: ShippedRecipe, model: str, pairs: Path) -> TrainSettings:
    """The training of a recipe, on another model and other pairs."""
    if recipe.command == "train":
        return load(recipe.path, [f"model={model}", f"pairs={pairs}"], TrainSettings)
    align = load(recipe.path, [f"model={model}"], AlignSettings)
    return align.learn.part(TrainSettings, model=model, pairs=pairs)


def test_families_of_recipes_are_known() -> None:
    known = {make.__name__ for make in (*tiny_families.PACKED, *tiny_families.ALONE)}
    assert {about.family for about in abouts().values()} - known <= {"minicpmv4_6"}


def test_a_recipe_is_run_from_its_data_to_its_model(
    tmp_path: Path, tiny_llava: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.yaml"
    about = abouts()["rlhf-v-1.4k"].model_dump(mode="json", exclude_unset=True)
    about["data"][0] |= {"hub": str(corrections_set(tmp_path / "set"))}
    settings = {"about": about, "model": str(tiny_llava), "pairs": "x", "epochs": 1}
    recipe.write_text(json.dumps(settings))
    words = ["recipes", "run", str(recipe), "batch_size=2", "--out", str(tmp_path / "run")]
    assert run([*words, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "step 1  groundtune import rlhf-v hub:" in shown
    assert f"step 2  groundtune train {recipe} batch_size=2 pairs=" in shown
    assert run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    assert (tmp_path / "run" / "train" / "model" / "adapter_config.json").exists()
    assert run([*words, "--json"]) == 0  # again: the data is there, and so is the model
    assert json.loads(capsys.readouterr().out)["steps"] == 2


def test_data_that_is_named_replaces_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "run", "rlhf-v-5.7k", "pairs=runs/mine", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "step 1  groundtune train rlhf-v-5.7k pairs=runs/mine --out" in shown
    assert "step 2" not in shown


def test_images_that_a_data_set_lacks_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "run", "ha-dpo-minigpt-4", "--dry-run"]) == EXIT_INPUT
    assert "Visual Genome" in capsys.readouterr().err
    words = ["recipes", "run", "ha-dpo-minigpt-4", "--images", "vg", "--dry-run"]
    assert run(words) == 0
    shown = capsys.readouterr().out
    assert shown.count("--images vg") == 2
    assert shown.count("--all-rows") == 1


@pytest.mark.parametrize(
    ("name", "first", "second", "weight"),
    [
        ("ha-dpo-llava-1.5-7b", "pope_data", "desc_data", 2),
        ("ha-dpo-instructblip-13b", "desc_data", "pope_data", 2),
    ],
)
def test_sources_with_a_weight_are_mixed(
    name: str, first: str, second: str, weight: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["recipes", "run", name, "--images", "vg", "--out", "there", "--dry-run", "--json"]
    assert run(words) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert len(steps) == 3
    assert f"pairs=there/data/{first}" in steps[2]
    given = [word for word in shlex.split(steps[2]) if word.startswith("mix=")]
    settings = load(RECIPES[name].path, given, TrainSettings)
    assert [(str(each.folder), each.weight) for each in settings.mix] == [
        (f"there/data/{second}", weight)
    ]


def test_what_a_recipe_says_of_itself_is_no_setting_and_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: x\npairs: y\nabout:\n  titel: mine\n")
    assert load(path, [], schema_of(path)).model_dump()["model"] == "x"
    with pytest.raises(UserError, match="about") as seen:
        about_of(path)
    assert seen.value.where.startswith(f"{path}:")


def test_the_pages_of_recipes_are_what_the_recipes_say() -> None:
    found = importlib.util.spec_from_file_location("page", ROOT / "tools/make_recipes_page.py")
    assert found is not None
    assert found.loader is not None
    maker = importlib.util.module_from_spec(found)
    found.loader.exec_module(maker)
    for page, text in (
        ("recipes.md", maker.page()),
        ("recipes-published.md", maker.published_page()),
    ):
        assert text == (ROOT / "docs" / page).read_text(), "run make generated"
