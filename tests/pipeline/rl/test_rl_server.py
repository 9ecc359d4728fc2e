"""Rollouts by a server with vLLM's API: the same run as in process, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import UserError
from groundtune.pipeline.rl.run import rl
from groundtune.pipeline.rl.settings import RLSettings
from groundtune.protocols import SilentProgress
from groundtune.store.dataset import RecordSet
from groundtune.train.rollout import Rollout
from lora_server import LoraServer
from rl_folder import Killed, Letters, prompt_rows, recipe
from scripted_endpoint import running


@pytest.fixture
def server(tiny_llava: Path) -> Iterator[LoraServer]:
    with running(LoraServer(tiny_llava)) as endpoint:
        assert isinstance(endpoint, LoraServer)
        yield endpoint


def settings_of(server: LoraServer, model: Path, asked: Path, **changes: object) -> RLSettings:
    chosen: dict[str, object] = {
        "server": f"openai:tiny@{server.url}",
        "tune": {"type": "lora", "r": 8, "dropout": 0.0},
        "optim": {"lr": 1e-2},
        "steps": 3,
        "held_out": 0,
        "eval_every": 0,
    }
    return recipe(model, asked, **(chosen | changes))


def steps_of(settings: RLSettings, out: Path) -> list[dict[str, Any]]:
    rl(settings, out, SilentProgress(), rewarders={"letters": Letters()})
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_servers_rollouts_train_as_those_drawn_in_process_and_adapters_are_reloaded(
    server: LoraServer, tiny_llava: Path, tmp_path: Path
) -> None:
    asked = prompt_rows(tmp_path / "asked")
    served = steps_of(settings_of(server, tiny_llava, asked), tmp_path / "served")
    assert [name[:-9] for name in server.loaded] == [f"served-step-{n:06d}" for n in (1, 2, 3)]
    assert server.models_by_name.keys() == {"tiny", server.loaded[-1]}
    assert server.most_at_once > 4  # answers to other prompts don't wait for a group's last one
    assert all(line["gap_factor"] < 1.0001 for line in served)
    assert all(line["importance"] == pytest.approx(1, abs=1e-4) for line in served)
    rollouts = RecordSet(tmp_path / "served" / "rollouts" / "step-000002", Rollout).read()
    assert len(rollouts) == 12
    body = next(body for body in server.bodies if "messages" in body)
    assert (body["temperature"], body["top_p"], body["repetition_penalty"]) == (1, 1, 1)
    assert body["logit_bias"]
    assert body["messages"][0]["content"][0]["type"] == "image_url"
    losses = [line["loss"] for line in served]
    assert len(losses) == 3


def test_a_run_that_a_server_ended_loses_and_repeats_no_rollout(
    server: LoraServer, tiny_llava: Path, tmp_path: Path
) -> None:
    settings = settings_of(server, tiny_llava, prompt_rows(tmp_path / "asked"), steps=1)
    server.fail_after = 7
    with pytest.raises(UserError, match="out of order"):
        steps_of(settings, tmp_path / "out")
    folder = RecordSet(tmp_path / "out" / "rollouts" / "step-000001", Rollout)
    kept = {each.key: each for each in folder.read()}
    assert len(kept) == server.drawn == 7
    server.fail_after = None
    steps_of(settings, tmp_path / "out")
    assert server.drawn == 12
    after = {each.key: each for each in folder.read()}
    assert len(after) == 12
    assert all(after[key] == each for key, each in kept.items())
    assert len(folder.parts()) == 1


def test_a_run_that_was_killed_resumes_at_a_server_that_has_its_adapter(
    server: LoraServer, tiny_llava: Path, tmp_path: Path
) -> None:
    settings = settings_of(server, tiny_llava, prompt_rows(tmp_path / "asked"), save_every=1)
    whole = steps_of(settings, tmp_path / "whole")
    out = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        rl(settings, out, SilentProgress(), rewarders={"letters": Killed(1)})
    [rollouts] = [len(RecordSet(out / "rollouts" / "step-000002", Rollout).read())]
    drawn = server.drawn
    killed = steps_of(settings, out)
    assert server.drawn - drawn == 12  # those of step 2 are used, not drawn again
    assert rollouts == 12
    names = ("reward", "loss", "gap", "tokens")
    assert [[line[n] for n in names] for line in killed] == [
        pytest.approx([line[n] for n in names], rel=1e-3, abs=1e-5) for line in whole
    ]
    assert len(server.models_by_name) == 3  # what it serves, and one adapter of each run


def test_a_load_whose_reply_was_lost_is_no_fault(
    server: LoraServer, tiny_llava: Path, tmp_path: Path
) -> None:
    server.loses_replies = True
    settings = settings_of(server, tiny_llava, prompt_rows(tmp_path / "asked"), steps=1)
    assert len(steps_of(settings, tmp_path / "out")) == 1
    assert len(server.loaded) == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"drop_logprobs": True}, "returns 0 log-probabilities of"),
        ({"drop_ids": True}, "does not return the tokens it read and drew"),
        ({"expand_twice": True}, "read other tokens of a prompt than the trainer"),
        ({"refuses_adapters": True}, "does not load the adapter"),
        ({"shift": -0.1}, "differ by a mean factor of 1.105"),
        ({"shift": float("nan")}, "returns 0 log-probabilities of"),
        ({"changed": dict.fromkeys(range(1000), 100_000)}, "drew token 100000, but the model has"),
        ({"changed": {token: token ^ 1 for token in range(20, 100)}}, "differ by a mean factor"),
        ({"finish": "content_filter"}, "ended an answer by 'content_filter'"),
        ({"finish": "stop"}, "which is no end token"),
    ],
)
def test_a_server_that_does_not_return_the_policys_answers_is_refused(
    fault: dict[str, Any], says: str, server: LoraServer, tiny_llava: Path, tmp_path: Path
) -> None:
    for name, value in fault.items():
        setattr(server, name, value)
    settings = settings_of(server, tiny_llava, prompt_rows(tmp_path / "asked"), steps=1)
    with pytest.raises(UserError, match=says):
        steps_of(settings, tmp_path / "out")
    assert not (tmp_path / "out" / "model").exists()


def test_a_stale_adapter_is_noticed_after_the_first_refresh(
    server: LoraServer, tiny_llava: Path, tmp_path: Path
) -> None:
    server.stale = True
    asked = prompt_rows(tmp_path / "asked")
    settings = settings_of(server, tiny_llava, asked, optim={"lr": 0.1}, steps=6)
    with pytest.raises(UserError, match="differ by a mean factor") as caught:
        steps_of(settings, tmp_path / "out")
    assert caught.value.where != "step 1"


def test_a_small_difference_is_a_warning(
    server: LoraServer, tiny_llava: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.shift = -0.03
    settings = settings_of(server, tiny_llava, prompt_rows(tmp_path / "asked"), steps=1)
    [step] = steps_of(settings, tmp_path / "out")
    assert "by a mean factor of 1.030" in caplog.text
    assert step["importance"] == pytest.approx(1.03, abs=0.01)


def test_a_server_needs_an_adapter(tiny_llava: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"server needs tune.type=lora"):
        recipe(tiny_llava, tmp_path / "p", server="openai:m@http://127.0.0.1:1/v1")
