"""Log-probabilities of padded batches against one plain full forward pass a sequence."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from groundtune.engine.logprobs import token_logp
from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import Vlm, load

# (images, question, answers): one, two or no images; prompts and answers of many lengths
QUESTIONS = (
    (("red",), "Is there a dog?", ("Yes, there is.", "No.")),
    (("blue", "green"), "Describe the image. Look.", ("There is a red ball on the table.", "")),
    ((), "yes or no?", ("yes",)),
    (("white",), "How many cups are there?", ("two", "two green cups", "A bird \U0001f426.")),
)
TOLERANCE = 1e-5


class Images:
    def open(self, sha256: str) -> Image.Image:
        return (
            Image.radial_gradient("L").resize((20, 16)).convert("RGB").point(list(_curve(sha256)))
        )


def _curve(colour: str) -> list[int]:
    return [min(255, x + 13 * len(colour)) for x in range(256)] * 3


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


@pytest.fixture(scope="module")
def rows(vlm: Vlm) -> list[PromptRow]:
    found: list[PromptRow] = []
    for images, question, answers in QUESTIONS:
        parts = (*(ImagePart(image=name) for name in images), TextPart(text=question))
        prompt = Prompt(key=question, messages=(Message(role="user", content=parts),))
        found.append(
            PromptRow(
                encode_prompt(vlm, prompt, Images()),
                tuple(encode_answer(vlm, text) for text in answers),
            )
        )
    return found


def naive(vlm: Vlm, rows: list[PromptRow], shift: int = 1) -> list[list[Tensor]]:
    """One full, unpadded forward pass an answer, softmax over all positions."""
    found: list[list[Tensor]] = []
    for prompt, answers in rows:
        found.append([])
        for answer in answers:
            ids = torch.tensor([[*prompt.ids, *answer.ids]])
            logits = vlm.model(input_ids=ids, **prompt.features).logits[0].float()
            logp = logits.log_softmax(-1)
            at = torch.arange(len(prompt.ids), ids.shape[1])
            found[-1].append(logp[at - shift, ids[0, at]])
    return found


def largest_difference(one: list[list[Tensor]], other: list[list[Tensor]]) -> float:
    pairs = [
        (a, b)
        for mine, theirs in zip(one, other, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    ]
    assert all(a.shape == b.shape for a, b in pairs)
    return max(float((a - b).abs().max()) for a, b in pairs)


def test_a_padded_batch_equals_one_plain_pass_a_sequence(vlm: Vlm, rows: list[PromptRow]):
    with torch.no_grad():
        exact = naive(vlm, rows)
        assert largest_difference(separate(vlm, rows), exact) < TOLERANCE
        one_by_one = [separate(vlm, [row])[0] for row in rows]
        assert largest_difference(one_by_one, exact) < TOLERANCE
        reversed_rows = separate(vlm, rows[::-1])[::-1]
        assert largest_difference(reversed_rows, exact) < TOLERANCE


def test_the_same_comparison_catches_a_shift_by_one_and_a_wrong_image(
    vlm: Vlm, rows: list[PromptRow]
):
    with torch.no_grad():
        found = separate(vlm, rows)
        assert largest_difference(found, naive(vlm, rows, shift=0)) > 0.3
        other = [rows[0]._replace(prompt=replace(rows[0].prompt, features=rows[3].prompt.features))]
        assert largest_difference(separate(vlm, other), found[:1]) > 0.01


def test_images_encoded_once_a_prompt_give_the_values_and_gradients_of_pixels_repeated(
    vlm: Vlm, rows: list[PromptRow]
):
    def repeated() -> list[list[Tensor]]:
        return [
            [separate(vlm, [PromptRow(row.prompt, (answer,))])[0][0] for answer in row.answers]
            for row in rows
        ]

    gradients: list[list[Tensor]] = []
    for run in (lambda: separate(vlm, rows), repeated):
        vlm.model.zero_grad()
        torch.stack([each.sum() for own in run() for each in own]).sum().backward()
        gradients.append([p.grad.clone() for p in vlm.model.parameters() if p.grad is not None])
    vlm.model.zero_grad()
    assert len(gradients[0]) == len(gradients[1])
    for one, other in zip(*gradients, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * max(1.0, float(other.abs().max()))


def test_the_tower_sees_each_image_once(vlm: Vlm, rows: list[PromptRow]):
    images: list[int] = []
    tower = vlm.model.base_model.vision_tower
    hook = tower.register_forward_hook(lambda _, args, out: images.append(len(args[0])))
    with torch.no_grad():
        separate(vlm, rows)
    hook.remove()
    assert images == [4]  # not 8, though there are 8 answers


def test_log_probabilities_are_float32_and_sum_to_1_over_the_vocabulary_for_bfloat16_logits():
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(0)).bfloat16()
    logp = token_logp(logits.expand(50, 50), torch.arange(50))
    assert logp.dtype == torch.float32
    assert float(logp.exp().sum()) == pytest.approx(1, abs=1e-5)
