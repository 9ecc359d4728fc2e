"""What clients send, as their public sources say: fields that ask for nothing pass."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from running_server import (
    ANSWER,
    HTTP,
    ScriptedSpeaker,
    body,
    data_url,
    events,
    png,
    refused,
    service_of,
    serving,
)

CHAT = "/v1/chat/completions"
IMAGE = data_url(png())
JPEG = data_url(png(), "image/jpeg")
TEXT = {"type": "text", "text": "What is it?"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, ScriptedSpeaker]]:
    speaker = ScriptedSpeaker()
    with serving(service_of(speaker)) as base:
        yield base, speaker


@pytest.fixture(scope="module")
def client(server: tuple[str, ScriptedSpeaker]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server[0]}/v1", api_key="none", max_retries=0) as client:
        yield client


HARMLESS: dict[str, list[Any]] = {
    "audio": [None, {}],
    "prediction": [None, {"type": "content", "content": "A cup."}],
    "best_of": [1],
    "chat_template_kwargs": [{}],
    "echo": [False],
    "extra_body": [{}],
    "frequency_penalty": [0, 0.0, None],
    "function_call": ["none"],
    "functions": [[], None],
    "ignore_eos": [False],
    "invented": [None],
    "logit_bias": [{}, None],
    "logprobs": [False, None],
    "max_tokens": [None],
    "metadata": [{"run": "3"}, {}, None],
    "min_p": [0.0],
    "modalities": [["text"], []],
    "n": [None, 1],
    "parallel_tool_calls": [True, False, None],
    "presence_penalty": [0],
    "prompt_cache_key": ["k"],
    "reasoning_effort": ["medium", None],
    "repetition_penalty": [1.0],
    "response_format": [{"type": "text"}, {}, None],
    "service_tier": ["auto"],
    "skip_special_tokens": [True],
    "stop": [None, [], ""],
    "store": [False, True],
    "stream": [None, False],
    "stream_options": [None, {}, {"include_usage": None}],
    "tool_choice": ["none", "auto", None],
    "tools": [[], {}, None],
    "top_k": [-1, 0],
    "top_logprobs": [0, None],
    "user": ["me"],
    "verbosity": ["medium"],
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_field_that_asks_for_nothing_passes(server: tuple[str, ScriptedSpeaker], name: str):
    for value in HARMLESS[name]:
        response = HTTP.post(server[0] + CHAT, json=body(image=IMAGE, **{name: value}))
        assert response.status_code == 200, (value, response.text)
        assert response.json()["choices"][0]["message"]["content"] == ANSWER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "required"),
        ("logit_bias", {"50": 10}),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("presence_penalty", 0.5),
        ("repetition_penalty", 1.1),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("best_of", 4),
        ("min_p", 0.1),
        ("tools", 0),
        ("tools", [{}]),
    ],
)
def test_what_would_change_the_answer_is_refused_by_its_name(
    server: tuple[str, ScriptedSpeaker], name: str, value: object
):
    response = HTTP.post(server[0] + CHAT, json=body(**{name: value}))
    assert refused(response) == (400, "unsupported_parameter", name)


MESSAGES: dict[str, dict[str, Any]] = {
    "ours": {"role": "assistant", "content": "A cup.", "refusal": None},
    "ours, with thoughts": {"role": "assistant", "content": "A cup.", "reasoning_content": "Hm?"},
    "OpenAI's": {
        "role": "assistant",
        "content": "A cup.",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
    },
    "litellm's": {
        "role": "assistant",
        "content": "A cup.",
        "tool_calls": None,
        "function_call": None,
        "provider_specific_fields": {"refusal": None},
    },
    "OpenRouter's": {"role": "assistant", "content": "A cup.", "reasoning": "Hm?"},
    "no calls": {"role": "assistant", "content": "A cup.", "tool_calls": []},
    "a part": {"role": "assistant", "content": [{"type": "text", "text": "A cup."}]},
    "a marked part": {
        "role": "assistant",
        "content": [{"type": "text", "text": "A cup.", "cache_control": {"type": "ephemeral"}}],
    },
    "a refusal": {"role": "assistant", "content": None, "refusal": "A cup."},
    "a part that refuses": {
        "role": "assistant",
        "content": [{"type": "refusal", "refusal": "A cup."}],
    },
}


@pytest.mark.parametrize("name", MESSAGES)
def test_an_assistants_message_comes_back_as_a_turn(server: tuple[str, ScriptedSpeaker], name: str):
    base, speaker = server
    messages = [*body(image=IMAGE)["messages"], MESSAGES[name], {"role": "user", "content": "Why?"}]
    response = HTTP.post(base + CHAT, json={"model": "tiny", "messages": messages})
    assert response.status_code == 200, response.text
    turns = speaker.asked[-1][0].messages
    texts = [part.text for message in turns for part in message.content if part.type == "text"]
    assert texts == ["What?", "A cup.", "Why?"]


def test_an_empty_turn_of_the_assistant_is_a_turn_and_one_of_the_user_is_refused(
    server: tuple[str, ScriptedSpeaker],
):
    base, speaker = server
    user = {"role": "user", "content": "Why?"}
    sent = {"model": "tiny", "messages": [user, {"role": "assistant", "content": None}, user]}
    assert HTTP.post(base + CHAT, json=sent).status_code == 200
    assert [message.role for message in speaker.asked[-1][0].messages][1] == "assistant"
    sent["messages"] = [user, {"role": "user", "content": None}]
    assert refused(HTTP.post(base + CHAT, json=sent)) == (400, "invalid_value", "messages.1")


def test_the_official_clients_reply_is_the_next_requests_turn(
    client: openai.OpenAI, server: tuple[str, ScriptedSpeaker]
):
    messages: list[Any] = list(body(image=IMAGE)["messages"])
    for question in ("Are you sure?", "Why?"):
        reply = client.chat.completions.create(model="tiny", messages=messages)
        messages += [reply.choices[0].message, {"role": "user", "content": question}]
    reply = client.chat.completions.create(model="tiny", messages=messages)
    assert reply.choices[0].message.content == ANSWER
    turns = server[1].asked[-1][0].messages
    assert [message.role for message in turns] == ["user", "assistant"] * 2 + ["user"]
    dumped = [*messages[:1], messages[1].model_dump(), *messages[2:]]
    assert client.chat.completions.create(model="tiny", messages=dumped).choices


def test_the_official_clients_stream_helper_gathers_the_answer(client: openai.OpenAI):
    messages: list[Any] = body(image=IMAGE)["messages"]
    with client.chat.completions.stream(
        model="tiny", messages=messages, stream_options={"include_usage": True}
    ) as stream:
        for _ in stream:
            pass
        whole = stream.get_final_completion()
    assert whole.choices[0].message.content == ANSWER
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 8


def test_each_chunk_has_a_usage_field_that_is_null_before_the_last(
    server: tuple[str, ScriptedSpeaker],
):
    asked = body(stream=True, stream_options={"include_usage": True}, n=2)
    chunks = events(HTTP.post(server[0] + CHAT, json=asked))[:-1]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["usage"]["total_tokens"] == 5 + 2 * 8
    plain = events(HTTP.post(server[0] + CHAT, json=body(stream=True)))[:-1]
    assert not any("usage" in chunk for chunk in plain)


# VLMEvalKit, vlmeval/api/gpt.py and lmdeploy.py (commits 00006c5, 00a3812)
VLMEVALKIT = {
    "model": "tiny",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": JPEG, "detail": "low"}},
                {"type": "text", "text": "What is it?"},
            ],
        },
    ],
    "n": 1,
    "temperature": 0,
    "max_tokens": 2048,
}
# lmms-eval, lmms_eval/models/simple/openai.py (commit 098cf8c); the second for names with o1, o3
LMMS_EVAL = {
    "model": "tiny",
    "messages": [
        {"role": "user", "content": [TEXT, {"type": "image_url", "image_url": {"url": IMAGE}}]}
    ],
    "max_tokens": 1024,
    "temperature": 0,
}
LMMS_EVAL_REASONING = {
    "model": "tiny",
    "messages": LMMS_EVAL["messages"],
    "reasoning_effort": "medium",
    "response_format": {"type": "text"},
    "max_completion_tokens": 4096,
}
# inspect_ai, src/inspect_ai/model/_openai.py (commit 02d412f)
INSPECT_AI = {
    "model": "tiny",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [TEXT, {"type": "image_url", "image_url": {"url": IMAGE, "detail": "auto"}}],
        },
        {"role": "assistant", "content": "A cup.", "reasoning_content": "Hm?"},
        {"role": "user", "content": "Why?"},
    ],
    "max_tokens": 2048,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "stop": ["\n\n\n"],
    "logit_bias": {},
    "seed": 42,
    "temperature": 0.5,
    "top_p": 0.9,
    "n": 1,
    "logprobs": False,
}
# litellm 1.110 for openai/tiny: it adds what its caller gave, null included
LITELLM = {
    "model": "tiny",
    "messages": [
        {"role": "user", "content": [TEXT, {"type": "image_url", "image_url": {"url": IMAGE}}]},
        MESSAGES["litellm's"],
        {"role": "user", "content": "Why?"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "extra_body": {},
    "user": "me",
    "metadata": {"trace": "1"},
}
PAYLOADS = {
    "VLMEvalKit": VLMEVALKIT,
    "lmms-eval": LMMS_EVAL,
    "lmms-eval, reasoning": LMMS_EVAL_REASONING,
    "inspect_ai": INSPECT_AI,
    "litellm": LITELLM,
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_a_client_sends_is_answered(server: tuple[str, ScriptedSpeaker], name: str):
    base, speaker = server
    response = HTTP.post(base + CHAT, json=PAYLOADS[name], headers={"x-irid": "abc"})
    assert response.status_code == 200, response.text
    assert speaker.asked[-1][0].question in ("What is it?", "Why?")
    assert len(speaker.asked[-1][0].images) == 1


def test_a_length_above_the_limit_is_lowered_and_the_reply_says_so(client: openai.OpenAI):
    limits = {"max_tokens": 3}
    service = service_of(limits=limits)
    with serving(service) as base:
        for name in ("max_tokens", "max_completion_tokens"):
            response = HTTP.post(base + CHAT, json=body(**{name: 10**9}))
            lowered = {name: {"requested": 10**9, "used": 3}}
            assert response.headers["x-groundtune-clamped"] == f"{name}=3"
            assert response.json()["clamped"] == lowered
            assert response.json()["choices"][0]["message"]["content"] == "A red cup"
            assert response.json()["choices"][0]["finish_reason"] == "length"
            stream = HTTP.post(base + CHAT, json=body(stream=True, **{name: 4}))
            assert stream.headers["x-groundtune-clamped"] == f"{name}=3"
            assert events(stream)[-2]["clamped"] == {name: {"requested": 4, "used": 3}}
        within = HTTP.post(base + CHAT, json=body(max_tokens=3))
        assert "x-groundtune-clamped" not in within.headers
        assert "clamped" not in within.json()
        newer = HTTP.post(base + CHAT, json=body(max_tokens=9, max_completion_tokens=2))
        assert "clamped" not in newer.json()
        assert newer.json()["choices"][0]["message"]["content"] == "A red"
    assert service.metrics.value("clamped_total") == 4


WRONG_PARTS = {
    "messages.0.content.0.text": [{"type": "text", "text": 5}],
    "messages.0.content.1.image_url.url": [
        TEXT,
        {"type": "image_url", "image_url": {"url": 5}},
    ],
    "messages.0.content.1.image_url": [TEXT, {"type": "image_url", "image_url": IMAGE}],
    "messages.0.content.2": [TEXT, TEXT, {"type": "input_audio", "input_audio": {}}],
    "messages.0.content.1": [TEXT, "text"],
    "messages.0.content": 5,
}


@pytest.mark.parametrize("param", WRONG_PARTS)
def test_an_error_in_a_part_names_that_part(server: tuple[str, ScriptedSpeaker], param: str):
    sent = {"model": "tiny", "messages": [{"role": "user", "content": WRONG_PARTS[param]}]}
    response = HTTP.post(server[0] + CHAT, json=sent)
    assert refused(response) == (400, "invalid_value", param)
    assert response.json()["error"]["message"].startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("own", "code", "param"),
    [
        ({"stop": 3}, "invalid_value", "stop"),
        ({"stop": ["a", 3]}, "invalid_value", "stop.1"),
        ({"stop": list("abcde")}, "limit_exceeded", "stop"),
        ({"self_feedback": {"normalise": "x"}}, "invalid_value", "self_feedback.normalise"),
        ({"self_feedback": {"normalise": 2}}, "invalid_value", "self_feedback.normalise"),
        ({"<string>": 1}, "unknown_parameter", "<string>"),
        ({"messages": [None]}, "invalid_value", "messages.0"),
        ({"model": None}, "missing_required_parameter", "model"),
    ],
)
def test_an_error_in_a_field_of_several_types_names_the_field(
    server: tuple[str, ScriptedSpeaker], own: dict[str, Any], code: str, param: str
):
    assert refused(HTTP.post(server[0] + CHAT, json=body() | own)) == (400, code, param)
