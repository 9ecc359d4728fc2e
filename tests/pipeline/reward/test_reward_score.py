"""Scores of answers: by packages' rewards and servers, resumed, checked, without facts."""

import json
import math
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from example_packages import EXAMPLES, install, install_example, installed
from groundtune.cli.app import EXIT_DONE, EXIT_INPUT, run
from groundtune.errors import UserError
from groundtune.pipeline.reward.rewarders import REWARDS
from groundtune.pipeline.reward.score import AnswerScore, RewardScoreSettings, score_answers
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.store.dataset import RecordSet
from reward_folder import fill_compared
from scripted_endpoint import Body, ScriptedEndpoint, fail, running, send

DOCS = Path(__file__).parents[3] / "docs" / "reward-custom.md"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return fill_compared(tmp_path / "answers", prompts=6)


def scored(folder: RunFolder, rewarder: str, out: Path | None = None, **settings: object) -> Any:
    params = RewardScoreSettings.model_validate({"rewarder": rewarder, **settings})
    return score_answers(folder.path, out or folder.path, params, SilentProgress())


def rows(path: Path) -> dict[str, float | None]:
    return {row.answer: row.reward for row in RecordSet(path / "scores", AnswerScore).read()}


def test_the_documented_package_scores_and_sorts_answers(folder: RunFolder, tmp_path: Path):
    assert (EXAMPLES / "own_reward" / "own_reward.py").read_text() in DOCS.read_text("utf-8")
    with installed(install_example("own_reward", tmp_path / "site"), REWARDS):
        summary = scored(folder, "few-words")
    assert (summary.answers, summary.scored_now, summary.unrewarded) == (18, 18, 0)
    texts = {answer.key: answer.text for answer in folder.answers.read()}
    assert rows(folder.path) == {key: -len(text.split()) for key, text in texts.items()}
    text = (folder.path / "scores.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    own = [line["reward"] for line in lines if line["prompt"] == "p1"]
    assert own == sorted(own, reverse=True)
    assert len(own) == 3


def test_scored_answers_become_pairs_and_pairs_are_filtered(folder: RunFolder, tmp_path: Path):
    made, agreed = tmp_path / "made", tmp_path / "agreed"
    with installed(install_example("own_reward", tmp_path / "site"), REWARDS):
        scored(folder, "few-words")
        command = ["pairs", "--scores", str(folder.path), "--out", str(made)]
        assert run([*command, "rule=next", "rank=1", "near=1", "excess=99"]) == EXIT_DONE
        pairs = RunFolder(made).pairs.read()
        assert len(pairs) == 6
        assert all(len(pair.chosen) < len(pair.rejected) for pair in pairs)
        turned = [
            pair.model_copy(
                update={"key": f"{pair.key}x", "chosen": pair.rejected, "rejected": pair.chosen}
            )
            for pair in pairs[:2]
        ]
        RunFolder(made).pairs.append(
            [pair.model_copy(update={"chosen_spans": (), "rejected_spans": ()}) for pair in turned]
        )
        command = ["reward", "filter", "few-words", str(made), "--out"]
        assert run([*command, str(agreed)]) == EXIT_DONE
        assert {p.key for p in RunFolder(agreed).pairs.read()} == {p.key for p in pairs}
        assert run([*command, str(made)]) == EXIT_INPUT
        assert run([*command, str(tmp_path / "none"), "margin=99"]) == EXIT_INPUT


def test_answers_that_were_not_scored_make_no_pairs(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
):
    assert run(["pairs", "--scores", str(folder.path)]) == EXIT_INPUT
    assert "Give a folder that groundtune reward score wrote" in capsys.readouterr().err


@contextmanager
def package(folder: Path, body: str) -> Generator[None]:
    points = {"groundtune.rewards": {"mine": "mine_code:Mine"}}
    text = "class Mine:\n    def __init__(self, images):\n        pass\n" + body
    with installed(install(folder, "mine", "1.0", {"mine_code.py": text}, points), REWARDS):
        yield


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    def reward(self, prompts, answers):\n        return [1.0]\n", "1 rewards for 18"),
        ("    def reward(self, prompts, answers):\n        return ['x'] * 18\n", "list of numbers"),
        ("    def score(self):\n        pass\n", "without reward"),
        (
            "    def reward(self, prompts, answers):\n        return [float('nan')] * 18\n",
            "None of 18 answers has a reward",
        ),
    ],
)
def test_a_packages_mistake_is_named(folder: RunFolder, tmp_path: Path, body: str, message: str):
    with package(tmp_path / "site", body), pytest.raises(UserError, match=message):
        scored(folder, "mine")


def test_a_name_that_means_nothing_is_refused(folder: RunFolder):
    with pytest.raises(UserError, match="There is no reward 'nothing'"):
        scored(folder, "nothing")
    with pytest.raises(UserError, match=r"reward\.json is missing"):
        scored(folder, str(folder.path))


def test_a_url_with_a_password_is_refused_and_not_shown(folder: RunFolder):
    with pytest.raises(UserError, match="holds a password") as error:
        scored(folder, "http://ann:secret@127.0.0.1:1/reward")
    assert "secret" not in str(error.value)


class RewardServer(ScriptedEndpoint):
    """Rewards answers by their characters, none for those with three cups."""

    def __init__(self) -> None:
        super().__init__(lambda body, index: "")

    def reply(self, body: Body) -> Body:
        answers = body["answers"]
        return {"rewards": [None if "3" in a else -float(len(a)) for a in answers]}


def test_a_server_is_asked_once_per_prompt_and_again_after_a_passing_fault(folder: RunFolder):
    server = RewardServer()
    server.faults = [fail(503), fail(429, headers={"Retry-After": "0"})]
    with running(server) as found:
        limits = {"first_wait_s": 0.01}
        summary = scored(folder, found.url.removesuffix("/v1") + "/reward", limits=limits)
    assert (summary.scored_now, summary.unrewarded) == (18, 6)
    assert len(server.bodies) == 6 + 2
    body = server.bodies[-1]
    assert len(body["answers"]) == 3
    assert body["facts"] == []
    assert body["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png")
    for answer in folder.answers.read():
        expected = None if "3" in answer.text else -len(answer.text)
        assert rows(folder.path)[answer.key] == expected


def test_a_server_sees_facts_only_if_it_is_to(folder: RunFolder):
    server = RewardServer()
    with running(server) as found:
        scored(folder, found.url + "/reward", facts="shown")
    assert len(server.bodies[0]["facts"]) == 2


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ({"rewards": [1.0]}, "has 1 rewards for 3 answers"),
        ({"scores": [1, 2, 3]}, "has no list of rewards"),
        ([1, 2, 3], "has no list of rewards"),
        ({"rewards": [1, 2, "3"]}, "'3' is not a number"),
        ({"rewards": [1, 2, True]}, "True is not a number"),
    ],
)
def test_a_servers_reply_that_is_no_reward_is_named(folder: RunFolder, reply: Any, message: str):
    server = RewardServer()
    server.refuse = lambda body: lambda handler: send(handler, 200, json.dumps(reply))
    with running(server) as found, pytest.raises(UserError, match=message):
        scored(folder, found.url + "/reward")


def test_a_server_that_refuses_or_never_answers_is_named(folder: RunFolder):
    server = RewardServer()
    server.refuse = lambda body: fail(400, "no facts, no reward")
    with running(server) as found, pytest.raises(UserError, match="no facts, no reward"):
        scored(folder, found.url + "/reward")
    server = RewardServer()
    server.delay_s = 0.5
    limits = {"timeout_s": 0.1, "tries": 2, "first_wait_s": 0.01}
    with running(server) as found, pytest.raises(UserError, match="did not answer in 2 tries"):
        scored(folder, found.url + "/reward", limits=limits)


def test_what_was_scored_is_not_scored_again_but_another_rewarder_is(
    folder: RunFolder, tmp_path: Path
):
    server = RewardServer()
    with running(server) as found:
        url = found.url + "/reward"
        scored(folder, url)
        asked = len(server.bodies)
        assert scored(folder, url).scored_now == 0
        assert len(server.bodies) == asked
        assert scored(folder, url, facts="shown").scored_now == 18
    assert math.isfinite(scored_mean(folder))


def scored_mean(folder: RunFolder) -> float:
    known = [each for each in rows(folder.path).values() if each is not None]
    return sum(known) / len(known)


def test_facts_of_other_images_are_refused_when_answers_are_scored_measured_or_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = fill_compared(tmp_path / "answers", prompts=9)
    prompts = folder.prompts.read()
    shutil.rmtree(folder.prompts.path)
    turned = [*prompts[1:], prompts[0]]
    folder.prompts.append(
        [p.model_copy(update={"facts": o.facts}) for p, o in zip(prompts, turned, strict=True)]
    )
    with installed(install_example("own_reward", tmp_path / "site"), REWARDS):
        for number, command in enumerate(
            (
                ["reward", "score", "few-words", str(folder.path)],
                ["reward", "measure", "few-words", str(folder.path)],
                ["best-of", str(folder.path), "--reward", "few-words", "--n", "3"],
            )
        ):
            out = ["--out", str(tmp_path / f"out {number}")]
            facts = "facts=shown" if command[0] == "best-of" else "--facts=shown"
            assert run([*command, facts, *out]) == EXIT_INPUT
            what = capsys.readouterr().err.splitlines()[-3]
            assert "seem to be of other images" in what
        assert run([*command, "facts=none", *out]) == EXIT_DONE
