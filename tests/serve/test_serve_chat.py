import json
import math
from collections.abc import Iterator, Sequence

import httpx
import openai
import pytest

from groundtune.protocols import Rewarder
from groundtune.records import Claim, Prompt
from running_server import (
    ANSWER,
    HTTP,
    ScriptedSpeaker,
    body,
    claims_of,
    data_url,
    events,
    png,
    service_of,
    serving,
)


class WordReward:
    """The number of words, or its inverse."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def reward(self, prompts: list[Prompt], answers: list[str]) -> list[float]:
        return [self.sign * float(len(answer.split())) for answer in answers]


def grown(prompt: Prompt, seed: int) -> str:
    return " ".join(["word"] * (1 + seed % 5))


LONGEST: Rewarder = WordReward(1)
SHORTEST: Rewarder = WordReward(-1)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    service = service_of(
        ScriptedSpeaker(
            lambda prompt, seed: ANSWER if "What" in prompt.question else grown(prompt, seed)
        ),
        rewarders=lambda power: LONGEST if power else SHORTEST,
        check=claims_of,
    )
    with serving(service) as base:
        yield base


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def post(url: str, **own: object) -> httpx.Response:
    return HTTP.post(f"{url}/v1/chat/completions", json=body(**own), timeout=20)


IMAGE = data_url(png())
MESSAGES = body(image=IMAGE)["messages"]


def test_the_official_client_gets_an_answer(client: openai.OpenAI):
    reply = client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert reply.choices[0].message.content == ANSWER
    assert (reply.choices[0].finish_reason, reply.model) == ("stop", "tiny")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (5, 8)
    cut = client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=3)
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("A red cup", "length")


def test_the_official_client_streams_an_answer(client: openai.OpenAI):
    stream = client.chat.completions.create(
        model="tiny", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == ANSWER
    assert len([piece for piece in pieces if piece]) == len(ANSWER.split(" "))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 13


def test_the_official_client_lists_the_model_and_gets_errors_of_its_own_kinds(
    client: openai.OpenAI,
):
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="other", messages=MESSAGES)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        client.chat.completions.create(model="tiny", messages=MESSAGES, max_tokens=0)


def test_the_model_sees_the_very_image_and_texts(url: str):
    speaker = ScriptedSpeaker()
    seen: list[object] = []

    def look(prompt: Prompt, seed: int) -> str:
        seen.append([service.images.open(sha).getpixel((0, 0)) for sha in prompt.images])
        return "ok"

    speaker.text = look
    service = service_of(speaker)
    system = {"role": "developer", "content": "Be brief."}
    with serving(service) as base:
        sent = body("Hm?", data_url(png("blue")), temperature=0.3, top_p=0.8, top_k=7, seed=-1)
        sent["messages"].insert(0, system)
        assert HTTP.post(f"{base}/v1/chat/completions", json=sent).status_code == 200
    prompt, sampling, seeds = speaker.asked[0]
    assert seen == [[(0, 0, 255)]]
    assert [(m.role, len(m.content)) for m in prompt.messages] == [("system", 1), ("user", 2)]
    assert prompt.question == "Hm?"
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.3, 0.8, 7)
    assert seeds == (2**63 - 1,)
    assert len(service.images) == 0


def test_a_seed_makes_the_same_answers_and_none_makes_new_ones(url: str):
    def texts(**own: object) -> list[str]:
        choices = post(url, text="Grow", n=8, **own).json()["choices"]
        return [choice["message"]["content"] for choice in choices]

    assert texts(seed=4) == texts(seed=4)
    assert len({*texts(seed=4)}) > 1
    assert len({tuple(texts()) for _ in range(4)}) > 1


def test_several_answers_stream_side_by_side(url: str):
    said = ["", "", ""]
    told = events(post(url, text="Grow", n=3, seed=1, stream=True))
    for event in told[:-1]:
        choice = event["choices"][0]
        said[choice["index"]] += choice["delta"].get("content") or ""
    whole = post(url, text="Grow", n=3, seed=1).json()["choices"]
    assert said == [choice["message"]["content"] for choice in whole]
    assert told[-1] == "[DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_ends_before_a_stop(url: str, stream: bool):
    reply = post(url, stop=["table", "cup \u2615 st"], stream=stream)
    if stream:
        chunks = [event["choices"][0] for event in events(reply)[:-1]]
        text = "".join(chunk["delta"].get("content") or "" for chunk in chunks)
    else:
        text = reply.json()["choices"][0]["message"]["content"]
    assert text == "A red "


@pytest.mark.parametrize(("normalise", "words"), [(True, 5), (False, 1), (0.25, 5)])
def test_self_feedback_returns_the_candidate_with_the_highest_reward(
    url: str, normalise: float, words: int
):
    wanted = {"n": 40, "normalise": normalise}
    reply = post(url, text="Grow", seed=3, self_feedback=wanted).json()
    text, told = reply["choices"][0]["message"]["content"], reply["self_feedback"]
    assert text.split() == ["word"] * words
    assert (told["n"], told["normalise"], len(told["rewards"])) == (40, normalise, 40)
    assert told["rewards"][told["chosen"]] == max(told["rewards"])
    assert told["distinct"] == len(set(told["rewards"])) == 5
    assert told["tokens"] == reply["usage"]["completion_tokens"] > 40
    assert len(reply["choices"]) == 1


def test_self_feedback_streams_the_chosen_answer_alone(url: str):
    told = events(post(url, text="Grow", seed=3, self_feedback={"n": 40}, stream=True))
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in told[:-1])
    assert text.split() == ["word"] * 5
    assert told[-2]["self_feedback"]["n"] == 40


def test_an_empty_candidate_is_chosen_only_where_all_are(url: str):
    speaker = ScriptedSpeaker(lambda prompt, seed: "" if seed % 2 else "some words")
    with serving(service_of(speaker, rewarders=lambda power: SHORTEST)) as base:
        reply = post(base, self_feedback={"n": 16}, seed=2).json()
        assert reply["choices"][0]["message"]["content"] == "some words"
        speaker.text = lambda prompt, seed: ""
        reply = post(base, self_feedback={"n": 2}).json()
        assert reply["choices"][0]["message"]["content"] == ""


class BrokenReward:
    """NaN for the longest answers, for which infinity would be the highest reward."""

    def __init__(self, *broken: float) -> None:
        self.broken = broken

    def reward(self, prompts: list[Prompt], answers: list[str]) -> list[float]:
        lengths = [len(answer.split()) for answer in answers]
        return [self.broken[n % len(self.broken)] if n > 2 else float(n) for n in lengths]


def test_a_reward_that_is_no_number_is_null_and_never_chosen():
    broken = BrokenReward(math.nan, math.inf, -math.inf)
    with serving(service_of(ScriptedSpeaker(grown), rewarders=lambda power: broken)) as base:
        reply = post(base, self_feedback={"n": 20}, seed=3).json()
        feedback = reply["self_feedback"]
        assert set(feedback["rewards"]) == {None, 1.0, 2.0}
        assert feedback["rewards"][feedback["chosen"]] == 2.0
        assert reply["choices"][0]["message"]["content"] == "word word"


def test_rewards_that_are_all_no_numbers_are_an_error_of_the_server():
    speaker = ScriptedSpeaker(lambda prompt, seed: "one two three")
    broken = BrokenReward(math.nan)
    with serving(service_of(speaker, rewarders=lambda power: broken)) as base:
        reply = post(base, self_feedback={"n": 2})
        assert (reply.status_code, reply.json()["error"]["code"]) == (500, "model_not_finite")
        assert "rewards of all candidates are not numbers" in reply.json()["error"]["message"]


def test_check_returns_each_claim_with_its_characters(url: str):
    choice = post(url, check=True).json()["choices"][0]
    check, text = choice["check"], choice["message"]["content"]
    assert (check["checked"], check["rejected"], check["unchecked"]) == (2, 1, 0)
    cup, red = check["claims"]
    assert (text[red["start"] : red["end"]], red["verdict"]) == ("red", "rejected")
    assert math.isclose(red["p_yes"], 0.2)
    assert text[cup["start"] : cup["end"]] == "red cup"


def test_a_check_that_checked_nothing_says_why():
    def nothing(prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        return [[] for _ in answers]

    def unchecked(prompts: Sequence[Prompt], answers: Sequence[str]) -> list[list[Claim]]:
        claims = [own[0] for own in claims_of(prompts, answers)]
        change = {"p_yes": None, "p_no": None, "status": "unchecked"}
        return [[claim.model_copy(update=change)] for claim in claims]

    notes: list[object] = []
    for check in (nothing, unchecked, claims_of):
        with serving(service_of(check=check)) as base:
            choice = post(base, image=IMAGE, check=True).json()["choices"][0]
            notes.append(choice["check"]["note"])
    assert notes == [
        "Nothing could be checked: no claims were found in the answer.",
        "Nothing could be checked: no claim has a verdict.",
        None,
    ]


def test_the_official_client_sees_the_claims_in_a_stream_before_its_end(client: openai.OpenAI):
    stream = client.chat.completions.create(
        model="tiny", messages=MESSAGES, stream=True, extra_body={"check": True}
    )
    choices = [chunk.choices[0] for chunk in stream]
    found = [i for i, choice in enumerate(choices) if (choice.model_extra or {}).get("check")]
    assert len(found) == 1
    assert choices[found[0]].check["rejected"] == 1  # type: ignore[attr-defined]
    assert choices[-1].finish_reason == "stop"
    assert found[0] == len(choices) - 2


def test_what_the_server_was_not_started_with_is_refused_with_the_option_that_gives_it():
    with serving(service_of()) as base:
        check = post(base, check=True)
        feedback = post(base, self_feedback={"n": 2})
        listed = HTTP.get(f"{base}/v1/models").json()["data"][0]
    assert (check.status_code, feedback.status_code) == (400, 400)
    assert "--labeler" in check.json()["error"]["message"]
    assert "--reference" in feedback.json()["error"]["message"]
    assert (listed["check"], listed["self_feedback"]) == (False, False)


def test_health_and_metrics_report_what_was_done():
    with serving(service_of(check=claims_of)) as base:
        post(base, check=True)
        post(base, max_tokens=0)
        HTTP.get(f"{base}/no/such/path?x=1")
        health = HTTP.get(f"{base}/health").json()
        metrics = HTTP.get(f"{base}/metrics")
    assert health == {"status": "ok", "running": 0, "waiting": 0}
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = metrics.text.splitlines()
    chat = 'groundtune_requests_total{path="/v1/chat/completions",status='
    assert f'{chat}"200"}} 1' in lines
    assert f'{chat}"400"}} 1' in lines
    assert 'groundtune_requests_total{path="other",status="404"} 1' in lines
    assert "groundtune_completion_tokens_total 8" in lines
    assert 'groundtune_claims_total{verdict="rejected"} 1' in lines
    assert "groundtune_request_seconds_count 1" in lines
    assert 'groundtune_request_seconds_bucket{le="+Inf"} 1' in lines
    assert all(line.startswith(("#", "groundtune_")) for line in lines)


def test_the_schema_describes_the_request(url: str):
    document = HTTP.get(f"{url}/openapi.json").json()
    chat = document["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    assert chat["content"]["application/json"]["schema"]["$ref"].endswith("/ChatRequest")
    schemas = document["components"]["schemas"]
    assert {"self_feedback", "check", "messages"} <= set(schemas["ChatRequest"]["properties"])
    names = {ref.split("/")[-1] for ref in _refs(document)}
    assert names <= set(schemas)


def _refs(value: object) -> Iterator[str]:
    text = json.dumps(value)
    for piece in text.split('"$ref": "')[1:]:
        yield piece.split('"')[0]
