"""Every published method trains from a recipe, and refuses what it can't do before weights load."""

import json
import sys
from collections.abc import Mapping
from math import sqrt
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.methods.cdpo import CDPO
from groundtune.methods.ddpo import DDPO
from groundtune.methods.ha_dpo import HADPO
from groundtune.methods.hsa_dpo import HSADPO
from groundtune.methods.ipo import IPO
from groundtune.methods.kto import KTO
from groundtune.methods.mdpo import MDPO
from groundtune.methods.mm_dpo import MMDPO
from groundtune.methods.pairwise import Pairwise
from groundtune.methods.simpo import SimPO
from groundtune.pipeline.train.run import TrainSettings, train
from groundtune.train.optim import Optim
from groundtune.train.precision import ResolvedDtype, native_bf16
from groundtune.train.tune import Full, Lora, QLora, check_quantisable
from training_folder import fill_folder, fill_several

ROUNDING = 2.0**-8
"""By how much, relative to it, bfloat16 may round a number: it keeps 8 binary digits."""

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "bfloat16"])


@pytest.fixture(scope="module")
def params(tiny_llava: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    return TrainSettings(
        model=str(tiny_llava),
        pairs=fill_several(tmp_path_factory.mktemp("several"), prompts=2).path,
        tune=Lora(r=2, dropout=0),
        optim=Optim(lr=1e-2),
        epochs=1,
        batch_size=6,
        method=DDPO(),
        dtype="float32",
    )


def lines(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "method",
    [CDPO(), HADPO(), HSADPO(), IPO(), KTO(), MDPO(corruption="noise"), MMDPO(), SimPO()],
    ids=lambda method: method.type,
)
def test_a_method_trains_and_its_terms_are_logged(
    params: TrainSettings, tmp_path: Path, method: Pairwise
):
    train(params.model_copy(update={"method": method}), tmp_path / "out", SilentProgress())
    first, second = lines(tmp_path / "out")
    every = {"ha_dpo": {"anchor"}, "mdpo": {"anchor", "image"}, "kto": {"wanted", "unwanted"}}
    terms = every.get(method.type, set())
    assert {f"term_{name}" for name in terms | {"preference"}} == {
        name for name in second if name.startswith("term_")
    }
    assert second["loss"] == pytest.approx(sum(second[f"term_{n}"] for n in terms | {"preference"}))
    assert first["margin"] != second["margin"]
    assert ("kl_chosen" in second) == ("reference" in method.needs)
    assert (tmp_path / "out/reference").exists() == ("reference" in method.needs)


@pytest.mark.parametrize(
    ("method", "why"), [(HSADPO(), "severities"), (MMDPO(), "ratings of both answers")]
)
def test_pairs_without_what_a_method_needs_are_refused_before_any_model_is_loaded(
    params: TrainSettings, tmp_path: Path, method: Pairwise, why: str
):
    bare = fill_folder(tmp_path / "bare", 3).path
    given = {"method": method, "pairs": bare, "model": str(tmp_path)}
    with pytest.raises(UserError, match=why):
        train(params.model_copy(update=given), tmp_path / "out", SilentProgress())
    assert not (tmp_path / "out").exists()


@both_dtypes
def test_kept_images_are_not_mistaken_for_their_changed_views(
    params: TrainSettings, tmp_path: Path, dtype: ResolvedDtype
):
    given = {"method": MDPO(corruption="noise"), "epochs": 2, "dtype": dtype}
    asked = params.model_copy(update=given)
    for kept in (True, False):
        out = tmp_path / str(kept)
        train(asked.model_copy(update={"keep_images": kept}), out, SilentProgress())
    one, other = (lines(tmp_path / name) for name in ("True", "False"))
    assert [each["loss"] for each in one] == pytest.approx([each["loss"] for each in other])


def loss_rounding(logged: Mapping[str, float], beta: float) -> float:
    """How far bfloat16 may move a loss of DDPO, whose scores are means over an answer's tokens.

    Each token's log-probability is rounded by itself, so that a mean over n of them is off by that
    of one over sqrt(n); the loss moves by at most beta / 2 per nat.
    """
    squares = sum(
        logged[f"logp_{side}"] ** 2 / logged[f"tokens_{side}"] ** 3
        for side in ("chosen", "rejected")
    )
    return beta / 2 * ROUNDING * sqrt(squares)


@both_dtypes
def test_packed_and_separate_rows_give_the_same_steps_and_may_follow_each_other(
    params: TrainSettings, tmp_path: Path, dtype: ResolvedDtype
):
    params = params.model_copy(update={"dtype": dtype})
    for engine in ("packed", "separate"):
        made = params.model_copy(update={"engine": engine})
        train(made, tmp_path / engine, SilentProgress())
    low = dtype == "bfloat16"
    gradient = 4 * ROUNDING if low else 1e-3  # both layers of the model, forwards and backwards
    for one, other in zip(lines(tmp_path / "packed"), lines(tmp_path / "separate"), strict=True):
        loss = loss_rounding(other, DDPO().beta) if low else 1e-5
        assert one["loss"] == pytest.approx(other["loss"], abs=loss)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=gradient)
    ran = {
        engine: sum(x["tokens_per_second"] * x["seconds"] for x in lines(tmp_path / engine))
        for engine in ("packed", "separate")
    }
    assert ran["packed"] < 0.7 * ran["separate"]
    before = lines(tmp_path / "packed")
    train(params.model_copy(update={"engine": "separate"}), tmp_path / "packed", SilentProgress())
    assert lines(tmp_path / "packed") == before


def test_pairs_over_the_budget_are_listed_and_another_set_of_them_is_another_run(
    params: TrainSettings, tmp_path: Path
):
    small = params.model_copy(update={"micro_tokens": 54})
    with pytest.raises(UserError, match="over micro_tokens 54"):
        train(small, tmp_path / "out", SilentProgress())
    rules = params.data.model_copy(update={"skip_bad": True})
    skipping = small.model_copy(update={"data": rules})
    train(skipping, tmp_path / "out", SilentProgress())
    dropped = [json.loads(x) for x in (tmp_path / "out/dropped.jsonl").read_text().splitlines()]
    assert 0 < len(dropped) < 12
    assert all("micro_tokens" in drop["why"] for drop in dropped)
    with pytest.raises(UserError, match="other settings"):
        train(
            skipping.model_copy(update={"micro_tokens": 4096}), tmp_path / "out", SilentProgress()
        )


def test_a_tracker_that_is_not_installed_is_an_error(
    params: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    logged = params.model_copy(update={"log_to": ("mlflow",)})
    with pytest.raises(UserError, match="mlflow is not installed"):
        train(logged, tmp_path / "out", SilentProgress())


def test_auto_trains_in_what_the_device_does_natively_and_says_nothing(
    params: TrainSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    short = params.model_copy(update={"max_steps": 1, "device": "cpu", "dtype": "auto"})
    train(short, tmp_path / "out", SilentProgress())
    told = [record.getMessage() for record in caplog.records]
    assert not [each for each in told if "bfloat16" in each and "are rounded to" not in each]
    native = "bfloat16" if native_bf16(torch.device("cpu")) else "float32"
    named = short.model_copy(update={"dtype": native, "save_every": 7})
    train(named, tmp_path / "out", SilentProgress())  # the same run


def test_qlora_is_refused_on_a_cpu_before_any_model_is_loaded(
    params: TrainSettings, tmp_path: Path
):
    four = params.model_copy(update={"tune": QLora(), "device": "cpu", "model": str(tmp_path)})
    with pytest.raises(UserError, match="needs an accelerator") as caught:
        train(four, tmp_path / "out", SilentProgress())
    assert "tune.type=lora" in caught.value.fix


def test_qlora_without_bitsandbytes_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="bitsandbytes") as caught:
        check_quantisable("cuda")
    assert "groundtune[qlora]" in caught.value.fix


def test_weights_in_four_bits_are_not_merged(params: TrainSettings):
    with pytest.raises(ValidationError, match="can't be merged"):
        TrainSettings(model="m", pairs=params.pairs, tune=QLora(), merge=True)


@both_dtypes
@pytest.mark.parametrize("tune", [Lora(r=2, dropout=0), Full()])
def test_gradient_checkpointing_changes_no_loss(
    params: TrainSettings, tmp_path: Path, tune: Lora | Full, dtype: ResolvedDtype
):
    found = []
    for saved in (False, True):
        given = {"tune": tune, "gradient_checkpointing": saved, "dtype": dtype}
        made = params.model_copy(update=given)
        train(made, tmp_path / str(saved), SilentProgress())
        found.append([line["loss"] for line in lines(tmp_path / str(saved))])
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert found[0][0] != found[0][1]
