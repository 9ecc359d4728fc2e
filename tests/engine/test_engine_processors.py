"""From images and text through the families' real processors to packed rows, exact."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import GenerationConfig

from groundtune.engine.packed import packed
from groundtune.engine.rows import PromptRow
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.encoded import EncodedPrompt
from groundtune.vlm.load import Vlm, load
from tiny_families import answer, plain
from tiny_processors import PROCESSORS, qwen2_5_vl, with_model


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


@pytest.mark.parametrize("make", PROCESSORS, ids=lambda make: make.__name__)
def test_what_a_real_processor_makes_of_images_is_run_packed_as_in_plain_passes(
    make: Callable[[], Any],
):
    model, processor = with_model(make)
    vlm = Vlm(model=model, processor=processor, name="", revision="", device=torch.device("cpu"))
    answers = (answer(30, 31, 2), answer(40, 41, 42, 2))
    rows = [
        PromptRow(asked(vlm, "Is there a dog?", "40x20"), answers),
        PromptRow(asked(vlm, "Which of the two is red?", "20x20", "16x40"), answers[::-1]),
        PromptRow(asked(vlm, "Hello."), answers),
    ]
    assert rows[1].prompt.images == ("20x20", "16x40")
    with torch.no_grad():
        for row, scored in zip(rows, packed(vlm, rows), strict=True):
            for each, logp in zip(row.answers, scored, strict=True):
                assert float((logp - plain(vlm, row, each.ids)).abs().max()) < 1e-5


def test_a_folder_whose_processor_also_reads_videos_is_loaded_without_torchvision(tmp_path: Path):
    model, processor = with_model(qwen2_5_vl)
    model.generation_config = GenerationConfig(eos_token_id=2)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    vlm = load(str(tmp_path))
    rows = [
        PromptRow(asked(vlm, "What is it?", "40x20"), (encode_answer(vlm, "A dog."),)),
    ]
    with torch.no_grad():
        found = packed(vlm, rows)[0][0]
        assert float((found - plain(vlm, rows[0], rows[0].answers[0].ids)).abs().max()) < 1e-5
