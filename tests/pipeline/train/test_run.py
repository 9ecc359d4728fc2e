"""The training stage: plans, refusals, and what a run leaves."""

import json
from functools import wraps
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from transformers import LlavaModel

from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.methods.ddpo import DDPO
from groundtune.methods.dpo import DPO
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.train.plan import plan_training
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.protocols import Evaluate
from groundtune.records import Score
from groundtune.store.run_json import read_run
from groundtune.train.log import read_log
from groundtune.train.optim import Optim
from groundtune.train.tune import Full, Lora
from groundtune.vlm.load import Vlm, load
from lock_holder import end_holder, start_holder
from training_folder import fill_folder, image_bytes
from waiting import wait_until


@pytest.fixture
def params(tiny_llava: Path, tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        model=str(tiny_llava),
        pairs=fill_folder(tmp_path / "pairs", 6).path,
        tune=Lora(r=2),
        optim=Optim(lr=1e-3),
        epochs=1,
        batch_size=3,
        dtype="float32",
    )


def with_pairs(params: TrainSettings, path: Path, **change: object) -> TrainSettings:
    """The settings on a copy of the pairs, the first changed."""
    old, new = RunFolder(params.pairs), RunFolder(path)
    new.take_prompts(old, old.prompts.read())
    first, *rest = old.pairs.read()
    new.pairs.append([first.model_copy(update=change), *rest])
    return params.model_copy(update={"pairs": path})


def test_the_plan_counts_what_training_then_does(params: TrainSettings, tmp_path: Path):
    plan = plan_training(params, SilentProgress())
    assert (plan.pairs, plan.dropped, plan.steps) == (6, 0, 2)
    assert 0 < plan.changed_tokens < plan.answer_tokens
    train(params, tmp_path / "out", SilentProgress())
    assert len((tmp_path / "out/log.jsonl").read_text().splitlines()) == plan.steps
    tuned = load(params.model, adapter=tmp_path / "out/model").model
    trained = sum(p.numel() for name, p in tuned.named_parameters() if "lora_" in name)
    assert plan.trained_weights == trained


def test_a_plan_reads_no_weights(params: TrainSettings, tmp_path: Path, tiny_llava: Path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in tiny_llava.iterdir():
        (bare / file.name).write_bytes(b"" if file.suffix == ".safetensors" else file.read_bytes())
    plan = plan_training(params.model_copy(update={"model": str(bare)}), SilentProgress())
    measured = {"reference_minutes", "training_minutes"}
    again = plan_training(params, SilentProgress())
    assert plan.model_dump(exclude=measured) == again.model_dump(exclude=measured)


def test_max_steps_stops_early_with_the_rate_at_its_end(params: TrainSettings, tmp_path: Path):
    short = params.model_copy(update={"epochs": 9, "max_steps": 3})
    assert plan_training(short, SilentProgress()).steps == 3
    train(short, tmp_path / "out", SilentProgress())
    lines = [json.loads(line) for line in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert lines[-1]["lr"] < lines[1]["lr"]


def test_a_method_that_needs_spans_refuses_pairs_without_before_any_model_is_loaded(
    params: TrainSettings, tmp_path: Path
):
    folder = RunFolder(tmp_path / "plain")
    old = RunFolder(params.pairs)
    folder.take_prompts(old, old.prompts.read())
    bare = {"chosen_spans": (), "rejected_spans": ()}
    folder.pairs.append([pair.model_copy(update=bare) for pair in old.pairs.read()])
    nowhere = params.model_copy(update={"pairs": folder.path, "model": str(tmp_path)})
    with pytest.raises(UserError, match="needs changed spans"):
        train(nowhere, tmp_path / "out", SilentProgress())
    plain = params.model_copy(update={"pairs": folder.path, "method": DPO()})
    assert train(plain, tmp_path / "out", SilentProgress()).is_dir()


@pytest.mark.parametrize("change", [{"chosen": ""}, {"rejected": " "}, {"prompt": "none"}])
def test_a_bad_pair_is_refused_before_any_model_is_loaded(
    params: TrainSettings, tmp_path: Path, change: dict[str, str]
):
    bad = with_pairs(params, tmp_path / "bad", **change)
    with pytest.raises(UserError) as caught:
        train(bad.model_copy(update={"model": str(tmp_path)}), tmp_path / "out", SilentProgress())
    assert caught.value.where == "pair pair0"
    assert not (tmp_path / "out").exists()
    rules = bad.data.model_copy(update={"skip_bad": True})
    train(bad.model_copy(update={"data": rules}), tmp_path / "out", SilentProgress())
    dropped = [json.loads(x) for x in (tmp_path / "out/dropped.jsonl").read_text().splitlines()]
    assert [drop["key"] for drop in dropped] == ["pair0"]


def test_a_folder_without_pairs_says_which_command_makes_some(
    params: TrainSettings, tmp_path: Path
):
    with pytest.raises(UserError, match="holds no pairs") as caught:
        train(params.model_copy(update={"pairs": tmp_path}), tmp_path / "out", SilentProgress())
    assert "groundtune pairs" in caught.value.fix


def test_an_adapter_is_no_model_to_train_on(params: TrainSettings, tmp_path: Path):
    adapter = train(params, tmp_path / "first", SilentProgress())
    with pytest.raises(UserError, match="is an adapter"):
        train(params.model_copy(update={"model": str(adapter)}), tmp_path / "out", SilentProgress())


def test_a_part_that_the_model_lacks_or_none_is_refused(params: TrainSettings, tmp_path: Path):
    none = params.model_copy(update={"tune": Full(parts=())})
    with pytest.raises(UserError, match="There is no part to train"):
        train(none, tmp_path / "out", SilentProgress())


def test_the_run_names_its_settings_model_pairs_and_seed(params: TrainSettings, tmp_path: Path):
    train(params, tmp_path / "out", SilentProgress(), command=["groundtune", "train"])
    made = read_run(tmp_path / "out")
    assert made.recipe == params.model_dump(mode="json")
    assert made.inputs["model"] == load(params.model).revision
    assert made.inputs["pairs"]
    assert made.seeds == {"train": 0}
    assert made.command == ("groundtune", "train")


def test_two_runs_may_share_their_reference(params: TrainSettings, tmp_path: Path):
    shared = tmp_path / "reference"
    train(params, tmp_path / "one", SilentProgress(), reference_folder=shared)
    parts = sorted(shared.iterdir())
    other = params.model_copy(update={"method": DDPO(gamma=2, beta=0.1, reduce="sum")})
    train(other, tmp_path / "two", SilentProgress(), reference_folder=shared)
    assert sorted(shared.iterdir()) == parts


def test_evaluation_gets_the_model_in_training(params: TrainSettings, tmp_path: Path):
    seen: list[Vlm] = []

    def make(vlm: Vlm) -> Evaluate:
        def evaluate(step: int) -> list[Score]:
            seen.append(vlm)
            return []

        return evaluate

    watched = params.model_copy(update={"eval_every": 1})
    train(watched, tmp_path / "out", SilentProgress(), evaluate=make)
    assert len(seen) == 2
    assert hasattr(seen[0].model, "get_base_model")


@pytest.mark.parametrize("tune", [Lora(r=2), Full()])
def test_bfloat16_trains_and_what_is_trained_stays_float32(
    params: TrainSettings, tmp_path: Path, tune: Lora | Full
):
    half = params.model_copy(update={"dtype": "bfloat16", "tune": tune})
    out = train(half, tmp_path / "out", SilentProgress())
    first = json.loads((tmp_path / "out/log.jsonl").read_text().splitlines()[0])
    assert first["loss"] == pytest.approx(0.6931, abs=0.02)
    from safetensors import safe_open

    with safe_open(next(out.glob("*.safetensors")), "pt") as weights:
        assert {str(weights.get_tensor(name).dtype) for name in weights.keys()} == {"torch.float32"}  # noqa: SIM118


def test_the_command_goes_from_an_rlhf_v_parquet_to_a_model(
    tiny_llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    texts = {"question": "What?", "chosen": "A red ball.", "rejected": "A green ball."}
    row = {
        "ds_name": "RLHF-V",
        "image": {"bytes": image_bytes("red"), "path": "a.png"},
        "text": json.dumps(texts),
        "origin_dataset": "",
        "origin_split": "{}",
        "idx": 0,
        "image_path": "a.png",
    }
    pq.write_table(pa.Table.from_pylist([row, {**row, "idx": 1}]), tmp_path / "in.parquet")
    pairs, out = str(tmp_path / "run"), str(tmp_path / "out")
    assert run(["import", "rlhf-v", str(tmp_path / "in.parquet"), "--out", pairs]) == EXIT_DONE
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("method: {type: ddpo, gamma: 2}\nepochs: 1\ndtype: float32\ntune: {r: 2}\n")
    command = ["train", str(recipe), "--pairs", pairs, "--model", str(tiny_llava), "--out", out]
    capsys.readouterr()
    assert run([*command, "optim.lr=1e-4", "--dry-run", "--json"]) == EXIT_DONE
    planned = json.loads(capsys.readouterr().out)
    assert (planned["pairs"], planned["steps"]) == (2, 1)
    assert run([*command, "optim.lr=1e-4", "--json"]) == EXIT_DONE
    done = json.loads(capsys.readouterr().out)
    assert done["steps"] == 1
    assert done["wrote"] == str(tmp_path / "out/model")
    assert done["next"].startswith("groundtune sample --model")
    assert run([*command, "method.gama=1"]) == EXIT_INPUT
    assert "gamma" in capsys.readouterr().err


def test_real_photographs_in_an_rlhf_v_parquet_can_be_trained_on(
    tiny_llava: Path, test_data: Path, tmp_path: Path
):
    photographs = sorted((test_data / "rlaif_v_examples").rglob("*.jpg"))[:6]
    assert len(photographs) == 6
    texts = {"question": "What?", "chosen": "A red ball.", "rejected": "A green ball and a dog."}
    rows = [
        {
            "ds_name": "RLHF-V",
            "image": {"bytes": path.read_bytes(), "path": path.name},
            "text": json.dumps(texts),
            "origin_dataset": "",
            "origin_split": "{}",
            "idx": number,
            "image_path": path.name,
        }
        for number, path in enumerate(photographs)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    pairs, out = str(tmp_path / "run"), tmp_path / "out"
    assert run(["import", "rlhf-v", str(tmp_path / "in.parquet"), "--out", pairs]) == EXIT_DONE
    settings = [f"model={tiny_llava}", f"pairs={pairs}", "epochs=1", "dtype=float32"]
    assert run(["train", *settings, "--out", str(out)]) == EXIT_DONE
    assert len((out / "log.jsonl").read_text().splitlines()) == 1
    assert (out / "model/adapter_model.safetensors").is_file()


def test_the_attention_of_long_rows_is_measured_once_and_noted(
    params: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("groundtune.pipeline.train.engine.SHORT", 0)
    out = tmp_path / "out"
    train(params, out, SilentProgress())
    noted = read_run(out).notes["attention"]
    assert noted["attention"] in noted["seconds"]
    assert set(noted["seconds"]) == {"dense", "segments"}
    train(params, out, SilentProgress())  # nothing is left to do: nothing is measured again
    assert read_run(out).notes["attention"] == noted
    fixed = params.model_copy(update={"attention": "segments"})
    train(fixed, tmp_path / "fixed", SilentProgress())
    assert read_run(tmp_path / "fixed").notes == {}


def test_encoded_images_are_kept_where_what_encodes_them_stays(
    params: TrainSettings, tmp_path: Path
):
    kept = params.model_copy(update={"keep_images": True})
    train(kept, tmp_path / "kept", SilentProgress())
    train(params, tmp_path / "made", SilentProgress())
    files = list((tmp_path / "kept/images-encoded").iterdir())
    assert files
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("kept", "made")]
    assert [line["loss"] for line in logs[0]] == pytest.approx([line["loss"] for line in logs[1]])
    whole = kept.model_copy(update={"tune": Full()})
    with pytest.raises(UserError, match="projector is trained"):
        train(whole, tmp_path / "whole", SilentProgress())


@pytest.mark.parametrize("engine", ["auto", "separate"])
def test_the_reference_keeps_what_training_and_another_run_take(
    params: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
):
    calls: list[int] = []
    encode = LlavaModel.get_image_features

    @wraps(encode)
    def counted(self: Any, *args: Any, **given: Any) -> Any:
        calls.append(len(given["pixel_values"]))
        return encode(self, *args, **given)

    monkeypatch.setattr(LlavaModel, "get_image_features", counted)
    changes = {"keep_images": True, "keep_images_in": tmp_path / "images", "engine": engine}
    kept = params.model_copy(update=changes)
    train(kept, tmp_path / "first", SilentProgress())
    shown = {prompt.images for prompt in RunFolder(params.pairs).prompts.read()}
    assert sum(calls) == sum(map(len, shown))
    assert len(list((tmp_path / "images").rglob("*.safetensors"))) == len(shown)
    assert not (tmp_path / "first/images-encoded").exists()
    calls.clear()
    train(kept.model_copy(update={"epochs": 2}), tmp_path / "second", SilentProgress())
    assert calls == []
    train(params.model_copy(update={"engine": engine}), tmp_path / "made", SilentProgress())
    assert calls
    one, other = (read_log(tmp_path / name / "log.jsonl") for name in ("first", "made"))
    assert [line["loss"] for line in one] == pytest.approx([line["loss"] for line in other])


def test_a_folder_of_kept_images_without_keeping_them_is_refused(params: TrainSettings):
    settings = params.model_dump(exclude={"keep_images_in"})
    with pytest.raises(ValidationError, match="needs keep_images=true"):
        TrainSettings(**settings, keep_images_in=Path("images"))


def test_trainings_that_share_a_reference_compute_it_once_and_one_after_the_other(
    params: TrainSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    shared = tmp_path / "reference"
    holder = start_holder(shared)
    arguments = (params, tmp_path / "a", SilentProgress())
    thread = Thread(target=train, args=arguments, kwargs={"reference_folder": shared})
    thread.start()
    wait_until(lambda: f"written there: process {holder.pid} " in caplog.text)
    assert not list(shared.glob("*.parquet"))
    end_holder(holder)
    thread.join()
    parts = {path: path.stat().st_mtime_ns for path in shared.glob("*.parquet")}
    assert parts
    train(params, tmp_path / "b", SilentProgress(), reference_folder=shared)
    assert {path: path.stat().st_mtime_ns for path in shared.glob("*.parquet")} == parts
    lines = [read_log(tmp_path / name / "log.jsonl")[-1]["loss"] for name in "ab"]
    assert lines[0] == lines[1]
