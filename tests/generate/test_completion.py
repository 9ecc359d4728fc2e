"""What is read of servers' replies, whole and in pieces."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.generate.completion import (
    Completion,
    CompletionReader,
    FirstTokens,
    UnreadableReply,
)


def read(choice: dict[str, Any], **more: object) -> Completion:
    return CompletionReader(1).whole(json.dumps({"choices": [choice], **more}))


def says(content: object, **message: object) -> Completion:
    return read({"message": {"role": "assistant", "content": content, **message}})


@pytest.mark.parametrize(
    ("content", "text", "thoughts"),
    [
        ("A cup.", "A cup.", ""),
        ([{"type": "text", "text": "A "}, {"type": "text", "text": "cup."}], "A cup.", ""),
        (["A ", {"text": "cup."}], "A cup.", ""),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "A dog?"}]},
                {"type": "text", "text": "A cup."},
            ],
            "A cup.",
            "A dog?",
        ),
        (
            [{"type": "reasoning", "text": "A dog?"}, {"type": "output_text", "text": "A"}],
            "A",
            "A dog?",
        ),
        ("<think>A dog?</think>\nA cup.", "A cup.", "A dog?"),
        ([], "", ""),
        (None, "", ""),
    ],
)
def test_text_is_a_string_or_parts_and_thoughts_are_kept_apart(
    content: object, text: str, thoughts: str
):
    (choice,) = says(content).choices
    assert (choice.text, choice.thoughts, choice.refused) == (text, thoughts, False)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_in_a_field_of_their_own_are_kept_apart(field: str):
    (choice,) = says("A cup.", **{field: "A dog?"}).choices
    assert (choice.text, choice.thoughts) == ("A cup.", "A dog?")


def test_a_refusal_is_an_answer_that_is_known_for_one():
    for reply in (
        says(None, refusal="I can't."),
        says([{"type": "refusal", "refusal": "I can't."}]),
    ):
        (choice,) = reply.choices
        assert (choice.text, choice.refused) == ("I can't.", True)
    assert not says("A cup.", refusal=None).choices[0].refused


@pytest.mark.parametrize(
    ("finish", "finished"),
    [("stop", True), (None, True), ("length", False), ("MAX_TOKENS", False), ("eos", True)],
)
def test_an_answer_at_the_limit_is_not_finished(finish: str | None, finished: bool):
    (choice,) = read({"message": {"content": "a"}, "finish_reason": finish}).choices
    assert choice.finished == finished


def test_counts_are_numbers_or_unknown():
    assert read({"message": {"content": "a"}}).tokens_out is None
    usage = {"prompt_tokens": 3, "completion_tokens": "5"}
    reply = read({"message": {"content": "a"}}, usage=usage, model=None)
    assert (reply.tokens_in, reply.tokens_out, reply.model) == (3, None, "")
    reply = read({"message": {"content": "a"}}, usage={"completion_tokens": 0}, model="m")
    assert (reply.tokens_in, reply.tokens_out, reply.model) == (None, 0, "m")


def test_answers_go_by_their_index():
    choices = [{"index": i, "message": {"content": f"{i}"}} for i in (2, 0, 1)]
    reply = CompletionReader(3).whole(json.dumps({"choices": choices}))
    assert [choice.text for choice in reply.choices] == ["0", "1", "2"]
    for indexes in ((0, 0, 1), (0, 1), (0, 1, 3), (0, 1, "2")):
        choices = [{"index": i, "message": {"content": ""}} for i in indexes]
        with pytest.raises(UnreadableReply, match="answers where 3"):
            CompletionReader(3).whole(json.dumps({"choices": choices}))


def test_half_a_surrogate_pair_becomes_a_character_that_files_can_hold():
    whole = b'{"choices": [{"message": {"content": "a \\ud83d b \\ud83d\\ude00 \\ude00"}}]}'
    (choice,) = CompletionReader(1).whole(whole).choices
    assert choice.text == "a \ufffd b \U0001f600 \ufffd"
    halves = CompletionReader(1)
    pieces = [
        halves.piece(json.dumps({"choices": [{"delta": {"content": half}}]}))
        for half in ("a \ud83d", "\ude00 b", "\ud83d")
    ]
    halves.piece('{"choices": [{"delta": {}, "finish_reason": "stop"}]}')
    assert pieces == [[(0, "a ")], [(0, "\U0001f600 b")], []]
    assert halves.end().choices[0].text == "a \U0001f600 b\ufffd"


def logprobs(*likely: tuple[str, Any]) -> FirstTokens | None:
    top = [{"token": token, "logprob": logprob} for token, logprob in likely]
    content = [{"token": "x", "logprob": -1, "top_logprobs": top}]
    choice = {"message": {"content": "x"}, "logprobs": {"content": content}}
    return read(choice).choices[0].first


def test_the_first_tokens_have_probabilities():
    first = logprobs(("Yes", -0.5), ("No", -math.inf), ("Maybe", 0), ("so", 1e-6))
    assert first is not None
    assert first.valid
    assert first.likely == (("Yes", math.exp(-0.5)), ("No", 0.0), ("Maybe", 1.0), ("so", 1.0))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.5, None, "-1", True])
def test_what_is_no_probability_makes_all_of_them_invalid(bad: object):
    first = logprobs(("Yes", -0.5), ("No", bad))
    assert first is not None
    assert not first.valid


@pytest.mark.parametrize(
    "given", [None, {}, {"content": None}, {"content": []}, {"content": [{"token": "x"}]}, "none"]
)
def test_a_reply_may_have_no_log_probabilities(given: object):
    assert read({"message": {"content": "x"}, "logprobs": given}).choices[0].first is None


def test_pieces_make_the_same_reply_as_the_whole():
    reader = CompletionReader(2)
    deltas: list[tuple[int, dict[str, Any], str | None]] = [
        (0, {"role": "assistant", "content": ""}, None),
        (1, {"content": "<thi"}, None),
        (0, {"reasoning_content": "A dog?"}, None),
        (1, {"content": "nk>No?</think>"}, None),
        (0, {"content": "A cup"}, None),
        (1, {"content": " Yes"}, "length"),
        (0, {"content": None}, "stop"),
    ]
    said = [
        reader.piece(
            json.dumps({"choices": [{"index": i, "delta": delta, "finish_reason": finish}]})
        )
        for i, delta, finish in deltas
    ]
    reader.piece(json.dumps({"choices": [], "usage": {"completion_tokens": 9}}))
    reply = reader.end()
    assert [each for each in said if each] == [[(0, "A cup")], [(1, "Yes")]]
    assert [(c.text, c.thoughts, c.finished) for c in reply.choices] == [
        ("A cup", "A dog?", True),
        ("Yes", "No?", False),
    ]
    assert reply.tokens_out == 9


def test_a_stream_that_breaks_off_is_no_answer():
    reader = CompletionReader(1)
    reader.piece('{"choices": [{"delta": {"content": "A"}}]}')
    with pytest.raises(UnreadableReply, match="broke off"):
        reader.end()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "message",
                    "delta",
                    "content",
                    "index",
                    "logprobs",
                    "text",
                    "type",
                    "usage",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["message", "delta"]))
def test_whatever_a_server_sends_is_read_or_refused(sent: object, part: str):
    for body in (sent, {"choices": sent}, {"choices": [{part: sent}]}):
        for add in (CompletionReader(1).whole, CompletionReader(1).piece):
            with suppress(UnreadableReply):
                add(json.dumps(body))
