"""A model that computes NaN or infinity: what it draws, says and rewards is no result."""

import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import NotFiniteError
from groundtune.generate import decode
from groundtune.generate.hf import HfGenerator
from groundtune.generate.own_reward import OwnReward
from groundtune.generate.yes_no import check_labeler
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.serve.local import LocalBackend
from groundtune.serve.speaker import VlmSpeaker
from groundtune.serve.thread import ModelThread
from groundtune.vlm.load import Vlm, load
from running_server import HTTP, body, data_url, png, service_of, serving


class Red:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (20, 16), "red")


CONTENT = (ImagePart(image="red"), TextPart(text="Is it red?"))
PROMPT = Prompt(key="p", messages=(Message(role="user", content=CONTENT),))
COLD, WARM = Sampling(temperature=0, max_new_tokens=4), Sampling(max_new_tokens=4, top_k=5)


def broken(folder: Path, value: float) -> Vlm:
    """A model one of whose logits has this value, as after an overflow in float16."""
    vlm = load(str(folder))
    with torch.no_grad():
        vlm.model.lm_head.weight[5] = value
    return vlm


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("sampling", [COLD, WARM])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nothing_is_drawn_from_logits_that_are_no_numbers(
    tiny_llava: Path,
    value: float,
    sampling: Sampling,
    shared: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(decode, "shares_prompts", lambda vlm: shared)
    generator = HfGenerator(broken(tiny_llava, value), Red())
    with pytest.raises(NotFiniteError, match="next-token probabilities are not numbers") as raised:
        generator.generate([PROMPT], sampling, [1])
    assert raised.value.where == str(tiny_llava)
    assert "dtype=float32" in raised.value.fix


def test_one_impossible_token_is_no_fault(tiny_llava: Path):
    vlm = load(str(tiny_llava))
    wanted = HfGenerator(vlm, Red()).generate([PROMPT], COLD, [1])
    vlm.model.lm_head.register_forward_hook(
        lambda module, given, logits: logits.index_fill(-1, torch.tensor([5]), -math.inf)
    )
    assert HfGenerator(vlm, Red()).generate([PROMPT], COLD, [1]) == wanted


def test_a_labeler_whose_probabilities_are_no_numbers_fails_its_control_question(tiny_llava: Path):
    labeler = HfGenerator(broken(tiny_llava, math.nan), Red())
    with pytest.raises(NotFiniteError, match="probabilities of yes and no are not numbers"):
        check_labeler(labeler, "red", "mine")


def test_a_reward_of_a_broken_model_is_no_number(tiny_llava: Path):
    rewarder = OwnReward(broken(tiny_llava, math.nan), load(str(tiny_llava)), Red())
    (ratio,) = rewarder.log_ratios([PROMPT], ["yes"])
    assert ratio.finite is None
    assert math.isnan(rewarder.reward([PROMPT], ["yes"])[0])


def test_sample_ends_without_an_answer(
    tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    vlm = broken(tiny_llava, math.nan)
    vlm.model.save_pretrained(tmp_path / "model")
    vlm.processor.save_pretrained(tmp_path / "model")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (20, 16), "red").save(tmp_path / "images/a.png")
    asked = ["--images", str(tmp_path / "images"), "--ask", "What is it?", "--n", "1"]
    model = ["--model", str(tmp_path / "model")]
    assert run(["sample", *model, *asked, "--out", str(tmp_path / "o")]) == EXIT_INPUT
    assert "next-token probabilities are not numbers" in capsys.readouterr().err
    assert not RunFolder(tmp_path / "o").answers.read()


@pytest.mark.parametrize("stream", [True, False])
def test_the_server_says_that_the_fault_is_its_own(tiny_llava: Path, stream: bool):
    service = service_of()
    speaker = VlmSpeaker(broken(tiny_llava, math.nan), service.images)
    service.backend = LocalBackend(speaker, ModelThread())
    with serving(service) as base:
        asked = body("What?", data_url(png()), stream=stream)
        reply = HTTP.post(f"{base}/v1/chat/completions", json=asked)
    assert "next-token probabilities are not numbers" in reply.text
    assert "model_not_finite" in reply.text
    assert stream or reply.status_code == 500
