"""The stages on Ray give what this process gives, byte for byte, also where a worker is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray.data", reason="the extra ray is not installed: make test-ray")

import ray

import ray_works
from groundtune.cli.app import EXIT_INPUT, run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.pipeline.best_of.run import best_of
from groundtune.pipeline.best_of.scores import Ratio
from groundtune.pipeline.best_of.settings import BestOfSettings
from groundtune.pipeline.feedback import claims as claim_stage
from groundtune.pipeline.feedback.claim_settings import (
    ClaimSettings,
    open_labelling,
)
from groundtune.pipeline.feedback.claims import label_claims
from groundtune.pipeline.models.generators import open_generator
from groundtune.pipeline.models.settings import Local, OnRay
from groundtune.pipeline.models.workers.local import open_workers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.run import SampleSettings, draw_answers, run_sample
from groundtune.pipeline.world.source import WORLD
from groundtune.records import Sampling
from groundtune.store.dataset import RecordSet
from groundtune.store.run_json import read_run

pytestmark = pytest.mark.ray

TWO = OnRay(workers=2)
SAMPLING = Sampling(temperature=1, max_new_tokens=30)
PARAMS = SampleSettings(
    model="world:base", prompts="world:3", n=4, sampling=SAMPLING, batch_size=2, engine=Local()
)
ON_RAY = PARAMS.model_copy(update={"engine": TWO})


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine, or the cluster that RAY_ADDRESS names."""
    os.environ["PYTHONPATH"] = str(Path(ray_works.__file__).parent)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    address = os.environ.get("RAY_ADDRESS", "local")
    own = {"num_cpus": 2, "object_store_memory": 200 * 2**20, "include_dashboard": False}
    ray.init(address, log_to_driver=False, **(own if address == "local" else {}))
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of this process: 12 answers of the world's base about 3 scenes, in batches of 2."""
    out = tmp_path_factory.mktemp("here")
    run_sample(PARAMS, out, SilentProgress())
    return out


def files(folder: Path) -> dict[str, bytes]:
    """The Parquet files under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


class StopAfter:
    """Progress that is interrupted, as by Ctrl-C, when so much is done."""

    def __init__(self, most: int) -> None:
        self.left = most

    def start(self, task: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= count
        if self.left <= 0:
            raise KeyboardInterrupt


def test_every_batch_comes_back_with_its_index_from_two_processes():
    with open_workers(TWO) as workers:
        found = dict(workers.run(ray_works.twice, list(range(40))))
        assert {i: made for i, (made, _) in found.items()} == {i: 2 * i for i in range(40)}
        processes = {process for _, process in found.values()}
        assert len(processes) == 2
        assert os.getpid() not in processes
        assert list(workers.run(ray_works.twice, [])) == []


def test_a_workers_user_error_is_raised_here():
    with open_workers(TWO) as workers, pytest.raises(UserError, match="7 is wrong") as raised:
        list(workers.run(ray_works.refuse, [7]))
    assert raised.value.fix == "Take another."


def test_a_batch_that_ends_each_worker_ends_the_run_with_three_lines():
    with open_workers(OnRay()) as workers, pytest.raises(UserError, match="workers died 4 times"):
        list(workers.run(ray_works.die, [1]))


def test_answers_are_those_of_one_process_to_the_byte(here: Path, tmp_path: Path):
    made = run_sample(ON_RAY, tmp_path, SilentProgress())
    assert (made.answers, made.drawn_now) == (12, 12)
    assert files(tmp_path) == files(here)
    ours, theirs = read_run(here / "answers"), read_run(tmp_path / "answers")
    assert ours.recipe.pop("engine") == {"type": "local"}
    assert theirs.recipe.pop("engine")["workers"] == 2
    assert (ours.recipe, ours.inputs, ours.seeds) == (theirs.recipe, theirs.inputs, theirs.seeds)


def test_a_worker_that_is_killed_on_the_way_changes_nothing(here: Path, tmp_path: Path):
    target, marks = RunFolder(tmp_path / "run"), tmp_path / "marks"
    marks.mkdir()
    target.path.mkdir()
    prompts = RunFolder(here).prompts.read()
    for path in (here / "images").rglob("*"):
        if path.is_file():
            target.images.add(path)
    dying = ray_works.DiesOnce(open_generator(ON_RAY, target.images), marks)
    with open_workers(OnRay()) as workers:
        draw_answers(
            dying,
            prompts,
            target,
            SilentProgress(),
            ON_RAY,
            workers=workers,
        )
    dead = (marks / "died").read_text()
    worked = {path.name.removeprefix("worked-") for path in marks.glob("worked-*")}
    assert dead in worked
    assert len(worked) == 2
    assert files(target.path) == files(here)


def test_what_is_there_is_not_drawn_again(here: Path, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        run_sample(ON_RAY, tmp_path, StopAfter(3 + 4))  # three scenes, then two batches
    kept = RunFolder(tmp_path).answers.read()
    assert 4 <= len(kept) < 12
    assert run_sample(ON_RAY, tmp_path, SilentProgress()).drawn_now == 12 - len(kept)
    assert RunFolder(tmp_path).answers.read() == RunFolder(here).answers.read()
    assert run_sample(ON_RAY, tmp_path, SilentProgress()).drawn_now == 0


def test_claims_are_divided_and_checked_as_by_one_process(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claim_stage, "DIVIDED_AT_ONCE", 3)
    monkeypatch.setattr(claim_stage, "ASKED_AT_ONCE", 20)
    for name, engine in (("one", Local()), ("ray", TWO)):
        settings = ClaimSettings.model_validate({**WORLD.claim_settings, "engine": engine})
        with open_labelling(settings, RunFolder(here)) as labelling:
            by_workers = labelling._replace(dividing=labelling.checking)
            made = label_claims(here, tmp_path / name, by_workers, SilentProgress())
        assert made.checked_now > 40
    assert files(tmp_path / "one") == files(tmp_path / "ray")
    assert len(RunFolder(tmp_path / "ray").claims.read()) > 40


def test_a_labeler_that_can_not_say_yes_or_no_is_refused_by_its_worker(
    here: Path, tmp_path: Path, tiny_llava: Path
):
    settings = {**WORLD.claim_settings, "labeler": str(tiny_llava), "engine": OnRay()}
    opening = open_labelling(ClaimSettings.model_validate(settings), RunFolder(here))
    with opening as labelling, pytest.raises(UserError, match="can't answer yes and no"):
        label_claims(here, tmp_path, labelling, SilentProgress())


def test_an_image_that_workers_can_not_access_is_named(here: Path, tmp_path: Path):
    shutil.copytree(here, tmp_path / "run")
    for path in (tmp_path / "run" / "answers").glob("*.parquet"):
        path.unlink()
    shutil.rmtree(tmp_path / "run" / "images")
    again = ON_RAY.model_copy(update={"prompts": str(tmp_path / "run")})
    target = RunFolder(tmp_path / "run")
    with open_workers(TWO) as workers, pytest.raises(UserError, match="image doesn't exist"):
        draw_answers(
            open_generator(again, target.images),
            target.prompts.read(),
            target,
            SilentProgress(),
            again.model_copy(update={"n": 1}),
            workers=workers,
        )


def test_best_of_chooses_the_same_by_the_same_scores(here: Path, tmp_path: Path):
    for name, engine in (("one", Local()), ("ray", TWO)):
        settings = BestOfSettings(
            model="world:labeler", reference="world:base", n=4, dtype="float32", engine=engine
        )
        made = best_of(here, tmp_path / name, settings, SilentProgress())
        assert made.summary.scored_now == 12
    assert files(tmp_path / "one" / "answers") == files(tmp_path / "ray" / "answers")
    one, other = (
        [(row.key, row.total, row.tokens) for row in RecordSet(folder / "rewards", Ratio).read()]
        for folder in (tmp_path / "one", tmp_path / "ray")
    )
    assert one == other


def test_more_workers_than_the_machine_has_room_for_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    command = ["sample", "--model", "world:base", "--prompts", "world:1", "--engine", "ray"]
    assert run([*command, "--workers", "9999", "--out", str(tmp_path / "x")]) == EXIT_INPUT
    told = capsys.readouterr().err.splitlines()[-3:]
    assert told[0].startswith("error: 9999 workers need 9999 CPUs, but this machine has ")


def test_an_unreachable_cluster_is_an_error_at_once_in_three_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    command = ["sample", "--model", "world:base", "--prompts", "world:1", "--engine", "ray"]
    began = time.monotonic()
    for address in ("127.0.0.1:1", "127.0.0.1:99999"):
        settings = [f"engine.address={address}", "--out", str(tmp_path / "x")]
        assert run([*command, *settings]) == EXIT_INPUT
        what, where, mend = capsys.readouterr().err.splitlines()[-3:]
        assert what.startswith("error: The Ray cluster can't be reached: ")
        assert where.endswith(f"engine.address={address}")
        assert mend.endswith("Start one with `ray start --head`.")
    assert time.monotonic() - began < 60


def test_a_command_that_is_killed_keeps_what_was_drawn_and_goes_on(here: Path, tmp_path: Path):
    command = [sys.executable, "-m", "groundtune", "sample", "--model", "world:base"]
    command += ["--prompts", "world:3", "--n", "4", "--temperature", "1", "--max-new-tokens", "30"]
    command += ["--batch-size", "2", "--engine", "ray", "--out", str(tmp_path), "--json"]
    command += [f"engine.address={os.environ.get('RAY_ADDRESS', 'local')}"]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while child.poll() is None and len(list((tmp_path / "answers").glob("part-*"))) < 2:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    kept = RunFolder(tmp_path).answers.read()
    assert 4 <= len(kept) < 12
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout)["drawn_now"] == 12 - len(kept)
    assert RunFolder(tmp_path).answers.read() == RunFolder(here).answers.read()
