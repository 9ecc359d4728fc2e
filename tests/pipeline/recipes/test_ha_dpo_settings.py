"""HA-DPO's three recipes have the paper's and its code's values (arXiv 2311.16839)."""

import pytest

from groundtune.pipeline.recipes.about import about_of
from groundtune.pipeline.recipes.registry import shipped
from groundtune.pipeline.train.settings import TrainSettings
from groundtune.recipe_loading import load

RECIPES = {recipe.name: recipe for recipe in shipped()}
QKV = ["q_proj", "k_proj", "v_proj"]

# lr, share of warm-up steps, pairs a step, steps or epochs, LoRA rank, alpha and layers, gamma
SETTINGS = {
    "ha-dpo-minigpt-4": (1e-4, 100 / 1000, 1 * 4 * 8, ("max_steps", 1000), 64, 16, QKV, 0.5),
    "ha-dpo-instructblip-13b": (4e-6, 0, 1 * 4 * 8, ("epochs", 1), 64, 16, QKV, 0),
    "ha-dpo-llava-1.5-7b": (2e-6, 0, 16 * 1 * 8, ("epochs", 1), 128, 256, [], 0),
}

# precision and recall of POPE's random, popular and adversarial questions, before and after
POPE = {
    "ha-dpo-minigpt-4": [
        (50.57, 99.80, 92.81, 78.33),
        (50.74, 99.53, 80.20, 78.33),
        (50.64, 99.66, 74.36, 78.33),
    ],
    "ha-dpo-instructblip-13b": [
        (85.03, 93.93, 93.07, 86.06),
        (75.06, 93.93, 85.55, 86.06),
        (67.64, 93.93, 77.72, 86.06),
    ],
    "ha-dpo-llava-1.5-7b": [
        (88.77, 90.66, 92.99, 87.66),
        (83.23, 90.66, 88.07, 87.66),
        (74.43, 90.66, 77.99, 87.66),
    ],
}
README_SLIP = 67.72
"""MiniGPT-4's popular questions before: precision and recall give 67.21."""
OTHER = {
    "ha-dpo-minigpt-4": {"shr": (47.3, 44.4), "mme": (932.0, 1326.46)},
    "ha-dpo-instructblip-13b": {"shr": (51.2, 49.1)},
    "ha-dpo-llava-1.5-7b": {"shr": (36.7, 34.0)},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_training_has_the_published_values(name: str) -> None:
    lr, warmup, pairs, (length, value), rank, alpha, layers, gamma = SETTINGS[name]
    settings = load(RECIPES[name].path, [], TrainSettings).model_dump()
    optim, tune, method = settings["optim"], settings["tune"], settings["method"]
    assert (optim["lr"], optim["warmup"], optim["schedule"]) == (lr, warmup, "cosine")
    assert (optim["weight_decay"], optim["clip"]) == (0, 1)
    assert (settings["batch_size"], settings["seed"], settings["dtype"]) == (pairs, 42, "bfloat16")
    assert settings[length] == value
    assert (tune["type"], tune["r"], tune["alpha"], tune["dropout"]) == ("lora", rank, alpha, 0)
    assert list(tune["layers"]) == layers
    assert (method["type"], method["beta"], method["gamma"]) == ("ha_dpo", 0.1, gamma)
    assert bool(settings["anchor"]) == bool(gamma)


@pytest.mark.parametrize("name", SETTINGS)
def test_figures_are_those_of_the_readme_whose_f1_follows_from_precision_and_recall(
    name: str,
) -> None:
    about = about_of(RECIPES[name].path)
    assert about is not None
    pope = [figure for figure in about.expected if figure.benchmark == "pope"]
    for figure, (*before, precision, recall) in zip(pope, POPE[name], strict=True):
        if figure.base != README_SLIP:
            assert figure.base == pytest.approx(_f1(*before), abs=0.06)
        assert figure.value == pytest.approx(_f1(precision, recall), abs=0.06)
    other = {e.benchmark: (e.base, e.value) for e in about.expected if e.benchmark != "pope"}
    assert other == OTHER[name]


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall)
