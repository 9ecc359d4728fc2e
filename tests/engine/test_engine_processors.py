"""Saved families, loaded with their real processors and without torchvision, are exact."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import tiny_newer_families
from groundtune.engine.engines import engine_of
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.family import families, family_of_type
from groundtune.vlm.load import Vlm, load
from tiny_families import ALONE, PACKED, built, plain
from tiny_processors import PROCESSORS, WITH_PACKAGES, instructblip, paligemma, saved


class Images:
    """Images that are named by their size."""

    def open(self, sha256: str) -> Image.Image:
        width, height = map(int, sha256.split("x"))
        gradient = Image.radial_gradient("L").resize((width, height))
        turned = gradient.transpose(Image.Transpose.ROTATE_180)
        return Image.merge("RGB", (gradient, turned, gradient))


def asked(vlm: Vlm, text: str, *images: str) -> EncodedPrompt:
    parts = (*(ImagePart(image=name) for name in images), TextPart(text=text))
    prompt = Prompt(key=text, messages=(Message(role="user", content=parts),))
    return encode_prompt(vlm, prompt, Images())


@pytest.mark.parametrize("make", [*PROCESSORS, *WITH_PACKAGES], ids=lambda make: make.__name__)
def test_a_saved_family_is_loaded_and_what_its_processor_makes_of_images_is_run_exactly(
    make: Callable[[], Any], tmp_path: Path
):
    for package in family_of_type(make.__name__).packages:
        pytest.importorskip(package)
    vlm = load(saved(make, tmp_path))
    answers = (encode_answer(vlm, "A dog."), encode_answer(vlm, "No, two green cups."))
    prompts = [asked(vlm, "Is there a dog?", "40x20")]
    if make is not instructblip:  # one image per prompt
        prompts.append(asked(vlm, "Which of the two is red?", "20x20", "16x40"))
        assert prompts[-1].images == ("20x20", "16x40")
    engine = engine_of(vlm)
    with torch.no_grad():
        for row in [PromptRow(prompt, answers) for prompt in prompts]:
            for each, logp in zip(row.answers, engine(vlm, [row])[0], strict=True):
                assert float((logp - plain(vlm, row, each.ids)).abs().max()) < 1e-5
        if make not in (instructblip, paligemma):  # they need images
            row = PromptRow(asked(vlm, "Hello."), answers)
            for each, logp in zip(row.answers, engine(vlm, [row])[0], strict=True):
                assert float((logp - plain(vlm, row, each.ids)).abs().max()) < 1e-5


@pytest.mark.parametrize("images", [(), ("20x20", "16x40")])
def test_instructblip_names_a_prompt_without_exactly_one_image(
    images: tuple[str, ...], tmp_path: Path
):
    vlm = load(saved(instructblip, tmp_path))
    with pytest.raises(UserError, match=f"exactly one image per prompt.*has {len(images)}") as seen:
        asked(vlm, "Which?", *images)
    assert seen.value.where == "prompt Which?"


@pytest.mark.parametrize("kind", ["smolvlm", "lfm2_vl", "kimi_k25", "mistral3"])
def test_the_packages_that_a_processor_needs_are_named(kind: str, tmp_path: Path):
    if importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is installed")
    build = next(each for each in (*PACKED, *ALONE) if each.__name__ == kind)
    built(build)[0].model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"processor of .* needs .*torchvision") as seen:
        load(str(tmp_path))
    assert seen.value.fix.startswith("Run pip install ")


def test_every_listed_family_but_the_newer_ones_is_saved_and_loaded_in_these_tests():
    made = {make.__name__ for make in (*PROCESSORS, *WITH_PACKAGES)}
    newer = {build.__name__ for build in (*tiny_newer_families.PACKED, *tiny_newer_families.ALONE)}
    assert made | newer == {kind for family in families() for kind in family.model_types}
