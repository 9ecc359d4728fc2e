"""Reward models behind the server: the best of several answers, and rewards of answers that exist.

What `groundtune reward score URL` asks is what /v1/reward answers.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from groundtune.cli.progress import SilentProgress
from groundtune.generate.reward_http import HttpRewarder
from groundtune.pipeline.reward.model import load_reward_model
from groundtune.pipeline.reward.rewarders import OpenedRewarder
from groundtune.pipeline.reward.run import train_reward
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SpanReward
from groundtune.records import Prompt
from groundtune.serve.wire import ServeSettings, open_service
from reward_folder import fill_corrected, settings_for
from running_server import HTTP, ScriptedSpeaker, body, data_url, png, service_of, serving


class Lengths:
    """Fewer words are better; four words have no reward. Its words are wrong if they have an o."""

    def __init__(self) -> None:
        self.asked: list[tuple[Prompt, str]] = []
        self.closed = False

    def reward(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        self.asked += zip(prompts, answers, strict=True)
        lengths = [len(answer.split()) for answer in answers]
        return [math.nan if length == 4 else -float(length) for length in lengths]

    def reward_spans(
        self, prompts: Sequence[Prompt], answers: Sequence[str]
    ) -> list[list[SpanReward]]:
        return [[SpanReward(0, len(a), -1.0 if "o" in a else 1.0)] for a in answers]

    def close(self) -> None:
        self.closed = True

    def opened(self, *, words: bool = False) -> OpenedRewarder:
        return OpenedRewarder(self, "lengths", self.close, self if words else None)


def grown(prompt: Prompt, seed: int) -> str:
    return " ".join(["word"] * (1 + seed % 5))


def question(**own: object) -> dict[str, object]:
    asked = body("Which?", data_url(png()))
    return {"messages": asked["messages"], **own}


def test_the_candidate_with_the_highest_reward_is_returned_and_none_is_never_chosen() -> None:
    rewarder = Lengths()
    with serving(service_of(ScriptedSpeaker(grown), rewarder=rewarder.opened())) as base:
        listed = HTTP.get(f"{base}/v1/models").json()["data"][0]
        sent = body("Grow", seed=3, reward={"n": 40}) | {"model": "tiny"}
        reply = HTTP.post(f"{base}/v1/chat/completions", json=sent).json()
    chosen = reply["reward"]
    assert listed["reward"]
    assert reply["choices"][0]["message"]["content"] == "word"
    assert chosen["rewards"][chosen["chosen"]] == -1
    assert set(chosen["rewards"]) == {None, -1, -2, -3, -5}
    assert (chosen["n"], chosen["distinct"], "normalise" in chosen) == (40, 5, False)
    assert rewarder.closed


def test_answers_are_rewarded_in_the_form_that_reward_score_reads(tmp_path: Path) -> None:
    rewarder = Lengths()
    folder = RunFolder(tmp_path)
    content = [{"type": "image", "image": folder.images.add(png())}]
    content.append({"type": "text", "text": "Which?"})
    prompt = Prompt.model_validate(
        {
            "key": "p",
            "messages": [{"role": "user", "content": content}],
            "facts": ["It is red."],
            "options": ["red", "blue"],
        }
    )
    with serving(service_of(rewarder=rewarder.opened())) as base:
        client = HttpRewarder(f"{base}/v1/reward", folder.images)
        found = client.reward([prompt] * 3, ["It is red.", "Red.", "one two three four"])
        client.close()
    assert found[:2] == [-3, -1]
    assert math.isnan(found[2])
    read, answer = rewarder.asked[0]
    assert (read.question, read.facts, read.options) == ("Which?", prompt.facts, prompt.options)
    assert answer == "It is red."


def test_a_model_that_learnt_words_returns_them() -> None:
    with serving(service_of(rewarder=Lengths().opened(words=True))) as base:
        sent = question(answers=["No cup", "A cat"])
        found = HTTP.post(f"{base}/v1/reward", json=sent).json()
    assert found["rewards"] == [-2, -2]
    assert found["words"] == [
        [{"start": 0, "end": 6, "value": -1.0}],
        [{"start": 0, "end": 5, "value": 1.0}],
    ]


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"answers": []}, "invalid_value", "answers"),
        ({"answers": ["a"] * 65}, "limit_exceeded", None),
        ({"answers": ["a" * 200_001]}, "limit_exceeded", None),
        ({"answers": "a"}, "invalid_value", "answers"),
        ({"answers": ["a"], "messages": []}, "invalid_value", "messages"),
        ({"answers": ["a"], "n": 2}, "unknown_parameter", "n"),
        ({}, "missing_required_parameter", "answers"),
    ],
)
def test_a_bad_request_for_rewards_is_refused(
    changes: dict[str, object], code: str, param: str | None
) -> None:
    with serving(service_of(rewarder=Lengths().opened())) as base:
        reply = HTTP.post(f"{base}/v1/reward", json=question(**changes))
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, code)
    assert param is None or error["param"] == param


def test_rewards_need_a_reward_model_and_one_field_chooses() -> None:
    sent = body("Grow", reward={"n": 2}) | {"model": "tiny"}
    with serving(service_of()) as base:
        for path, asked in (("chat/completions", sent), ("reward", question(answers=["a"]))):
            error = HTTP.post(f"{base}/v1/{path}", json=asked).json()["error"]
            assert (error["code"], error["param"]) == ("not_available", "reward")
            assert "--reward" in error["message"]
    with serving(service_of(rewarder=Lengths().opened())) as base:
        both = sent | {"self_feedback": {"n": 2}}
        error = HTTP.post(f"{base}/v1/chat/completions", json=both).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "reward")


def test_a_trained_reward_model_is_served_and_checks_words(
    tiny_llava: Path, tmp_path: Path
) -> None:
    folder = fill_corrected(tmp_path / "corrected")
    settings = settings_for(tiny_llava, folder.path, learn="words", epochs=1)
    result = train_reward(settings, tmp_path / "words", SilentProgress())
    alone = load_reward_model(result.model, folder.images)
    prompt = folder.prompts.read()[0]
    texts = ["There are 2 cups on the table.", "There are 2 cups and a cat."]
    params = ServeSettings(
        model=str(tiny_llava), reward=str(result.model), labeler=str(result.model), label="tiny"
    )
    with serving(open_service(params, SilentProgress())) as base:
        client = HttpRewarder(f"{base}/v1/reward", folder.images)
        served = client.reward([prompt] * 2, texts)
        client.close()
        sent = body("Describe.", data_url(png()), check=True, max_tokens=6, seed=1)
        reply = HTTP.post(f"{base}/v1/chat/completions", json=sent | {"model": "tiny"}).json()
    assert served == pytest.approx(alone.reward([prompt] * 2, texts), abs=1e-4)
    check = reply["choices"][0]["check"]
    assert check["checked"] == len(check["claims"])
    assert check["unchecked"] == 0
