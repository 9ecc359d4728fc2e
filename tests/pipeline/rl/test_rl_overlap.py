"""Prompts of reinforcement learning about evaluation images are refused, whatever their format."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.pipeline.rl.prepare import (
    held_out_prompts,
    prepare_prompts,
    refuse_evaluation_images,
)
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.runs.overlap import training_images
from groundtune.protocols import SilentProgress
from groundtune.store.run_json import write_run


def noise(seed: int) -> Image.Image:
    """An image with structure, different for each seed."""
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((120, 120), Image.Resampling.BICUBIC)


def settings_of(prompts: Path, **changes: object) -> RLSettings:
    """The settings of a run about a file of prompts."""
    found: dict[str, object] = {
        "model": "world:base",
        "prompts": str(prompts),
        "images": str(prompts.parent),
        "held_out": 0,
    }
    return RLSettings.model_validate(found | changes)


def rl_prompts(folder: Path, *images: Image.Image) -> Path:
    """A file of prompts about images."""
    folder.mkdir()
    rows: list[str] = []
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
        rows.append(json.dumps({"question": f"What is {number}?", "image": f"{number}.png"}))
    (folder / "prompts.jsonl").write_text("".join(f"{row}\n" for row in rows))
    return folder / "prompts.jsonl"


@pytest.mark.parametrize("where", ["held out", "an evaluation"])
def test_reinforcement_learning_refuses_images_that_look_like_evaluated_ones(
    where: str, tmp_path: Path
) -> None:
    asked = [noise(number) for number in range(8)]
    smaller = asked[3].resize((80, 80))  # other bytes, the same image
    evaluation = tmp_path / "evaluation"
    prepare_prompts(settings_of(rl_prompts(tmp_path / "e", smaller)), evaluation, SilentProgress())
    named = where == "an evaluation"
    prompts = rl_prompts(tmp_path / "asked", *asked, *([] if named else [smaller]))
    out = tmp_path / "out"
    settings = settings_of(prompts, evaluations=[str(evaluation)] if named else [])
    prepare_prompts(settings, out, SilentProgress())
    if not named:  # one of the two that look alike is held out
        held = [p for p in RunFolder(out).prompts.read() if p.question == "What is 8?"]
        held_out_prompts(out).add(held)
        kept = [p for p in RunFolder(out).prompts.read() if p.question != "What is 8?"]
        RunFolder(out).prompts.replace(kept)
    for _ in range(2):  # a second time as well
        with pytest.raises(UserError, match=r"1 of 1 .* \(0 equal, 1 look alike\)"):
            refuse_evaluation_images(settings, out)
    allowed = settings.model_copy(update={"allow_evaluation_images": True})
    refuse_evaluation_images(allowed, out)


def test_images_of_reinforcement_learning_are_found_from_its_model(tmp_path: Path) -> None:
    prompts = rl_prompts(tmp_path / "asked", *(noise(number) for number in range(3)))
    out = tmp_path / "out"
    settings = settings_of(prompts)
    prepare_prompts(settings, out, SilentProgress())
    write_run(out, settings.model_dump(mode="json"), {}, {}, [])
    (out / "model").mkdir()
    [used] = training_images([str(out / "model")])
    assert len(used.hashes) == 3
