"""RecordedReply replies stand in for a judge; archives of the benchmarks' own code are read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.bench.judge.judge import (
    Quiet,
    Request,
    as_judging,
    require_replies,
)
from groundtune.bench.judge.recorded import ABSENT, FEWER, STALE, RecordedJudge
from groundtune.bench.judge.replies import RecordedReply, ReplyFile
from groundtune.errors import UserError


def ask(judge: RecordedJudge, *requests: Request, repeat: int = 0):
    return judge.replies(requests, Quiet(), repeat=repeat)


def lines(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_reply_is_found_by_the_items_id_and_part(tmp_path: Path):
    path = lines(
        tmp_path / "replies.jsonl",
        {"id": 7, "reply": "[[A]]", "model": "judge-1"},
        {"id": 7, "part": "swapped", "reply": "[[B]]"},
    )
    judge = RecordedJudge(path)
    first, other, none = ask(
        judge,
        Request(item="7", text="anything"),
        Request(item="7", text="anything", part="swapped"),
        Request(item="8", text="anything"),
    )
    assert (first.text, first.model, first.status) == ("[[A]]", "judge-1", "given")
    assert other.text == "[[B]]"
    assert (none.status, none.why, none.text) == ("missing", ABSENT, "")
    assert judge.describe()["models"] == "judge-1"


def test_a_reply_with_a_hash_counts_for_that_request_alone(tmp_path: Path):
    asked = Request(item="7", text="Is it good?", system="Be fair.")
    row = {"id": "7", "request_hash": asked.hash, "reply": "yes"}
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", row))
    assert ask(judge, asked)[0].text == "yes"
    changed = Request(item="7", text="Is it bad?", system="Be fair.")
    assert (ask(judge, changed)[0].status, ask(judge, changed)[0].why) == ("missing", STALE)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 100_000, "nested more than 100 deep"),
        ('{"question_id": ' + "1" * 5000 + "}", "too many digits"),
        (
            '{"question_id": 1, "text": ""}\n{"a": ' + "[" * 100_000,
            "nested more than 100 deep",
        ),
        ('{"question_id": 1, "text": ""}\n{"question_id": ' + "1" * 5000 + "}", "too many digits"),
    ],
)
def test_an_archive_beyond_what_json_is_read_to_is_refused(tmp_path: Path, text: str, what: str):
    (tmp_path / "replies.json").write_text(text)
    with pytest.raises(UserError, match=what):
        RecordedJudge(tmp_path / "replies.json")


def test_a_cache_that_is_no_utf_8_is_the_users_error(tmp_path: Path):
    (tmp_path / "cache.jsonl").write_bytes(b'{"id": "1", "reply": "caf\xe9"}\n')
    with pytest.raises(UserError, match="not UTF-8"):
        ReplyFile(tmp_path / "cache.jsonl")


def test_half_a_character_of_a_judge_is_kept_as_a_whole_one(tmp_path: Path):
    file = ReplyFile(tmp_path / "cache.jsonl")
    file.append(RecordedReply(key="k", reply="8 9 \ud83d"))
    assert file.by_key["k"].reply == "8 9 \ufffd"
    assert ReplyFile(tmp_path / "cache.jsonl").by_key == file.by_key


def test_a_reply_to_another_answer_does_not_count(tmp_path: Path):
    row = {"id": "0", "reply": "Rating: 6", "answer": "A cat."}
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", row))
    assert ask(judge, Request(item="0", text="", answer="A cat."))[0].text == "Rating: 6"
    assert ask(judge, Request(item="0", text="", answer="A dog."))[0].why == STALE


def test_two_different_replies_to_one_request_are_refused(tmp_path: Path):
    rows = [{"id": "1", "reply": "yes"}, {"id": "1", "reply": "no"}]
    with pytest.raises(UserError, match="two different replies"):
        RecordedJudge(lines(tmp_path / "replies.jsonl", *rows))
    rows[1]["repeat"] = 1
    judge = RecordedJudge(lines(tmp_path / "repeats.jsonl", *rows))
    assert [ask(judge, Request(item="1", text=""), repeat=r)[0].text for r in (0, 1)] == [
        "yes",
        "no",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.json", '[{"something": 1}]'),
        ("text.jsonl", "not JSON at all\n"),
        ("number.json", "3"),
        ("noreply.jsonl", '{"id": "1"}\n{"id": "2"}\n'),
        ("nobody.jsonl", '{"reply": "yes"}\n'),
        ("archive.json", '[{"choices": []}]'),
    ],
)
def test_a_file_of_unknown_layout_is_the_users_error(tmp_path: Path, name: str, content: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError):
        RecordedJudge(tmp_path / name)
    with pytest.raises(UserError):
        RecordedJudge(tmp_path / "absent.json")


def test_the_archives_of_the_five_benchmarks_are_read(tmp_path: Path):
    def archive(name: str, data: object) -> RecordedJudge:
        (tmp_path / name).write_text(json.dumps(data))
        return RecordedJudge(tmp_path / name)

    completion = {"model": "gpt-4-0314", "choices": [{"message": {"content": "Rating: 3"}}]}
    (reply,) = ask(archive("mmhal.json", [completion]), Request(item="0", text=""))
    assert (reply.text, reply.model) == ("Rating: 3", "gpt-4-0314")
    merged = archive("merged.json", [{"gpt4_review": "Rating: 2", "model_answer": "a"}])
    assert ask(merged, Request(item="0", text="", answer="a"))[0].text == "Rating: 2"

    row = {"category": "VD", "subcategory": "map", "set_id": "1", "figure_id": 0, "question_id": 2}
    hallusion = archive("vd.json", [row | {"gpt4v_output_gpt_check": "2", "same": "1"}])
    same = Request(item="VD_map_1_0_2", text="", part="same")
    assert ask(hallusion, Request(item="VD_map_1_0_2", text=""))[0].text == "unclear"
    assert ask(hallusion, same)[0].text == "same"

    review = {"question_id": 3, "content": "8 9\nGood.", "tuple": [8.0, 9.0], "category": "conv"}
    llava = RecordedJudge(lines(tmp_path / "review.jsonl", review))
    assert ask(llava, Request(item="3", text=""))[0].stored == (8.0, 9.0)

    judged = {"raw_judgement": "Judgement:\n1. correct", "model_response": "A cat."}
    shr = archive("judgement.json", {"run1": {"521": judged}})
    assert "correct" in ask(shr, Request(item="521", text="", answer="A cat."))[0].text

    overall = archive("ab.json", [{"review": "[[B]]", "image": 4, "modelB": "mine"}])
    assert ask(overall, Request(item="4", text=""))[0].text == "[[B]]"
    hall = archive("ab.hall.json", [{"review_text": "[[B]]", "review_res": "[[C]]"}])
    asked = Request(item="4", text="", part="hallucination", answer="[[B]]")
    assert ask(hall, asked)[0].text == "[[C]]"


def test_official_code_that_needs_every_reply_refuses_gaps(tmp_path: Path):
    judging = as_judging(RecordedJudge(lines(tmp_path / "r.jsonl", {"id": 1, "reply": "a"})), "x")
    replies = judging.ask([Request(item="1", text=""), Request(item="2", text="")])
    assert (replies.missing, replies.failed) == (1, 0)
    with pytest.raises(UserError, match="1 of 2 judge replies are missing"):
        require_replies(replies, "MMHal-Bench")
    with pytest.raises(UserError, match="none was given"):
        as_judging(None, "mmhal")
    with pytest.raises(ValueError, match="same item and part"):
        judging.ask([Request(item="1", text="a"), Request(item="1", text="b")])


def test_anything_that_grades_is_a_judge():
    class Grades:
        def grade(self, request: str) -> str:
            return request.upper()

    request = Request(item="1", text="text", system="system")
    assert as_judging(Grades(), "x").ask([request]).get("1").text == "SYSTEM\n\nTEXT"


def test_a_line_that_a_killed_writer_left_unfinished_is_dropped(tmp_path: Path):
    path = tmp_path / "kept.jsonl"
    ReplyFile(path).append(RecordedReply(id="1", key="k1", reply="whole\nof two lines"))
    with path.open("ab") as file:
        file.write(b'{"id": "2", "key": "k2", "rep')
    cache = ReplyFile(path)
    assert list(cache.by_key) == ["k1"]
    cache.append(RecordedReply(id="2", key="k2", reply="again"))
    reopened = ReplyFile(path)
    assert {key: each.reply for key, each in reopened.by_key.items()} == {
        "k1": "whole\nof two lines",
        "k2": "again",
    }


def test_no_flipped_bit_of_a_cached_reply_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = tmp_path / "kept.jsonl"
    for key in ("k1", "k2"):
        ReplyFile(path).append(RecordedReply(id="1", key=key, reply="Rating: 6", tokens_in=12))
    whole = path.read_bytes()
    for place in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        caplog.clear()
        if place < len(whole) * 8 - 8:
            with pytest.raises(UserError):
                ReplyFile(path)
        else:
            assert list(ReplyFile(path).by_key) == ["k1"]
            assert "incomplete last line" in caplog.text


@given(st.text(), st.text(), st.text())
def test_a_requests_hash_keeps_system_and_text_apart(system: str, text: str, other: str):
    first = Request(item="1", text=text, system=system)
    assert first.hash == Request(item="2", text=text, system=system, answer="x").hash
    assert (first.hash == Request(item="1", text=other, system=system).hash) == (text == other)
    if system:
        assert first.hash != Request(item="1", text=system + text).hash


def test_items_of_one_text_have_the_replies_of_the_file_in_its_order(tmp_path: Path):
    rows = [{"reply": r, "answer": a} for r, a in (("x", "A"), ("y", "B"), ("z", "A"), ("x", "A"))]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", *rows))
    said = [Request(item=str(i), text=str(i), answer=a) for i, a in enumerate("AABAA")]
    replies = ask(judge, *said)
    assert [reply.text for reply in replies] == ["x", "z", "y", "x", ""]
    assert (replies[4].status, replies[4].why) == ("missing", FEWER)
    assert ask(judge, *said) == replies
    with pytest.raises(UserError, match="3 replies to 'A', but 2 of the items have this text"):
        ask(judge, *said[:2])


def test_items_of_one_request_have_the_reply_with_their_id_else_the_next(tmp_path: Path):
    same = Request(item="", text="equal")
    named = [{"id": i, "request_hash": same.hash, "reply": f"to {i}"} for i in "ab"]
    unnamed = [{"request_hash": same.hash, "reply": text} for text in ("first", "second")]
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", *named, named[0], *unnamed))
    asked = [Request(item=name, text="equal") for name in ("c", "b", "d", "a")]
    assert [r.text for r in ask(judge, *asked)] == ["first", "to b", "second", "to a"]


def test_equal_replies_that_are_left_over_may_be_there(tmp_path: Path):
    rows = [{"reply": "x", "answer": "A"}] * 3
    judge = RecordedJudge(lines(tmp_path / "replies.jsonl", *rows))
    assert ask(judge, Request(item="1", text="", answer="A"))[0].text == "x"


COMPLETION = {"choices": [{"message": {"content": "Rating: 4"}}]}
PARTS = {"choices": [{"message": {"content": [{"type": "text", "text": "Rating: 4"}]}}]}


@pytest.mark.parametrize(
    "content",
    [
        {"replies": [{"id": "0", "reply": "Rating: 4"}]},
        {"model": "j", "results": [COMPLETION]},
        {"0": "Rating: 4"},
        {"0": COMPLETION},
        {"0": {"reply": "Rating: 4", "id": "0"}},
        {"0": {"image": "0", "raw_judgement": "Rating: 4"}},
        {"run1": {"0": {"raw_judgement": "Rating: 4"}}},
        [PARTS],
        {"custom_id": "0", "response": {"status_code": 200, "body": COMPLETION}},
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_replies_in_another_nesting_and_with_a_byte_order_mark_are_read(
    tmp_path: Path, content: object, mark: str
) -> None:
    (tmp_path / "replies.json").write_text(mark + json.dumps(content), encoding="utf-8")
    judge = RecordedJudge(tmp_path / "replies.json")
    assert ask(judge, Request(item="0", text=""))[0].text == "Rating: 4"
