import base64
import gzip
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.generate import client
from groundtune.generate.endpoint import EndpointSettings
from groundtune.generate.openai import OpenAIGenerator
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.store.images import ImageStore
from scripted_endpoint import Body, ScriptedEndpoint, fail, hang_up, running, send

Make = Callable[..., OpenAIGenerator]
WARM = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=30)


class Colours:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (4, 3), sha256)


def ask(text: str, *images: str, system: str = "") -> Prompt:
    content = (*(ImagePart(image=image) for image in images), TextPart(text=text))
    user = Message(role="user", content=content)
    before = (Message(role="system", content=(TextPart(text=system),)),) if system else ()
    return Prompt(key=f"{text}{images}", messages=(*before, user))


def question(body: Body) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    scripted = ScriptedEndpoint(lambda body, index: f"{question(body)} {body.get('seed')} {index}")
    with running(scripted):
        yield scripted


@pytest.fixture
def make(endpoint: ScriptedEndpoint) -> Iterator[Make]:
    made: list[OpenAIGenerator] = []

    def build(*, urls: tuple[str, ...] = (), images: object = None, **own: object):
        settings = EndpointSettings.model_validate(
            {"model": "tiny", "urls": urls or (endpoint.url,), "first_wait_s": 0.01, **own}
        )
        made.append(OpenAIGenerator(settings, images or Colours()))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for generator in made:
        generator.close()


def test_answers_come_in_the_prompts_order_each_drawn_with_its_own_seed(
    endpoint: ScriptedEndpoint, make: Make
):
    prompts = [ask(f"q{i}", colour) for i, colour in enumerate(["red", "blue", "red", "green"])]
    replies = make().generate(prompts, WARM, [11, 12, 13, 2**62 + 5])
    assert [reply.text for reply in replies] == ["q0 11 0", "q1 12 0", "q2 13 0", "q3 5 0"]
    assert all(reply.finished and reply.tokens == 4 for reply in replies)
    sent = endpoint.bodies[0]
    assert (sent["model"], sent["temperature"], sent["top_p"]) == ("tiny", 0.7, 0.9)
    assert (sent["max_tokens"], "top_k" in sent, "n" in sent) == (30, False, False)


def test_a_message_keeps_its_roles_parts_and_the_very_image(endpoint: ScriptedEndpoint, make: Make):
    make().generate([ask("What?", "red", "#0000ff", system="Be brief.")], WARM, [1])
    system, user = endpoint.bodies[0]["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert [part["type"] for part in user["content"]] == ["image_url", "image_url", "text"]
    mime, data = user["content"][1]["image_url"]["url"].split(";base64,")
    image = Image.open(BytesIO(base64.b64decode(data)))
    assert (mime, image.size, image.getpixel((0, 0))) == ("data:image/png", (4, 3), (0, 0, 255))


def test_a_plain_file_goes_as_it_is_and_any_other_as_the_upright_image(
    endpoint: ScriptedEndpoint, make: Make, tmp_path: Path
):
    def jpeg(**options: object) -> bytes:
        stream = BytesIO()
        Image.new("RGB", (6, 2), "red").save(stream, "JPEG", **options)
        return stream.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    grey = BytesIO()
    Image.new("L", (6, 2), 90).save(grey, "PNG")
    files = [jpeg(), jpeg(exif=turned), grey.getvalue()]
    for kind in ("GIF", "BMP", "TIFF", "PPM", "AVIF"):
        other = BytesIO()
        Image.new("RGB", (6, 2), "red").save(other, kind)
        files.append(other.getvalue())
    store = ImageStore(tmp_path)
    make(images=store).generate([ask("What?", *(store.add(data) for data in files))], WARM, [1])
    parts = endpoint.bodies[0]["messages"][0]["content"][: len(files)]
    urls = [part["image_url"]["url"] for part in parts]
    sent = [base64.b64decode(url.split(",")[1]) for url in urls]
    assert sent[0] == files[0]
    assert urls[0].startswith("data:image/jpeg;")
    assert Image.open(BytesIO(sent[1])).size == (2, 6)
    assert Image.open(BytesIO(sent[2])).mode == "RGB"
    for url, data in zip(urls[3:], sent[3:], strict=True):
        assert url.startswith("data:image/png;")
        image = Image.open(BytesIO(data), formats=["PNG"])
        assert (image.size, image.mode) == ((6, 2), "RGB")


def test_the_producer_has_the_served_models_name_and_not_the_url(
    endpoint: ScriptedEndpoint, make: Make
):
    producer = make().producer(WARM, 3)
    assert (producer.kind, producer.name, producer.revision) == (
        "model",
        "openai:tiny",
        "org/tiny-7b",
    )
    endpoint.models = []
    assert make().revision == ""


def test_requests_about_one_image_go_to_one_server_one_after_the_other(make: Make):
    images = [f"#0000{i:02x}" for i in range(40)]  # ports decide which server has which
    prompts = [ask(f"q{i}", image) for i in range(4) for image in images]
    servers = [ScriptedEndpoint(lambda body, index: question(body)) for _ in range(2)]
    with running(servers[0]), running(servers[1]):
        urls = tuple(server.url for server in servers)
        replies = make(urls=urls, concurrency=1).generate(prompts, WARM, range(160))
    assert [reply.text for reply in replies] == [f"q{i}" for i in range(4) for _ in images]
    seen = [[str(body["messages"][0]["content"][0]) for body in s.bodies] for s in servers]
    assert not set(seen[0]) & set(seen[1])
    assert min(len(set(own)) for own in seen) >= 3
    for own in seen:
        assert sum(a != b for a, b in pairwise(own)) == len(set(own)) - 1


def test_passing_faults_are_tried_again_and_cost_no_answer(endpoint: ScriptedEndpoint, make: Make):
    endpoint.faults = [
        fail(500),
        fail(429),
        hang_up,
        lambda handler: send(handler, 200, "<html>busy</html>"),
        lambda handler: send(handler, 200, "[1]"),
    ]
    prompts = [ask(f"q{i}", "red") for i in range(6)]
    replies = make().generate(prompts, WARM, range(6))
    assert [reply.text for reply in replies] == [f"q{i} {i} 0" for i in range(6)]
    assert len(endpoint.bodies) == 11


@pytest.mark.parametrize("dated", [False, True])
def test_a_server_that_says_when_to_come_back_is_left_alone_until_then(
    endpoint: ScriptedEndpoint, make: Make, dated: bool
):
    generator = make(concurrency=4)
    date = math.ceil(time.time()) + 1
    until = time.monotonic() + date - time.time()
    after = formatdate(date, usegmt=True) if dated else "0.6"
    endpoint.faults = [fail(429, headers={"Retry-After": after})]
    generator.generate([ask("q", "red")], WARM, [1])
    first, second = endpoint.began
    assert second >= (until - 0.01 if dated else first + 0.6)
    assert second < first + 60  # however slow the machine is, and not a time zone later


def test_a_rate_limit_spaces_requests_and_concurrency_bounds_them(
    endpoint: ScriptedEndpoint, make: Make
):
    prompts = [ask(f"q{i}", "red") for i in range(5)]
    spaced = make(requests_per_minute=1200)
    spaced.generate(prompts[:1], WARM, [0])  # connects
    began = time.monotonic()
    spaced.generate(prompts, WARM, range(5))
    assert endpoint.began[-1] - began > 4 * 0.05
    three = threading.Barrier(3)
    endpoint.answer = lambda body, index: str(three.wait(20))
    endpoint.delay_s = 0.03  # for a fourth to be seen
    make(concurrency=3).generate(prompts * 3, WARM, range(15))
    assert endpoint.most_at_once == 3


def test_a_dead_server_is_an_error_that_says_how_often_it_was_tried(make: Make):
    with running(ScriptedEndpoint(lambda body, index: "")) as gone:
        generator = make(urls=(gone.url,), tries=3)
    with pytest.raises(UserError, match="did not answer in 3 tries") as caught:
        generator.generate([ask("q", "red")], WARM, [1])
    assert caught.value.where.startswith(gone.url)


def test_another_server_of_the_same_model_takes_over_from_a_dead_one(
    endpoint: ScriptedEndpoint, make: Make
):
    with running(ScriptedEndpoint(lambda body, index: "")) as gone:
        pass
    generator = make(urls=(endpoint.url, gone.url))
    replies = generator.generate([ask(f"q{i}", f"#00000{i}") for i in range(8)], WARM, range(8))
    assert len({reply.text for reply in replies}) == 8


@pytest.mark.parametrize(
    ("status", "fix"), [(400, "complains"), (401, "GROUNDTUNE_API_KEY"), (404, "/v1")]
)
def test_what_a_server_refuses_for_good_is_not_tried_again(
    endpoint: ScriptedEndpoint, make: Make, status: int, fix: str
):
    generator = make(concurrency=1)
    endpoint.faults = [fail(status, "bad thing")]
    with pytest.raises(UserError, match=f"HTTP {status}.*bad thing") as caught:
        generator.generate([ask("q", "red"), ask("q2", "red")], WARM, [1, 2])
    assert fix in caught.value.fix
    assert len(endpoint.bodies) == 1


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 4500 tokens",
        "'max_tokens' or 'max_completion_tokens' is too large: 4096",
        "the request exceeds the available context size, try increasing it",
    ],
)
def test_a_reply_that_does_not_fit_names_the_settings_of_its_length(
    endpoint: ScriptedEndpoint, make: Make, message: str
):
    endpoint.faults = [fail(400, message)]
    with pytest.raises(UserError) as caught:
        make(concurrency=1).generate([ask("q", "red")], WARM, [1])
    assert message in caught.value.what
    assert "max_new_tokens" in caught.value.fix
    assert "max_reply_tokens" in caught.value.fix


def test_the_key_goes_into_the_header_and_nowhere_else(
    endpoint: ScriptedEndpoint,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setenv("GROUNDTUNE_API_KEY", "sk-secret-77")
    caplog.set_level(logging.DEBUG)
    generator = make(tries=1)
    endpoint.faults = [fail(401, "wrong key sk-secret-77"), fail(500, "sk-secret-77 broke it")]
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            generator.generate([ask("q", "red")], WARM, [1])
        said.append(str(caught.value))
    assert endpoint.headers[0]["Authorization"] == "Bearer sk-secret-77"
    said += [caplog.text, repr(generator.producer(WARM, 1)), repr(generator.settings)]
    assert "sk-secret-77" not in "".join(said)
    monkeypatch.setenv("GROUNDTUNE_API_KEY", "sk-\nsecret")
    with pytest.raises(UserError, match="no HTTP header"):
        make()


def test_yes_and_no_are_summed_over_their_spellings_and_stay_raw(
    endpoint: ScriptedEndpoint, make: Make
):
    table = {"Yes": 0.4, " yes": 0.2, "\u2581Yes": 0.1, "No": 0.05, "no": 0.05, "Nobody": 0.1}
    other = {"Maybe": 0.9, "yes": 0.01}
    endpoint.top = lambda body: [
        (token, math.log(p)) for token, p in (table if question(body) == "a" else other).items()
    ]
    replies = make().yes_no([ask("b", "red"), ask("a", "blue"), ask("a", "red")])
    assert replies[0] == pytest.approx((0.01, 0.0))
    assert replies[1] == replies[2] == pytest.approx((0.7, 0.1))
    sent = endpoint.bodies[0]
    assert (sent["max_tokens"], sent["temperature"], sent["top_logprobs"]) == (1, 1.0, 20)


def test_a_labelers_spelling_counts_and_another_language_is_reported(
    endpoint: ScriptedEndpoint, make: Make, caplog: pytest.LogCaptureFixture
):
    replies = {
        "capitals": [("YES", -0.1), ("NO", -3.0)],
        "stops": [("yes.", -0.1), ("No.", -3.0)],
        "french": [("Oui", -0.1), ("Non", -3.0)],
        "french again": [("Oui", -0.2), ("No", -7.0)],
    }
    endpoint.top = lambda body: replies[question(body)]
    found = make(concurrency=1).yes_no([ask(name, "red") for name in replies])
    assert found[0] == found[1] == pytest.approx((math.exp(-0.1), math.exp(-3.0)))
    assert [reply.is_answer() for reply in found] == [True, True, False, False]
    assert caplog.text.count("said neither yes nor no, but 'Oui' (probability 0.905)") == 1


@pytest.mark.parametrize(("status", "most", "asked"), [(400, 5, 5), (422, 8, 5), (400, 2, 2)])
def test_fewer_likely_tokens_are_asked_of_a_server_that_allows_no_more(
    endpoint: ScriptedEndpoint,
    make: Make,
    caplog: pytest.LogCaptureFixture,
    status: int,
    most: int,
    asked: int,
):
    endpoint.top = lambda body: [("Yes", -0.1), ("No", -3.0)]
    refusal = fail(status, f"Requested sample logprobs is greater than max allowed: {most}")
    endpoint.refuse = lambda body: refusal if body["top_logprobs"] > most else None
    generator = make(concurrency=1)
    found = generator.yes_no([ask(name, "red") for name in "abc"])
    assert [reply.is_answer() for reply in found] == [True] * 3
    generator.yes_no([ask("d", "red")])
    used = [body["top_logprobs"] for body in endpoint.bodies if body["top_logprobs"] <= most]
    assert used == [asked] * 4
    assert endpoint.bodies[-1]["top_logprobs"] == endpoint.bodies[-2]["top_logprobs"] == asked
    assert caplog.text.count(f"p(yes) and p(no) are read from {asked}") == 1


@pytest.mark.parametrize(
    ("message", "requests"), [("logprobs are not supported", 4), ("the image is too large", 1)]
)
def test_a_server_that_refuses_any_log_probability_or_something_else_is_an_error(
    endpoint: ScriptedEndpoint, make: Make, message: str, requests: int
):
    endpoint.faults = [fail(400, message)] * 9
    with pytest.raises(UserError, match=message):
        make(concurrency=1).yes_no([ask("a", "red")])
    assert len(endpoint.bodies) == requests


def test_refusals_are_no_verdicts_and_are_counted(
    endpoint: ScriptedEndpoint, caplog: pytest.LogCaptureFixture
):
    def reply(finish: str, **message: object) -> Body:
        return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}

    bodies = [
        reply("stop", content=None, refusal="I can't."),
        reply("stop", content=[{"type": "refusal", "refusal": "I can't."}]),
        reply("content_filter", content=""),
        reply("length", content=None, refusal="I can't."),
    ]
    endpoint.faults = [lambda h, b=body: send(h, 200, b) for body in bodies]
    settings = EndpointSettings(model="tiny", urls=(endpoint.url,), concurrency=1)
    generator = OpenAIGenerator(settings, Colours())
    answers = generator.generate([ask(name, "red") for name in "abc"], WARM, [1, 2, 3])
    (verdict,) = generator.yes_no([ask("d", "red")])
    generator.close()
    assert [answer.text for answer in answers] == ["I can't.", "I can't.", ""]
    assert not verdict.is_answer()
    assert "openai:tiny: answers refused by the server: 3" in caplog.text
    assert "openai:tiny: answers withheld (content_filter) by the server: 1" in caplog.text


def test_an_endpoint_without_log_probabilities_is_no_labeler(
    endpoint: ScriptedEndpoint, make: Make
):
    with pytest.raises(UserError, match="no log-probabilities"):
        make().yes_no([ask("a", "red")])


def test_a_labelers_reply_without_probabilities_is_no_answer(
    endpoint: ScriptedEndpoint, make: Make
):
    replies = {
        "sure": [("Yes", -0.1)],
        "nan": [("Yes", -0.1), ("No", math.nan)],
        "above": [("Yes", 0.1)],
        "sum": [("Yes", -0.1), ("yes", -0.1)],
        "none": [],
    }
    endpoint.top = lambda body: replies[question(body)]
    found = make(concurrency=1).yes_no([ask(name, "red") for name in sorted(replies, reverse=True)])
    sure, sum_, none, nan, above = found
    assert sure == pytest.approx((math.exp(-0.1), 0.0))
    assert all(math.isnan(p) for reply in (sum_, none, nan, above) for p in reply)
    assert [reply.is_answer() for reply in found] == [True, False, False, False, False]


NO_COMPLETION = "not a chat completion"


@pytest.mark.parametrize(
    ("reply", "wrong", "requests"),
    [
        ({"choices": []}, NO_COMPLETION, 2),
        ({"choices": "none"}, NO_COMPLETION, 2),
        ({}, NO_COMPLETION, 2),
        ("[1]", "not a JSON object", 2),
        ("[" * 100_000, "not JSON", 2),
        ({"error": {"message": "too\nbusy"}}, "error too busy", 2),
        ({"choices": [{}]}, "no message", 1),
        ({"choices": [{"message": {"content": "a"}}] * 2}, "2 answers where 1", 1),
        ({"choices": [{"index": 5, "message": {"content": "a"}}]}, "answers where 1", 1),
        ({"choices": [{"message": {"content": 7}}]}, "its content is int", 1),
        ({"choices": [{"message": {"content": [{"type": "audio"}]}}]}, "type 'audio'", 1),
    ],
)
def test_a_reply_without_the_answer_is_an_error_and_repeated_only_where_that_may_help(
    endpoint: ScriptedEndpoint, make: Make, reply: Body | str, wrong: str, requests: int
):
    endpoint.faults = [lambda handler: send(handler, 200, reply)] * 2
    with pytest.raises(UserError, match=wrong):
        make(tries=2).generate([ask("a", "red")], WARM, [1])
    assert len(endpoint.bodies) == requests


def test_an_answer_that_was_truncated_says_so_and_one_without_text_is_empty(
    endpoint: ScriptedEndpoint, make: Make
):
    cut = {"choices": [{"message": {"content": " A cup "}, "finish_reason": "length"}]}
    empty = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    endpoint.faults = [lambda h: send(h, 200, cut), lambda h: send(h, 200, empty)]
    replies = make(concurrency=1).generate([ask("a"), ask("b")], WARM, [1, 2])
    assert [tuple(reply) for reply in replies] == [
        ("A cup", 0, False, ""),
        ("", 0, True, ""),
    ]


def test_thoughts_are_no_part_of_the_answer(endpoint: ScriptedEndpoint, make: Make):
    endpoint.answer = lambda body, index: "<think>A dog?</think> A cup."
    (reply,) = make().generate([ask("a", "red")], WARM, [1])
    assert (reply.text, reply.thoughts) == ("A cup.", "A dog?")


def test_a_compressed_reply_is_read_and_a_broken_one_tried_again(
    endpoint: ScriptedEndpoint, make: Make
):
    body = json.dumps({"choices": [{"message": {"content": "A cup."}}]}).encode()
    headers = {"Content-Encoding": "gzip"}
    endpoint.faults = [
        lambda handler: send(handler, 200, b"\x1f\x8bno gzip", headers),
        lambda handler: send(handler, 200, gzip.compress(body), headers),
    ]
    (reply,) = make().generate([ask("a", "red")], WARM, [1])
    assert reply.text == "A cup."


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_list_of_models_that_is_refused_stops_nothing(
    endpoint: ScriptedEndpoint, make: Make, status: int, caplog: pytest.LogCaptureFixture
):
    endpoint.list_models = fail(status, "not for you")
    generator = make()
    assert generator.revision == ""
    assert len(generator.generate([ask("a", "red")], WARM, [1])) == 1
    assert f"HTTP {status} not for you" in caplog.text


@pytest.mark.parametrize("listed", ["<html>", "[1]", '{"data": {"id": 1}}', '{"data": [1, {}]}'])
def test_a_list_of_models_of_another_shape_stops_nothing(
    endpoint: ScriptedEndpoint, make: Make, listed: str
):
    endpoint.list_models = lambda handler: send(handler, 200, listed)
    assert make().revision == ""


def test_a_list_of_models_that_never_comes_stops_nothing(
    endpoint: ScriptedEndpoint, make: Make, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "MODELS_S", 0.1)
    done = threading.Event()
    endpoint.list_models = lambda handler: done.wait(60)
    try:
        generator = make()
        assert generator.revision == ""
        assert len(generator.generate([ask("a", "red")], WARM, [1])) == 1
    finally:
        done.set()
