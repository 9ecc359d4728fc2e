"""An object detector for the world: YOLOS, from nothing, on scenes and their boxes.

Fang et al., "You Only Look at One Sequence", 2021, arXiv 2106.00666. Published YOLOS matches its
detection tokens with objects anew at each step. Here token i always learns what is in cell i of the
image: a scene has at most one object per cell, and training takes minutes instead of days.
Shapes: B images, N = 9 cells, K classes and "nothing" last.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

from groundtune.pipeline.world.training.schedule import Optimisers, Steps
from groundtune.pipeline.world.training.states import TrainingState
from groundtune.pipeline.world.training.tower import pixels
from groundtune.protocols import Progress
from groundtune.records import Record
from groundtune.store.keys import key_of
from groundtune.store.lock import hold, one_writer
from groundtune.train.precision import native_bf16
from groundtune.world.catalogue import CATEGORIES
from groundtune.world.scenes import SIDE_PX, Difficulty, Scene, scenes

CELLS = 9
BOX_WEIGHT = 5.0
"""Weight of a box's L1 distance, as DETR's and YOLOS's."""
_CLASS = {name: i for i, name in enumerate(CATEGORIES)}
_NOTHING = len(_CLASS)


class DetectorPlan(Record):
    """How a detector is made; its hash names the state on the way."""

    seed: int = 0
    difficulty: Difficulty = "clear"
    steps: int = 1200
    decay: int = 1500
    """Steps over which the learning rate would fall to 0; the last ones add little."""
    batch: int = 64
    width: int = 128
    layers: int = 3
    learning_rate: float = 2e-3


class Targets(NamedTuple):
    """What is in each cell."""

    class_BN: Tensor
    box_BN4: Tensor
    """Middle, width and height, as shares of the image's side; 0 where nothing is."""


@one_writer()
def build_detector(
    plan: DetectorPlan,
    out: Path,
    states: Path,
    progress: Progress,
    *,
    threads: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Train a detector as planned and save it with its image processor to `out`.

    `states` holds the state of an interrupted training, from which a second call resumes. Where
    `stop` says so after a state is saved, it ends early, saves no model and returns None.

    Raises:
        UserError: another process trains the same detector, or the disk is full.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(plan.seed)  # pyright: ignore[reportUnknownMemberType]
    model = YolosForObjectDetection(_config(plan))
    folder = states / f"detector-{key_of(plan.model_dump())[:12]}"
    with hold(folder, option="--states"):
        if not _train(model, plan, folder / "state.pt", progress, stop):
            return None
    out.mkdir(parents=True, exist_ok=True)
    cast(Any, model).save_pretrained(out)
    cast(Any, _processor()).save_pretrained(out)
    return out


def targets(batch: list[Scene]) -> Targets:
    """Return what a detector should find in scenes."""
    classes = torch.full((len(batch), CELLS), _NOTHING)
    boxes = torch.zeros(len(batch), CELLS, 4)
    for i, scene in enumerate(batch):
        for thing in scene.things:
            for cell, box in zip(thing.cells, thing.boxes, strict=True):
                classes[i, cell] = _CLASS[thing.category]
                middle = [box.x + box.side / 2, box.y + box.side / 2]
                boxes[i, cell] = torch.tensor([*middle, box.side, box.side]) / SIDE_PX
    return Targets(classes, boxes)


def _train(
    model: YolosForObjectDetection,
    plan: DetectorPlan,
    file: Path,
    progress: Progress,
    stop: Callable[[], bool],
) -> bool:
    """Train in place, or load what an earlier run left; False where it stopped early."""
    optimisers = Optimisers([model], plan.learning_rate)
    state = TrainingState(file, {"model": model}, optimisers)
    first = state.load()
    steps = Steps("detector", plan.steps, plan.batch, progress, first=first)
    rates = Steps("detector", plan.decay, plan.batch, progress)
    model.train()
    for step in steps:
        start = step * plan.batch + plan.seed * 10_000_000
        batch = list(scenes("train", plan.batch, start=start, difficulty=plan.difficulty))
        losses = _losses(model, batch)
        optimisers.step(torch.stack(list(losses.values())).sum(), rates.rate(step))
        steps.report(step, {name: float(value.detach()) for name, value in losses.items()})
        if state.save_where_due(step + 1, plan.steps, stop):
            return False
    model.eval()
    return True


def _losses(model: YolosForObjectDetection, batch: list[Scene]) -> dict[str, Tensor]:
    target = targets(batch)
    pixels_BCHW = torch.stack([pixels(scene) for scene in batch])
    with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16(torch.device("cpu"))):
        output = cast(Any, model)(pixel_values=pixels_BCHW)
    logits_BNK, box_BN4 = output.logits.float(), output.pred_boxes.float()
    full_BN = target.class_BN != _NOTHING
    return {
        "class": F.cross_entropy(logits_BNK.flatten(0, 1), target.class_BN.flatten()),
        "box": BOX_WEIGHT * F.l1_loss(box_BN4[full_BN], target.box_BN4[full_BN]),
    }


def _config(plan: DetectorPlan) -> YolosConfig:
    return YolosConfig(
        image_size=[SIDE_PX, SIDE_PX],
        patch_size=16,
        hidden_size=plan.width,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.width // 32,
        intermediate_size=2 * plan.width,
        num_detection_tokens=CELLS,
        use_mid_position_embeddings=False,
        initializer_range=0.06,
        id2label=dict(enumerate(CATEGORIES)),
        label2id=_CLASS,
    )


def _processor() -> object:
    """Return the image processor: the whole image as 96 x 96 pixels in [-1, 1]."""
    return cast(Any, YolosImageProcessorPil)(
        size={"height": SIDE_PX, "width": SIDE_PX},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_pad=False,
    )
