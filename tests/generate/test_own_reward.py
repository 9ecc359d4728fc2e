from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from groundtune.generate.own_reward import OwnReward
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encode import encode_answer, encode_prompt
from groundtune.vlm.load import Vlm, load


class Images:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (20, 16), sha256)


def ask(text: str, image: str) -> Prompt:
    content = (ImagePart(image=image), TextPart(text=text))
    return Prompt(key=f"{text}{image}", messages=(Message(role="user", content=content),))


@pytest.fixture(scope="module")
def models(
    tiny_llava: Path, make_tiny_llava: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Vlm, Vlm]:
    other = make_tiny_llava(tmp_path_factory.mktemp("other"), seed=1)
    return load(str(tiny_llava)), load(str(other))


def log_likelihood(vlm: Vlm, prompt: Prompt, text: str) -> float:
    """By one plain forward pass, token for token."""
    encoded, answer = encode_prompt(vlm, prompt, Images()), encode_answer(vlm, text)
    with torch.no_grad():
        logits = vlm.model(**batch_inputs(vlm, [encoded], [answer.ids])).logits[0]
    logp = logits.float().log_softmax(-1)
    first = len(encoded.ids)
    return sum(float(logp[first + t - 1, token]) for t, token in enumerate(answer.ids))


def test_the_reward_is_the_mean_gain_in_log_likelihood_times_beta(models: tuple[Vlm, Vlm]):
    tuned, reference = models
    prompts = [ask("What is it?", "red"), ask("And now?", "blue"), ask("What is it?", "red")]
    answers = ["A red ball on the table.", "Two cups", ""]
    mean = OwnReward(tuned, reference, Images(), beta=0.5).reward(prompts, answers)
    total = OwnReward(tuned, reference, Images(), beta=0.5, normalise=0)
    for prompt, answer, own, whole in zip(
        prompts, answers, mean, total.reward(prompts, answers), strict=True
    ):
        gain = log_likelihood(tuned, prompt, answer) - log_likelihood(reference, prompt, answer)
        length = len(encode_answer(tuned, answer).ids)
        assert own == pytest.approx(0.5 * gain / length, abs=1e-4)
        assert whole == pytest.approx(0.5 * gain, abs=1e-3)
    between = OwnReward(tuned, reference, Images(), beta=0.5, normalise=0.25)
    for own, (gain, length) in zip(
        between.reward(prompts, answers), between.log_ratios(prompts, answers), strict=True
    ):
        assert own == pytest.approx(0.5 * gain / length**0.25)
    assert len({round(own, 6) for own in mean}) == 3


def test_a_model_gains_nothing_over_itself(models: tuple[Vlm, Vlm]):
    same = OwnReward(models[0], models[0], Images())
    assert same.reward([ask("What?", "red")], ["A dog."]) == [pytest.approx(0, abs=1e-6)]


def test_how_many_are_scored_at_once_changes_nothing(models: tuple[Vlm, Vlm]):
    prompts = [ask("What?", "red")] * 5
    answers = ["A dog.", "Two red cups.", "No", "The car is blue.", "yes"]
    by_two = OwnReward(*models, Images(), at_once=2).reward(prompts, answers)
    assert by_two == pytest.approx(OwnReward(*models, Images()).reward(prompts, answers), abs=1e-5)
