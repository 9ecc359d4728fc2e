"""PPO's value head: zeros, or the head of a reward model; refused where it doesn't fit."""

from pathlib import Path

import pytest
import torch

from groundtune.engine.engines import engine_of
from groundtune.engine.policy_values import PolicyValues
from groundtune.engine.rows import PromptRow
from groundtune.errors import UserError
from groundtune.pipeline.reward.accuracy import Accuracy
from groundtune.pipeline.reward.judging import JudgingSettings
from groundtune.pipeline.reward.spec import HEAD, NAME, Reading, RewardSpec, processor_hash
from groundtune.pipeline.rl.policy import engine, load_policy
from groundtune.train.checkpoint import head_bytes
from groundtune.train.reward_head import RewardHead
from groundtune.vlm.encode import encode_answer
from groundtune.vlm.encoded import EncodedPrompt
from rl_folder import recipe


def reward_model(folder: Path, width: int, processor: str) -> RewardHead:
    """Write the files of a reward model that its head needs; `processor` is its hash."""
    torch.manual_seed(0)
    head = RewardHead(width, "mlp2")
    reading = Reading(
        learn="answers", head="mlp2", readout="last", judging=JudgingSettings(), seed=0
    )
    spec = RewardSpec(
        reading=reading,
        width=width,
        model="m",
        revision="r",
        processor=processor,
        dtype="float32",
        accuracy=Accuracy(value=0.7, low=0.6, high=0.8, n=9),
        spread=1.0,
        probes=(),
    )
    folder.mkdir()
    (folder / NAME).write_text(spec.model_dump_json())
    (folder / f"{HEAD}.safetensors").write_bytes(head_bytes(head))
    return head


def test_values_begin_at_zero_or_as_a_reward_models(tiny_llava: Path, tmp_path: Path) -> None:
    plain = recipe(tiny_llava, tmp_path / "p", method={"type": "ppo"})
    vlm = load_policy(plain)
    width: int = vlm.model.config.get_text_config().hidden_size
    head = reward_model(tmp_path / "reward", width, processor_hash(vlm.processor))
    answers = tuple(encode_answer(vlm, text) for text in ("There is a dog.", "Yes"))
    prompt = EncodedPrompt(ids=encode_answer(vlm, "What is there?").ids[:-1], features={})
    rows = [PromptRow(prompt, answers)]
    with torch.no_grad():
        expected = engine_of(vlm)(vlm, rows)[0]
        zeros = engine(plain, vlm)(vlm, rows)[0]
        started = recipe(
            tiny_llava, tmp_path / "p", method={"type": "ppo"}, value_from=str(tmp_path / "reward")
        )
        own = engine(started, load_policy(started))
        values = own(vlm, rows)[0]
    assert isinstance(own, PolicyValues)
    for logp_T, zero_T2, value_T2 in zip(expected, zeros, values, strict=True):
        torch.testing.assert_close(zero_T2[:, 0], logp_T, atol=1e-5, rtol=0)
        assert zero_T2[:, 1].abs().max() == 0
        torch.testing.assert_close(value_T2[:, 0], logp_T, atol=1e-5, rtol=0)
        assert value_T2[:, 1].abs().min() > 0
    for name, weight in own.head.state_dict().items():
        assert torch.equal(weight, head.state_dict()[name])


def test_a_head_that_does_not_fit_is_refused(tiny_llava: Path, tmp_path: Path) -> None:
    reward_model(tmp_path / "other", 12, "another")
    settings = recipe(
        tiny_llava, tmp_path / "p", method={"type": "ppo"}, value_from=str(tmp_path / "other")
    )
    with pytest.raises(UserError, match="another processor than the policy's"):
        load_policy(settings)
    vlm = load_policy(settings.model_copy(update={"value_from": ""}))
    with pytest.raises(UserError, match="head doesn't fit the policy's states"):
        engine(settings, vlm)
    missing = settings.model_copy(update={"value_from": str(tmp_path)})
    with pytest.raises(UserError, match=r"reward\.json is missing"):
        engine(missing, vlm)
    with pytest.raises(ValueError, match=r"value_from needs method\.type=ppo"):
        recipe(tiny_llava, tmp_path / "p", value_from="x")
