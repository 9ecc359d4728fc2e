"""What stages ask of workers, with this process as the only one; Ray's are in test_ray.py."""

import pickle
import sys
from functools import partial
from pathlib import Path

import pytest

from groundtune.cli.app import EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.models.generators import open_generator
from groundtune.pipeline.models.settings import Local, ModelSettings, OnRay
from groundtune.pipeline.models.workers.lazy import Lazy, LazyModel, for_workers, load_in_worker
from groundtune.pipeline.models.workers.local import LocalWorkers, open_workers
from groundtune.records import Sampling
from groundtune.store.images import ImageStore
from groundtune.vlm.load import revision_of

OPENED: list[str] = []


def opening(name: str) -> str:
    OPENED.append(name)
    return name.upper()


def error_lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()[-3:]


def test_local_workers_process_batches_lazily_in_order():
    with open_workers(Local()) as workers:
        assert isinstance(workers, LocalWorkers)
        found = workers.run(opening, ["a", "b"])
        OPENED.clear()
        assert next(found) == (0, "A")
        assert OPENED == ["a"]
        assert list(found) == [(1, "B")]


def test_a_lazy_value_is_loaded_once_and_pickled_unloaded():
    OPENED.clear()
    later = Lazy(partial(opening, "x"))
    assert OPENED == []
    assert (later.get(), later.get(), OPENED) == ("X", "X", ["x"])
    # by reference a function of a test module can't be found again, so the state is looked at
    rebuilt, arguments = later.__reduce__()
    assert rebuilt(*arguments).get() == "X"
    assert OPENED == ["x", "x"]


def test_a_lazy_model_has_its_name_and_revision_without_weights(tmp_path: Path):
    images = ImageStore(tmp_path / "images")
    here = open_generator(ModelSettings(model="world:base"), images)
    there = open_generator(ModelSettings(model="world:base", engine=OnRay()), images)
    assert isinstance(there, LazyModel)
    sent = pickle.dumps(there)
    assert len(sent) < 5000
    found = pickle.loads(sent)
    sampling = Sampling(temperature=0)
    assert found.producer(sampling, 3) == here.producer(sampling, 3)
    named = open_generator(ModelSettings(model="world:base", engine=OnRay()), images, name="base")
    assert named.producer(sampling, 3).name == "base"


def test_a_revision_is_that_of_the_loaded_model_with_its_adapter(tiny_llava: Path, tmp_path: Path):
    from groundtune.vlm.load import load

    assert revision_of(str(tiny_llava)) == load(str(tiny_llava)).revision
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    both = revision_of(str(tiny_llava), adapter=tmp_path)
    assert both.startswith(f"{revision_of(str(tiny_llava))}+")
    with pytest.raises(UserError, match="no such folder"):
        revision_of("./nowhere")


def test_a_worker_with_other_weights_is_refused(tiny_llava: Path):
    model = ModelSettings(model=str(tiny_llava))
    revision = revision_of(str(tiny_llava))
    assert load_in_worker(model, revision).revision == revision
    with pytest.raises(UserError, match=f"other weights for this model: {revision}, not 2"):
        load_in_worker(model, "2")


def test_folders_become_absolute_and_names_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    here = ModelSettings(model="model", adapter="adapter")
    assert for_workers(here).model == str(tmp_path / "model")
    assert for_workers(here).adapter == str(tmp_path / "adapter")
    for name in ("llava-hf/llava-1.5-7b-hf", "world:base"):
        assert for_workers(ModelSettings(model=name)).model == name


def test_without_ray_each_stage_says_in_three_lines_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "ray", None)
    models = ["--model", "world:labeler", "--reference", "world:base"]
    out = ["--out", str(tmp_path / "out"), "--engine", "ray"]
    for command in (
        ["sample", "--model", "world:base", "--prompts", "world:1"],
        ["best-of", "prompts=world:1", "--n", "2", *models],
    ):
        assert run([*command, *out]) == EXIT_INPUT
        told = error_lines(capsys)
        assert told[0] == "error: Ray is not installed."
        assert told[2].startswith("fix: Run pip install 'groundtune[ray]'")
    assert not (tmp_path / "out").exists()


def test_workers_are_options_of_ray_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = ["--out", str(tmp_path / "out")]
    few = ["sample", "--model", "world:base", "--prompts", "world:1", "--workers", "2"]
    assert run([*few, *out]) == EXIT_INPUT
    assert error_lines(capsys)[0] == "error: engine.type=local has no workers."
    answers = ["label", "--answers", str(tmp_path), "--engine", "ray"]
    assert run(answers) == EXIT_INPUT
    assert error_lines(capsys)[0] == "error: --engine has no effect with --by corrections."


def test_an_endpoint_is_asked_from_this_process(tmp_path: Path):
    params = ModelSettings(model="openai:m@http://127.0.0.1:1/v1", engine=OnRay())
    with pytest.raises(UserError, match="has its own workers"):
        open_generator(params, ImageStore(tmp_path))
