"""A labeler that is the policy before training has its weights, and says the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from groundtune.errors import UserError
from groundtune.feedback.conquer import question_prompt
from groundtune.pipeline.feedback.claim_settings import models_here, open_labelling, with_self
from groundtune.pipeline.feedback.claims import Labelling
from groundtune.pipeline.models.names import resolve
from groundtune.pipeline.models.prompt_sources import requested
from groundtune.pipeline.reward.accuracy import Accuracy
from groundtune.pipeline.reward.judging import JudgingSettings
from groundtune.pipeline.reward.spec import HEAD, NAME, Reading, RewardSpec, processor_hash
from groundtune.pipeline.rl.labeler import labelling_on
from groundtune.pipeline.rl.memory import (
    LoadedModel,
    line_of,
    measured,
    noted_line,
    why_no_base,
)
from groundtune.pipeline.rl.plan import plan_rl
from groundtune.pipeline.rl.policy import LoadedModels, load_models, tuned
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Prompt
from groundtune.store.json_writing import json_of
from groundtune.train.checkpoint import head_bytes, write_model
from groundtune.train.log import read_log
from groundtune.train.reward_head import RewardHead
from groundtune.train.tune import Lora, apply
from groundtune.vlm.load import load
from rl_folder import Killed, Letters

BASE = "world:base"
LORA = {"type": "lora", "r": 4, "dropout": 0.0}
NO_KL = {"type": "rloo", "kl": {"coefficient": 0}}


def settings_of(**changes: Any) -> RLSettings:
    feedback = {"labeler": "self", "divider": "world", **changes.pop("feedback", {})}
    settings: dict[str, object] = {
        "model": BASE,
        "prompts": "world:4",
        "device": "cpu",
        "n": 2,
        "prompts_per_step": 2,
        "steps": 2,
        "sampling": {"max_new_tokens": 48},
        "rewards": {"more": {}},
        "tune": LORA,
        "held_out": 0,
        "eval_every": 0,
        "save_every": 1,
        "feedback": feedback,
    }
    return RLSettings.model_validate(settings | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Prompts about four scenes."""
    folder = RunFolder(tmp_path_factory.mktemp("asked"))
    request = requested("world:4")
    assert request is not None
    make = request.source.prompts
    folder.prompts.add(make(folder.images, 4, SilentProgress(), part="learning", seed=0))
    return folder


def questions(folder: RunFolder) -> list[Prompt]:
    """Questions of which several are about the first image and one about each other."""
    first, *others = folder.prompts.read()
    words = ("red circle", "blue square", "table", "green triangle", "small cup")
    asked = [question_prompt(first, f"Is there a {word}? Answer yes or no.") for word in words]
    return asked + [question_prompt(each, "Is there a red circle?") for each in others]


def said(labelling: Labelling, folder: RunFolder) -> list[float]:
    return [reply.p_yes for reply in labelling.labeler.yes_no(questions(folder))]


@contextmanager
def opened(
    settings: RLSettings, folder: RunFolder
) -> Iterator[tuple[LoadedModels, Labelling, dict[str, LoadedModel]]]:
    models = load_models(settings, folder.path, {})
    feedback = with_self(settings.feedback, settings.model)
    with labelling_on(models.base, feedback, folder) as (labelling, checkers):
        yield models, labelling, checkers


@pytest.mark.parametrize("tune", [LORA, {"type": "full"}])
def test_verdicts_are_those_of_a_model_of_its_own_also_while_the_policy_learns(
    tune: dict[str, object], folder: RunFolder
) -> None:
    settings = settings_of(tune=tune)
    alone = with_self(settings.feedback, settings.model)
    with open_labelling(alone, folder, answered=False) as labelling:
        expected, by = said(labelling, folder), labelling.by
    assert len(set(expected)) > 3
    with opened(settings, folder) as (models, labelling, checkers):
        base = models.frozen or models.policy
        [module] = checkers["labeler"].modules
        places = {id(weight) for weight in base.model.parameters()}
        assert {id(weight) for weight in module.parameters()} == places
        assert labelling.by == by  # the keys of claims are the same
        assert said(labelling, folder) == pytest.approx(expected, abs=1e-5)
        policy = tuned(settings, models.policy).model
        trained = [weight for weight in policy.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=0.1)
        for _ in range(2):
            for weight in trained:
                weight.grad = torch.randn_like(weight)
            optimizer.step()
            assert said(labelling, folder) == pytest.approx(expected, abs=1e-5)


def adapter_of(folder: Path, size: float) -> Path:
    """Write a LoRA of the base that changes its answers a little."""
    vlm = load(resolve("world:base"), device="cpu")
    vlm.model = apply(vlm.model, Lora(r=2, dropout=0.0))
    torch.manual_seed(0)
    for weight in vlm.model.parameters():
        if weight.requires_grad:
            weight.data += size * torch.randn_like(weight)
    write_model(vlm, folder, {})
    return folder


def test_a_labeler_that_is_an_adapter_on_the_policys_base_shares_it(
    folder: RunFolder, tmp_path: Path
) -> None:
    adapter = adapter_of(tmp_path / "labeler", 0.02)
    settings = settings_of(feedback={"labeler": str(adapter)})
    with open_labelling(settings.feedback, folder, answered=False) as labelling:
        expected, by = said(labelling, folder), labelling.by
    with opened(settings, folder) as (_, labelling, checkers):
        assert checkers["labeler"].why == ""
        assert labelling.by == by
        assert said(labelling, folder) == pytest.approx(expected, abs=1e-5)
    with opened(settings_of(), folder) as (_, labelling, _):
        assert said(labelling, folder) != pytest.approx(expected, abs=1e-3)
    file = load_file(adapter / "adapter_model.safetensors")
    size = 4e-6 * sum(weight.numel() for weight in file.values())
    assert f", labeler +{size:.1f} MB" in plan_rl(settings, SilentProgress()).models


def test_a_base_is_shared_only_where_it_is_the_same_and_stays(folder: RunFolder) -> None:
    def why(**changes: object) -> str:
        settings = settings_of(**changes)
        with opened(settings, folder) as (models, _, checkers):
            [(module,), reason] = checkers["labeler"]
            base = models.frozen or models.policy
            places = {weight.data_ptr() for weight in base.model.parameters()}
            used = {weight.data_ptr() for weight in module.parameters()}
        assert places.isdisjoint(used) == bool(reason)
        return reason

    assert why() == ""
    assert why(feedback={"labeler": resolve("world:base")}) == ""
    assert why(tune={"type": "full"}, method=NO_KL) == "all weights of the policy are trained"
    assert why(feedback={"dtype": "bfloat16"}) == "its weights are bfloat16, the policy's float32"
    assert why(dtype="bfloat16") == "its weights are float32, the policy's bfloat16"
    other = f"it has other weights than the policy's base, {resolve('world:labeler')}"
    assert why(feedback={"labeler": "world:labeler"}) == other
    quantised = settings_of(tune={"type": "qlora", "dropout": 0.0})
    assert why_no_base(quantised) == "the policy's weights are in 4 bits"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, ", on its base reference +0.0 MB, labeler +0.0 MB"),
        ({"tune": {"type": "full"}}, "are trained), on its base labeler +0.0 MB"),
        ({"feedback": {"labeler": "world:labeler"}}, "MB (it has other weights than"),
        ({"feedback": {"labeler": "detector:world:detector"}}, "MB (it is an object detector)"),
        ({"feedback": {"labeler": "world:truth"}}, ""),
    ],
)
def test_plan_and_record_say_whose_base_the_labeler_has(
    changes: dict[str, object], shown: str, tmp_path: Path
) -> None:
    settings = settings_of(**changes, steps=1)
    plan = plan_rl(settings, SilentProgress())
    more = settings.rewards.model_copy(update={"more": {"letters": 0.1}})
    run = settings.model_copy(update={"rewards": more})
    rl(run, tmp_path, SilentProgress(), rewarders={"letters": Letters()})
    assert plan.models == noted_line(tmp_path)
    assert ("labeler" in plan.models) == bool(shown)
    assert shown in plan.models


def reward_of(folder: Path, learn: Literal["answers", "words"]) -> Path:
    """Write a reward model that learnt nothing."""
    vlm = load(resolve(BASE), device="cpu")
    spec = RewardSpec(
        reading=Reading(
            learn=learn, head="linear", readout="mean", judging=JudgingSettings(), seed=0
        ),
        width=vlm.model.config.get_text_config().hidden_size,
        model=vlm.name,
        revision=vlm.revision,
        processor=processor_hash(vlm.processor),
        dtype="float32",
        accuracy=Accuracy(value=0.7, low=0.6, high=0.8, n=100),
        spread=1.0,
        probes=(),
    )
    head = head_bytes(RewardHead(spec.width, "linear"))
    vlm.model = apply(vlm.model, Lora(r=2, dropout=0.0))
    write_model(vlm, folder, {NAME: json_of(spec).encode(), f"{HEAD}.safetensors": head})
    return folder


def test_a_labeler_that_marks_words_has_weights_of_its_own_and_one_that_only_scores_is_refused(
    folder: RunFolder, tmp_path: Path
) -> None:
    words = settings_of(feedback={"labeler": str(reward_of(tmp_path / "words", "words"))})
    plan = plan_rl(words, SilentProgress())
    with opened(words, folder) as (models, _, checkers):
        loaded = measured(words, models.policy, None, {}, checkers)
    assert loaded[-1].why == "it is a token-level reward model"
    assert plan.models.endswith(line_of(loaded[-1:]))
    scores = settings_of(feedback={"labeler": str(reward_of(tmp_path / "scores", "answers"))})
    with pytest.raises(UserError, match="scores answers and gives none"):
        plan_rl(scores, SilentProgress())
    with pytest.raises(UserError, match="scores answers and gives none"), opened(scores, folder):
        pass


def test_a_plan_counts_a_labeler_with_a_base_of_its_own() -> None:
    shared = plan_rl(settings_of(), SilentProgress())
    own = plan_rl(settings_of(feedback={"labeler": "world:labeler"}), SilentProgress())
    labeler = load(resolve("world:labeler"), device="cpu").model
    size = sum(weight.numel() for weight in labeler.parameters())
    assert own.weights - shared.weights == size
    assert (own.memory_gb - shared.memory_gb) * 1e9 == pytest.approx(4 * size, abs=1.1e6)


def test_a_stopped_run_resumes_with_a_shared_base(tmp_path: Path) -> None:
    settings = settings_of(rewards={"more": {"letters": 0.1}}, optim={"lr": 1e-3})

    def lines(out: Path) -> list[dict[str, Any]]:
        rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
        log = read_log(out / "log.jsonl")
        return [{k: v for k, v in line.items() if not k.startswith("second")} for line in log]

    out, whole = tmp_path / "out", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        rl(settings, out, SilentProgress(), rewarders={"letters": Killed(1)})
    assert lines(out) == lines(whole)
    name = "adapter_model.safetensors"
    stopped, expected = (load_file(path / "model" / name) for path in (out, whole))
    assert all(torch.equal(weight, expected[key]) for key, weight in stopped.items())
    assert ", labeler +0.0 MB" in noted_line(out)


def test_models_that_check_claims_elsewhere_are_not_in_memory() -> None:
    def here(**changes: object) -> dict[str, str]:
        return models_here(settings_of(feedback=changes).feedback)

    asked = "openai:m@http://127.0.0.1:1/v1"
    assert here() == {"self": "labeler"}
    assert here(divider="self") == {"self": "labeler"}
    assert here(labeler=asked) == {}
    assert here(labeler=asked, divider="self") == {"self": "divider"}
    assert here(labeler="annotations:x", reader="self") == {"self": "reader"}
    assert here(labeler="world:truth", reader="self") == {}
    assert here(engine={"type": "ray"}) == {}
