"""Reward models end to end: trained, stored, loaded, refused, and resumed."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

import tiny_processors
from groundtune.errors import UserError
from groundtune.pipeline.recipes.registry import find
from groundtune.pipeline.reward.data import DIFFERS
from groundtune.pipeline.reward.model import load_reward_model
from groundtune.pipeline.reward.plan import plan_reward
from groundtune.pipeline.reward.run import RewardResult, train_reward
from groundtune.pipeline.reward.settings import FactSettings, RewardSettings, Validation
from groundtune.pipeline.reward.spec import read_spec
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.recipe_loading import load
from groundtune.records import Claim
from groundtune.store import checksums
from groundtune.store.images import ImageStore
from groundtune.store.lines import read_lines
from reward_folder import fill_compared, settings_for

DOCS = Path(__file__).parents[3] / "docs" / "reward-custom.md"


@dataclass
class Trained:
    folder: RunFolder
    out: Path
    result: RewardResult
    tiny: Path


@pytest.fixture(scope="module")
def trained(tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    path = tmp_path_factory.mktemp("reward")
    folder = fill_compared(path / "compared")
    settings = settings_for(tiny_llava, folder.path)
    result = train_reward(settings, path / "out", SilentProgress())
    return Trained(folder, path / "out", result, tiny_llava)


@pytest.fixture
def copied(trained: Trained, tmp_path: Path) -> Path:
    return shutil.copytree(trained.result.model, tmp_path / "model")


def test_it_learns_which_answers_win_and_is_better_than_a_guess(trained: Trained):
    found = trained.result.evaluation
    assert found.accuracy.value > 0.8
    assert not found.accuracy.at_chance
    assert found.baselines["shorter wins"].value == 1
    assert set(found.buckets) <= {"shorter", "much shorter"}
    assert [found.groups[name].n for name in DIFFERS] == [
        found.accuracy.n // 3,
        2 * found.accuracy.n // 3,
    ]
    assert DIFFERS[1] in trained.result.report.read_text("utf-8")
    assert "Pair" not in trained.result.report.read_text("utf-8")
    assert "Calibration" in trained.result.report.read_text("utf-8")


def test_a_dry_run_counts_what_the_run_does(trained: Trained):
    settings = settings_for(trained.tiny, trained.folder.path)
    plan = plan_reward(settings, SilentProgress())
    found = trained.result.evaluation
    assert (plan.examples, plan.held_out) == (found.learnt, found.accuracy.n)
    assert plan.steps == len(read_lines(trained.out / "log.jsonl", ""))
    separate = plan_reward(settings.model_copy(update={"pack": False}), SilentProgress())
    assert (plan.engine, separate.engine) == ("packed", "separate")
    assert plan.answer_tokens == separate.answer_tokens < plan.row_tokens < separate.row_tokens
    trained_model = load_file(trained.result.model / "model.safetensors")
    assert plan.weights == sum(each.numel() for each in trained_model.values())
    assert 0 < plan.trained_weights < plan.weights
    assert plan.memory_gb > 0
    assert plan.hours > 0


def test_a_loaded_model_gives_packed_answers_the_rewards_of_each_alone(trained: Trained):
    model = load_reward_model(trained.result.model, trained.folder.images)
    prompts = trained.folder.prompts_by_key()
    answers = trained.folder.answers.read()
    own = [prompts[answer.prompt] for answer in answers]
    together = model.reward(own, [answer.text for answer in answers])
    alone = [model.reward([p], [a.text])[0] for p, a in zip(own, answers, strict=True)]
    assert together == pytest.approx(alone, abs=1e-5)
    assert math.isnan(model.reward(own[:1], [" "])[0])


def test_scoring_refuses_facts_that_are_not_there(trained: Trained):
    model = load_reward_model(trained.result.model, trained.folder.images)
    prompts = trained.folder.prompts_by_key()
    facts = FactSettings(show="shown")
    judging = model.reading.judging.model_copy(update={"facts": facts})
    model.reading = model.reading.model_copy(update={"judging": judging})
    assert len(model.reward([prompts["p1"]], ["Two cups."])) == 1
    bare = prompts["p1"].model_copy(update={"facts": ()})
    with pytest.raises(UserError, match="1 of 1 prompts have no facts"):
        model.reward([bare], ["Two cups."])


def refuse_another_score(model: Path, images: ImageStore) -> None:
    """Compare what the loader of the docs gives with the recorded scores."""
    [code] = re.findall(r"```python\n(import json.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    space: dict[str, Any] = {}
    exec(code.replace("runs/reward/model", str(model)), space)
    for probe in read_spec(model).probes:
        image = Image.open(images.path(probe.prompt.images[0])).convert("RGB")
        score = space["reward"](image, probe.prompt.question, probe.answer)
        assert score == pytest.approx(probe.score, abs=1e-4)


def test_the_loader_of_the_docs_gives_the_recorded_scores(trained: Trained):
    refuse_another_score(trained.result.model, trained.folder.images)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "gemma3", "idefics3", "llava_next"])
def test_the_loader_of_the_docs_loads_models_of_other_families(
    family: str, trained: Trained, tmp_path: Path
):
    base = tiny_processors.saved(getattr(tiny_processors, family), tmp_path / "base")
    settings = settings_for(Path(base), trained.folder.path, max_steps=1, readout="sum")
    result = train_reward(settings, tmp_path / "out", SilentProgress())
    refuse_another_score(result.model, trained.folder.images)


def test_the_loader_of_the_docs_loads_an_adapter(trained: Trained, tmp_path: Path):
    settings = settings_for(
        trained.tiny, trained.folder.path, tune={"type": "lora", "r": 4}, readout="last"
    )
    result = train_reward(settings, tmp_path / "out", SilentProgress())
    assert (result.model / "adapter_model.safetensors").exists()
    load_reward_model(result.model, trained.folder.images, allow_chance=True)
    refuse_another_score(result.model, trained.folder.images)


def test_the_published_settings_run_and_reproduce_their_scores(trained: Trained, tmp_path: Path):
    published = load(
        find("llava-rlhf-reward", "reward train"),
        ["dtype=float32", "gradient_checkpointing=false", "tune.r=4", "max_steps=2"],
        RewardSettings,
        options={"model": str(trained.tiny), "feedback": trained.folder.path},
    )
    assert (published.head, published.readout, published.optim.clip) == ("linear", "last", 0.3)
    small = published.model_copy(update={"validation": Validation(share=0.3, recorded=3)})
    result = train_reward(small, tmp_path / "out", SilentProgress())
    probes = read_spec(result.model).probes
    assert len({probe.request for probe in probes}) > 1
    assert all(
        probe.request.endswith("the quality score of my last response is") for probe in probes
    )
    model = load_reward_model(result.model, trained.folder.images, allow_chance=True)
    prompts = trained.folder.prompts_by_key()
    found = model.reward([prompts["p1"]] * 2, ["There are 2 cups.", "There are 3 cups."])
    assert all(map(math.isfinite, found))


def test_checked_claims_are_a_baseline_where_both_answers_have_some(
    trained: Trained, tmp_path: Path
):
    folder = RunFolder(shutil.copytree(trained.folder.path, tmp_path / "compared"))
    folder.claims.append(
        [
            Claim(
                key=f"claim {answer.key} {n}",
                answer=answer.key,
                start=0,
                end=5,
                text="There",
                status="rejected" if n < answer.index else "supported",
            )
            for answer in folder.answers.read()
            for n in range(3)
        ]
    )
    settings = settings_for(trained.tiny, folder.path, max_steps=1)
    found = train_reward(settings, tmp_path / "out", SilentProgress()).evaluation
    claims = found.baselines["checked claims"]
    assert claims.value == 1
    buckets = found.baseline_buckets["checked claims"]
    assert {name: each.n for name, each in buckets.items()} == {
        name: each.n for name, each in found.buckets.items()
    }
    assert claims.n == found.accuracy.n


def test_a_stopped_run_resumes_to_the_same_weights(trained: Trained, tmp_path: Path):
    settings = settings_for(trained.tiny, trained.folder.path, save_every=2, keep=99)
    whole = train_reward(settings, tmp_path / "whole", SilentProgress())
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(cut / "model")
    (cut / "evaluation.json").unlink()
    for step in sorted((cut / "checkpoints").iterdir())[2:]:
        shutil.rmtree(step)
    again = train_reward(settings, cut, SilentProgress())
    for name in ("head.safetensors", "model.safetensors"):
        one, other = load_file(whole.model / name), load_file(again.model / name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    steps = [line["step"] for line in read_lines(cut / "log.jsonl", "")]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_two_processes_train_as_one_does(trained: Trained, tmp_path: Path):
    settings = settings_for(trained.tiny, trained.folder.path, max_steps=2, micro_batch=3)
    train_reward(settings, tmp_path / "alone", SilentProgress())
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(settings.model_dump_json(), "utf-8")
    words = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "groundtune"]
    words += ["reward", "train", str(recipe), "device=cpu", "--out", str(tmp_path / "both")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[:4000]
    assert len(done.stdout.splitlines()) == 1
    logs = [read_lines(tmp_path / name / "log.jsonl", "") for name in ("alone", "both")]
    for one, other in zip(*logs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-4)


def test_a_finished_run_is_left_as_it_is(trained: Trained):
    before = (trained.result.model / "reward.json").stat().st_mtime_ns
    settings = settings_for(trained.tiny, trained.folder.path)
    again = train_reward(settings, trained.out, SilentProgress())
    assert again.evaluation == trained.result.evaluation
    assert (trained.result.model / "reward.json").stat().st_mtime_ns == before


def reseal(folder: Path) -> None:
    """Give the folder the checksums of what is there now."""
    (folder / checksums.NAME).unlink()
    checksums.seal(folder)


def change(folder: Path, **fields: object) -> None:
    spec = json.loads((folder / "reward.json").read_text("utf-8"))
    (folder / "reward.json").write_text(json.dumps({**spec, **fields}), "utf-8")
    reseal(folder)


def test_a_model_that_does_not_reproduce_its_scores_is_refused(copied: Path, trained: Trained):
    head = load_file(copied / "head.safetensors")
    save_file({k: v * 1.5 for k, v in head.items()}, copied / "head.safetensors")
    reseal(copied)
    with pytest.raises(UserError, match="doesn't reproduce its recorded scores"):
        load_reward_model(copied, trained.folder.images)


def test_a_head_that_does_not_fit_is_refused(copied: Path, trained: Trained):
    head = load_file(copied / "head.safetensors")
    cut = {k: v[..., :-1].contiguous() if v.ndim == 2 else v for k, v in head.items()}
    save_file(cut, copied / "head.safetensors")
    reseal(copied)
    with pytest.raises(UserError, match="head doesn't fit the model, whose states have 64 numbers"):
        load_reward_model(copied, trained.folder.images)


def test_a_head_that_is_not_a_number_is_refused(copied: Path, trained: Trained):
    head = load_file(copied / "head.safetensors")
    save_file({k: v * math.nan for k, v in head.items()}, copied / "head.safetensors")
    reseal(copied)
    with pytest.raises(UserError, match="has nan instead of"):
        load_reward_model(copied, trained.folder.images)


def test_another_processor_is_refused(copied: Path, trained: Trained):
    template = (copied / "chat_template.jinja").read_text("utf-8")
    (copied / "chat_template.jinja").write_text(template.replace("USER:", "HUMAN:"), "utf-8")
    reseal(copied)
    with pytest.raises(UserError, match="processor isn't the one"):
        load_reward_model(copied, trained.folder.images)


def test_a_damaged_folder_is_refused(copied: Path, trained: Trained):
    (copied / "head.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match="don't match its recorded checksum"):
        load_reward_model(copied, trained.folder.images)


def test_a_model_at_chance_is_refused_unless_it_is_allowed(copied: Path, trained: Trained):
    accuracy = read_spec(copied).accuracy.model_dump() | {"low": 0.48}
    change(copied, accuracy=accuracy)
    with pytest.raises(UserError, match="at chance: pair accuracy"):
        load_reward_model(copied, trained.folder.images)
    load_reward_model(copied, trained.folder.images, allow_chance=True)


def test_a_folder_without_a_reward_model_is_named(tiny_llava: Path, trained: Trained):
    with pytest.raises(UserError, match=r"reward\.json is missing"):
        load_reward_model(tiny_llava, trained.folder.images)
