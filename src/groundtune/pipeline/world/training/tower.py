"""First the vision tower: it learns what is in each cell, from dense labels.

A tower that is trained on classes alone washes out where things are, so the cell's own place is a
label too. How many objects of its category there are is another one: no patch can count alone, and
what the tower doesn't count the language model gets wrong.
Shapes: B images, N = 9 patches, D hidden size.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, SegformerModel

from groundtune.pipeline.world.training.schedule import Optimisers, Steps
from groundtune.train.precision import native_bf16
from groundtune.world.catalogue import BACKGROUNDS, CATEGORIES, COLOURS, CONTEXTS
from groundtune.world.render import render
from groundtune.world.scenes import NUMBER_CHANCES, Difficulty, Scene, scenes

Tower = CLIPVisionModel | SegformerModel

_CATEGORY = {name: i + 1 for i, name in enumerate(CATEGORIES)}
_COLOUR = {name: i + 1 for i, name in enumerate(COLOURS)}
_CONTEXT = {name: i for i, name in enumerate(CONTEXTS)}
_BACKGROUND = {name: i for i, name in enumerate(BACKGROUNDS)}

HEADS: dict[str, tuple[int, float]] = {
    "category": (len(_CATEGORY) + 1, 2.0),
    "colour": (len(_COLOUR) + 1, 1.0),
    "number": (len(NUMBER_CHANCES) + 1, 1.0),
    "context": (len(_CONTEXT), 0.3),
    "background": (len(_BACKGROUND), 0.3),
    "place": (9, 0.3),
}
"""Classes and weight in the loss of each label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchImages:
    """Pixels in [-1, 1] and a label a patch."""

    pixels_BCHW: Tensor
    labels_BN: dict[str, Tensor]


def pixels(scene: Scene) -> Tensor:
    """(3, 96, 96) in [-1, 1]: what the models' own image processor gives for the image."""
    image = torch.from_numpy(np.array(render(scene)))  # pyright: ignore[reportUnknownMemberType]
    return image.permute(2, 0, 1).float() / 127.5 - 1


def images(batch: list[Scene]) -> PatchImages:
    """The images of scenes with their dense labels."""
    labels = {name: np.zeros((len(batch), 9), dtype=np.int64) for name in HEADS}
    for i, scene in enumerate(batch):
        for thing in scene.things:
            for cell in thing.cells:
                labels["category"][i, cell] = _CATEGORY[thing.category]
                labels["colour"][i, cell] = _COLOUR.get(thing.colour, 0)
                labels["number"][i, cell] = thing.number
        labels["context"][i] = _CONTEXT[scene.context]
        labels["background"][i] = _BACKGROUND[scene.background]
        labels["place"][i] = np.arange(9)
    return PatchImages(
        pixels_BCHW=torch.stack([pixels(scene) for scene in batch]),
        labels_BN={name: torch.tensor(value) for name, value in labels.items()},
    )


def train_tower(tower: CLIPVisionModel, steps: Steps, seed: int) -> dict[str, float]:
    """Trains in place on clear scenes; the accuracy of each label on 512 held-back images."""
    heads = label_heads(int(tower.config.hidden_size))
    optimisers = Optimisers([tower, heads], learning_rate=1e-3, muon=False)
    for step in steps:
        start = step * steps.batch + seed * 10_000_000
        parts = losses(tower, heads, images(list(scenes("train", steps.batch, start=start))))
        optimisers.step(torch.stack(list(parts.values())).sum(), steps.rate(step))
        steps.report(step, {name: float(value.detach()) for name, value in parts.items()})
    return accuracy(tower, heads, "clear")


def label_heads(width: int) -> nn.ModuleDict:
    """A linear map from a cell's features to each label's classes."""
    return nn.ModuleDict({name: nn.Linear(width, classes) for name, (classes, _) in HEADS.items()})


def features(tower: Tower, pixels_BCHW: Tensor) -> Tensor:
    """(B, N, D): what a tower says of each cell, and the projector reads."""
    hidden = tower(pixels_BCHW).last_hidden_state
    return hidden[:, 1:] if isinstance(tower, CLIPVisionModel) else hidden


def losses(tower: Tower, heads: nn.ModuleDict, batch: PatchImages) -> dict[str, Tensor]:
    """The weighted cross-entropy of each label."""
    logits = _logits(tower, heads, batch)
    return {
        name: F.cross_entropy(logits[name].flatten(0, 1), label.flatten()) * HEADS[name][1]
        for name, label in batch.labels_BN.items()
    }


def _logits(tower: Tower, heads: nn.ModuleDict, batch: PatchImages) -> dict[str, Tensor]:
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16(torch.device("cpu"))):
        hidden_BND = features(tower, batch.pixels_BCHW)
        return {name: head(hidden_BND).float() for name, head in heads.items()}


@torch.no_grad()
def accuracy(tower: Tower, heads: nn.ModuleDict, difficulty: Difficulty) -> dict[str, float]:
    """Of each label on 512 images of the development split, and of cells with an object alone."""
    batch = images(list(scenes("development", 512, difficulty=difficulty)))
    logits = _logits(tower, heads, batch)
    full_BN = batch.labels_BN["category"] > 0
    right = {name: logits[name].argmax(-1) == label for name, label in batch.labels_BN.items()}
    report = {name: float(value.float().mean()) for name, value in right.items()}
    for name in ("category", "number"):
        report[f"{name} of an object"] = float(right[name][full_BN].float().mean())
    return report


@torch.no_grad()
def fit_projector(model: LlavaForConditionalGeneration) -> None:
    """Scales a projector's random weights to what comes out of the model's tower."""
    parts = cast(Any, model.model)
    batch = torch.stack([pixels(scene) for scene in scenes("train", 64)])
    hidden = features(parts.vision_tower, batch)
    projector = parts.multi_modal_projector
    for linear in (projector.linear_1, projector.linear_2):
        scale = float(hidden.pow(2).mean().sqrt()) * linear.in_features**0.5
        linear.weight.normal_(0, 1 / scale)
        linear.bias.zero_()
        hidden = projector.act(linear(hidden))
    words = float(cast(Any, model).get_input_embeddings().weight.std())
    projector.linear_2.weight.mul_(words)
