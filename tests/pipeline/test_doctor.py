"""`groundtune doctor`: what it looks at, and that its list of extras is the package's."""

import json
import tomllib
from pathlib import Path

import pytest
import torch

from groundtune.cli.app import run
from groundtune.pipeline.doctor.examine import examine
from groundtune.pipeline.doctor.extras import ENABLES, UNLISTED, extras
from groundtune.pipeline.models.sizes import MODELS

ROOT = Path(__file__).parents[2]


def test_every_extra_of_the_package_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == set(ENABLES) | UNLISTED


def test_an_extra_whose_packages_are_there_is_installed() -> None:
    found = {extra.name: extra for extra in extras()}
    if "serve" not in found:
        pytest.skip("Groundtune is not installed here")
    assert found["serve"].missing == ()
    assert found["serve"].enables == ENABLES["serve"]


def test_everything_is_looked_at_and_every_note_says_what_to_do(tmp_path: Path) -> None:
    found = examine(tmp_path)
    names = {check.name for check in found.checks}
    assert names >= {"python", "torch", "processor", "accelerator", "bfloat16", "disk for runs"}
    assert all(check.fix for check in found.checks if check.state != "ok")
    assert found.problems == 0
    assert [fit.model for fit in found.fits] == list(MODELS)


def test_a_larger_model_never_needs_less_than_a_smaller_one_of_its_kind(tmp_path: Path) -> None:
    fits = {fit.model: fit for fit in examine(tmp_path).fits}
    small, large = (fits[f"llava-hf/llava-1.5-{size}b-hf"] for size in (7, 13))
    assert small.lora_gb < large.lora_gb < large.full_gb
    for fit in fits.values():
        assert fit.full_gb > fit.lora_gb


def test_a_folder_that_does_not_exist_is_judged_by_its_parent(tmp_path: Path) -> None:
    assert examine(tmp_path / "new").problems == 0


def test_a_processor_with_bfloat16_trains_larger_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.accelerator.is_available():
        pytest.skip("there is an accelerator")
    needed: list[float] = []
    for native in (False, True):
        monkeypatch.setattr(
            "groundtune.train.precision.native_bf16", lambda _, is_native=native: is_native
        )
        needed.append(sum(fit.lora_gb for fit in examine(tmp_path).fits))
    assert needed[1] < 0.7 * needed[0]


@pytest.mark.parametrize("name", ["HF_HOME", "XDG_CACHE_HOME"])
def test_the_disk_for_models_is_where_the_hub_puts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    (check,) = (check for check in examine(tmp_path).checks if check.name == "disk for models")
    assert check.found.endswith(f"at {tmp_path}")


def test_the_command_prints_checks_and_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--folder", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "bfloat16" in shown
    assert "train a LoRA" in shown
    assert run(["doctor", "--folder", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == 0
