"""Settings that can't be: told by a plan and by a training alike, before anything is run."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from pydantic import ValidationError

import tiny_families
from groundtune.cli.app import EXIT_DONE, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.train.tune import Full, Lora, QLora, apply
from training_folder import fill_folder


@pytest.fixture
def params(tiny_llava: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        model=str(tiny_llava),
        pairs=fill_folder(tmp_path / "pairs", 6).path,
        tune=Lora(r=2, dropout=0),
        epochs=1,
        batch_size=3,
        dtype="float32",
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": "foo"}, "no device 'foo'"),
        ({"device": "cuda:63"}, "no device 'cuda:63'"),
        ({"attention": "flex", "device": "cpu"}, "needs a CUDA device"),
        ({"engine": "separate", "attention": "segments"}, "need packed rows"),
        ({"engine": "separate", "share_starts": 16}, "need packed rows"),
        ({"keep_images": True, "tune": Full()}, "can't be kept"),
        ({"tune": QLora(), "device": "cpu"}, "needs an accelerator"),
    ],
)
def test_a_plan_refuses_what_a_training_refuses_and_nothing_is_left(
    params: TrainSettings, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    made = params.model_copy(update=change)
    with pytest.raises(UserError, match=says):
        plan_training(made, SilentProgress())
    with pytest.raises(UserError, match=says):
        train(made, tmp_path / "out", SilentProgress())
    assert not (tmp_path / "out").exists()


def test_evaluations_without_anything_that_evaluates_are_refused(
    params: TrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="there is no evaluation"):
        train(params.model_copy(update={"eval_every": 1}), tmp_path / "out", SilentProgress())


@pytest.mark.parametrize(
    "change", [{"optim": {"betas": [1.5, 0.9]}}, {"seed": 10**23}, {"seed": -1}]
)
def test_numbers_out_of_their_range_are_refused(
    params: TrainSettings, change: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        TrainSettings.model_validate({**params.model_dump(), **change})


def test_drops_are_counted_by_reason_whatever_their_numbers(params: TrainSettings) -> None:
    rules = params.data.model_copy(update={"skip_bad": True})
    plan = plan_training(
        params.model_copy(update={"micro_tokens": 76, "data": rules}), SilentProgress()
    )
    (reason,) = plan.drop_reasons
    assert reason == "The pair needs # tokens in one forward pass, over micro_tokens #."
    assert plan.drop_reasons[reason] == plan.dropped > 1


@pytest.mark.parametrize("file", ["chat_template.jinja", "processor_config.json", "config.json"])
def test_a_run_does_not_resume_with_another_template_processor_or_configuration(
    params: TrainSettings, tmp_path: Path, tiny_llava: Path, file: str
) -> None:
    model = tmp_path / "model"
    copytree(tiny_llava, model)
    own = params.model_copy(update={"model": str(model)})
    train(own, tmp_path / "out", SilentProgress())
    path = model / file
    if file == "chat_template.jinja":
        path.write_text(path.read_text().replace("USER: ", "User: "))
    else:
        settings = json.loads(path.read_text())
        inside = settings["text_config" if file == "config.json" else "image_processor"]
        inside |= {"rms_norm_eps": 0.1, "image_mean": [0.1, 0.2, 0.3]}
        path.write_text(json.dumps(settings))
    with pytest.raises(UserError, match="other settings"):
        train(own, tmp_path / "out", SilentProgress())


def test_an_adapter_on_a_part_without_linear_layers_is_refused_alone_and_next_to_others() -> None:
    for parts in (("projector",), ("language_model", "projector")):
        vlm, _ = tiny_families.built(tiny_families.gemma3)
        with pytest.raises(UserError, match="projector has no linear layer"):
            apply(vlm.model, Lora(r=2, parts=parts))


def test_of_several_processes_one_prints_the_plan(
    params: TrainSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", f"model={params.model}", f"pairs={params.pairs}", "--dry-run"]
    monkeypatch.setenv("RANK", "1")
    assert run(command) == EXIT_DONE
    assert capsys.readouterr().out == ""
