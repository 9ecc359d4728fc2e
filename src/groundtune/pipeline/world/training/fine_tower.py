"""A second vision tower, for a labeler that must see hard scenes better than what it checks.

The first tower reads each cell as one patch of 32 x 32 pixels, in one linear map: enough for large
objects in the middle of cells, too little for small ones that cross their borders. This one is a
SegFormer's encoder: overlapping patches every 4 pixels, merged three times into the nine cells.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from transformers import LlavaForConditionalGeneration, SegformerConfig, SegformerModel

from groundtune.pipeline.world.training.plans import FineTower, Plan
from groundtune.pipeline.world.training.schedule import Optimisers, Steps
from groundtune.pipeline.world.training.states import TrainingState
from groundtune.pipeline.world.training.tower import (
    fit_projector,
    images,
    label_heads,
    losses,
)
from groundtune.protocols import Progress
from groundtune.world.scenes import scenes


def with_fine_tower(
    model: LlavaForConditionalGeneration,
    plan: Plan,
    fine: FineTower,
    folder: Path,
    progress: Progress,
    stop: Callable[[], bool],
) -> LlavaForConditionalGeneration | None:
    """The model with a fine tower, trained or loaded from `folder`, and a projector that fits it.

    What the language model has learnt stays. None where the training stopped early.
    """
    torch.manual_seed(plan.seed)  # pyright: ignore[reportUnknownMemberType]
    config = deepcopy(model.config)
    config.vision_config = _config(plan)
    config.vision_feature_select_strategy = "full"
    seeing = LlavaForConditionalGeneration(config)
    seeing.generation_config = model.generation_config
    old, new = cast(Any, model.model), cast(Any, seeing.model)
    new.language_model.load_state_dict(old.language_model.state_dict())
    if not (folder / "state.pt").exists():
        if not train(new.vision_tower, plan, fine, folder / "tower.pt", progress, stop):
            return None
        fit_projector(seeing)
    return seeing


def train(
    tower: SegformerModel,
    plan: Plan,
    fine: FineTower,
    file: Path,
    progress: Progress,
    stop: Callable[[], bool],
) -> bool:
    """Trains in place, or loads what an earlier run left in `file`; False if it stopped early."""
    heads = label_heads(plan.tower_width)
    optimisers = Optimisers([tower, heads], learning_rate=fine.learning_rate)
    state = TrainingState(file, {"tower": tower, "heads": heads}, optimisers)
    first = state.load()
    steps = Steps("fine vision tower", fine.steps, plan.tower_batch, progress, first=first)
    for step in steps:
        start = step * plan.tower_batch + (plan.seed + 1) * 10_000_000
        difficulty = "clear" if step < fine.clear_steps else "hard"
        batch = images(list(scenes("train", plan.tower_batch, start=start, difficulty=difficulty)))
        parts = losses(tower, heads, batch)
        optimisers.step(torch.stack(list(parts.values())).sum(), steps.rate(step))
        steps.report(step, {name: float(value.detach()) for name, value in parts.items()})
        if state.save_where_due(step + 1, fine.steps, stop):
            return False
    return True


def _config(plan: Plan) -> SegformerConfig:
    """As wide as the first tower at its end; LLaVA asks a tower for its `hidden_size`."""
    width = plan.tower_width
    return SegformerConfig(
        num_encoder_blocks=4,
        depths=[1, 1, 1, 2],
        sr_ratios=[4, 2, 1, 1],
        hidden_sizes=[width // 12, width // 4, width * 2 // 3, width],
        num_attention_heads=[1, 2, 4, width // 32],
        mlp_ratios=[2, 2, 2, 3],
        patch_sizes=[7, 3, 3, 3],
        strides=[4, 2, 2, 2],
        drop_path_rate=0.0,
        reshape_last_stage=False,
        hidden_size=width,  # pyright: ignore[reportCallIssue]
    )
