"""Settings of a model's revision: where they are read, and where they are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.align.settings import AlignSettings
from groundtune.pipeline.bench.reward import open_reward
from groundtune.pipeline.models.names import load_vlm, refuse_same, revision_of
from groundtune.pipeline.models.settings import ModelSettings
from groundtune.pipeline.plan.run import known
from groundtune.pipeline.reward.sharing import Base
from groundtune.pipeline.rewrite.editors import open_editor
from groundtune.pipeline.rewrite.settings import RewriteSettings
from groundtune.pipeline.rl.labeler import why_apart
from groundtune.pipeline.rl.prepare import with_claims_of_source
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.train.run import load_to_train
from groundtune.pipeline.train.settings import OneRun
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, Producer
from groundtune.serve.wire import ServeSettings, open_service
from groundtune.store.images import ImageStore
from groundtune.train.checkpoint import write_model
from groundtune.train.tune import Lora, apply
from hub_models import NAME, NEW, OLD


def test_a_model_of_the_same_name_has_the_same_revision(hub: str) -> None:
    settings = ModelSettings(model=hub, revision="v1", adapter="there")
    reference = settings.of(hub)
    assert (reference.revision, reference.adapter) == ("v1", "")
    assert (revision_of(reference), load_vlm(reference).revision) == (OLD, OLD)
    assert settings.of("owner/other").revision == "main"
    with pytest.raises(UserError, match="reference is the tuned model itself"):
        refuse_same(reference, reference.of(hub))


def test_two_revisions_are_two_models(hub: str) -> None:
    both = ModelSettings(model=hub), ModelSettings(model=hub, revision="v1")
    assert refuse_same(*both) == (NEW, OLD)


def test_a_model_on_the_hub_is_loaded_to_train(hub: str) -> None:
    settings = OneRun.model_validate({"model": hub, "tune": {"type": "full"}, "device": "cpu"})
    assert load_to_train(settings).revision == NEW


def test_an_adapter_names_the_commit_of_its_base_and_stays_on_it_when_the_hub_moves_on(
    hub: str, tmp_path: Path
) -> None:
    vlm = load_vlm(ModelSettings(model=hub, device="cpu"))
    vlm.model = apply(vlm.model, Lora(r=2))
    write_model(vlm, tmp_path / "tuned")
    (tmp_path / "hub/models--owner--tiny/refs/main").write_text(OLD)
    assert load_vlm(ModelSettings(model=hub)).revision == OLD
    assert load_vlm(ModelSettings(model=str(tmp_path / "tuned"))).revision.startswith(NEW)


@pytest.mark.parametrize("model", [NAME, "world:base"])
def test_rl_refuses_a_revision(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["rl", "world-rl", "--model", model, "revision=v1", "--out", str(tmp_path / "out")]
    assert run(argv) == EXIT_INPUT
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert "The revision v1 can't be trained" in lines[0]
    assert not (tmp_path / "out").exists()


def test_training_has_no_revision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "world-ddpo", "--pairs", str(tmp_path), "revision=v1", "--out", "out"]
    assert run(argv) == EXIT_INPUT
    assert "revision" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["world:base", "FOLDER"])
def test_sampling_refuses_a_revision_of_a_folder(
    model: str, tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = model.replace("FOLDER", str(tiny_llava))
    argv = ["sample", "--model", name, "--prompts", "world:2", "--revision", "v1"]
    assert run([*argv, "--out", str(tmp_path / "out")]) == EXIT_INPUT
    assert "A folder has no revision v1" in capsys.readouterr().err


def test_endpoints_and_rewards_refuse_a_revision(tmp_path: Path) -> None:
    served = {"model": "openai:m@http://127.0.0.1:9/v1", "revision": "v1"}
    with pytest.raises(UserError, match="An endpoint takes no revision"):
        open_service(ServeSettings.model_validate(served), SilentProgress())
    reward = ModelSettings(model="reward:letters", revision="v1")
    with pytest.raises(UserError, match="A reward takes no adapter and no revision"):
        open_reward(reward, ImageStore(tmp_path))


@pytest.mark.parametrize("role", ["labeler", "divider", "reader"])
def test_rounds_refuse_the_bare_name_of_a_model_with_a_revision(role: str) -> None:
    settings: dict[str, Any] = {"model": NAME, "prompts": "world:4", "feedback": {role: NAME}}
    assert AlignSettings.model_validate(settings).first == NAME
    with pytest.raises(ValueError, match="would not be the revision v1"):
        AlignSettings.model_validate({**settings, "revision": "v1"})


def answers_of(folder: RunFolder, revision: str) -> list[Answer]:
    by = Producer(kind="model", name=NAME, revision=revision)
    person = Producer(kind="person", name="ada", revision="1")
    return [
        Answer(key="a", prompt="p", text="A cup.", producer=by),
        Answer(key="b", prompt="p", text="A cup.", producer=person),
    ]


def test_self_is_refused_if_another_revision_answered(hub: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    settings = RewriteSettings.model_validate({"labeler": NAME, "second": "another"})
    assert open_editor("self", settings, folder, answers_of(folder, NEW), {})
    with pytest.raises(UserError, match="different weights from the model that gave the answers"):
        open_editor("self", settings, folder, answers_of(folder, OLD), {})


def test_a_plan_reads_the_revision_of_rounds(hub: str, tmp_path: Path) -> None:
    config = tmp_path / "hub/models--owner--tiny/snapshots" / OLD / "config.json"
    tree = json.loads(config.read_bytes())
    tree["text_config"]["num_hidden_layers"] += 1
    config.write_text(json.dumps(tree))
    assert known(hub, revision="v1").size.layers == known(hub).size.layers + 1


def test_a_labeler_on_another_revision_of_the_policys_base_is_loaded_apart(
    hub: str, tmp_path: Path
) -> None:
    config = {"base_model_name_or_path": NAME, "revision": "v1"}
    adapter = tmp_path / "labeler"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    base = Base(NAME, NEW, "float32", torch.device("cpu"))
    settings = ModelSettings(model=str(adapter), device="cpu")
    assert why_apart(settings, base) == f"it is on the revision v1 of {NAME}"
    assert why_apart(ModelSettings(model=NAME, device="cpu"), base) == ""
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"revision": NEW}))
    assert why_apart(settings, base) == ""


def test_a_setting_of_questions_keeps_the_sources_other_ones() -> None:
    settings = RLSettings.model_validate(
        {
            "model": "world:base",
            "prompts": "world:4",
            "feedback": {"labeler": "self", "asking": {"ties": "rejected"}},
        }
    )
    asking = with_claims_of_source(settings).feedback.asking
    assert (asking.ties, asking.suffix) == ("rejected", " Answer yes or no.")
