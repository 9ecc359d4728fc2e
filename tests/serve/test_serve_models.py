"""Real models behind the server: the embedded world's, and a tiny random one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from groundtune.cli.app import run
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UserError
from groundtune.generate import decode as decode_module
from groundtune.generate.decode import decode
from groundtune.generate.hf import HfGenerator
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.serve.backend import AnswerRequest, AnswerResult, ModelTurn
from groundtune.serve.speaker import VlmSpeaker
from groundtune.serve.wire import ServeSettings, listen, open_service
from groundtune.vlm.encode import encode_prompt
from groundtune.vlm.load import Vlm, load
from groundtune.world.render import render
from groundtune.world.scenes import scenes
from running_server import HTTP, body, data_url, serving
from scripted_endpoint import ScriptedEndpoint, running


class Red:
    def open(self, sha256: str) -> Image.Image:
        return Image.new("RGB", (20, 16), "red")


CONTENT = (ImagePart(image="red"), TextPart(text="What is it?"))
PROMPT = Prompt(key="p", messages=(Message(role="user", content=CONTENT),))
WARM = Sampling(temperature=1, max_new_tokens=12)


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    params = ServeSettings(
        model="world:base", labeler="world:labeler", tuned="world:labeler", reference="world:base"
    )
    with serving(open_service(params, SilentProgress())) as base:
        yield base


def image() -> str:
    stream = BytesIO()
    render(next(iter(scenes("development", 1, start=6)))).save(stream, "PNG")
    return data_url(stream.getvalue())


def post(base: str, **own: object) -> dict[str, object]:
    sent = body("Describe the image.", image(), seed=2, **own) | {"model": "world:base"}
    response = HTTP.post(f"{base}/v1/chat/completions", json=sent, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("token", ["<|end|>", "<image>", "<|assistant|>"])
def test_special_tokens_in_a_message_are_refused_with_400(world: str, token: str):
    sent = body(f"Describe {token} the image.", image(), seed=2) | {"model": "world:base"}
    response = HTTP.post(f"{world}/v1/chat/completions", json=sent, timeout=60)
    assert response.status_code == 400
    assert token in response.json()["error"]["message"]


def test_special_tokens_in_a_message_are_characters_if_the_server_says_so():
    params = ServeSettings(model="world:base", special_tokens="text")
    with serving(open_service(params, SilentProgress())) as base:
        sent = body("Describe <|end|> the <image>.", image(), seed=2) | {"model": "world:base"}
        response = HTTP.post(f"{base}/v1/chat/completions", json=sent, timeout=60)
    assert response.status_code == 200, response.text
    assert response.json()["choices"][0]["message"]["content"]


Texts = Callable[[], Sequence[str]]


def spoken(
    vlm: Vlm, *asked: AnswerRequest, watch: Callable[[Texts], Collection[int]] = lambda texts: ()
) -> list[AnswerResult]:
    """What becomes of requests that are answered together; `watch` hears the last one."""
    found: dict[int, AnswerResult] = {}

    def fail(error: Exception) -> None:
        raise error

    turns = [
        ModelTurn(
            request=each,
            watch=watch if i + 1 == len(asked) else lambda texts: (),
            end=lambda answered, i=i: found.setdefault(i, answered),
            fail=fail,
        )
        for i, each in enumerate(asked)
    ]
    VlmSpeaker(vlm, Red(), 2 if len(asked) == 1 else 16).answer(turns)
    return [found[i] for i in range(len(asked))]


def asked_for(text: str, seeds: tuple[int, ...], sampling: Sampling = WARM) -> AnswerRequest:
    content = (ImagePart(image="red"), TextPart(text=text))
    messages = (Message(role="user", content=content),)
    return AnswerRequest(prompt=Prompt(key=text, messages=messages), sampling=sampling, seeds=seeds)


def test_the_server_draws_what_the_generator_draws(vlm: Vlm):
    found = spoken(vlm, AnswerRequest(prompt=PROMPT, sampling=WARM, seeds=(1, 2, 3)))[0]
    assert found.replies == HfGenerator(vlm, Red()).generate([PROMPT] * 3, WARM, [1, 2, 3])
    assert found.prompt_tokens == len(encode_prompt(vlm, PROMPT, Red()).ids)


def test_texts_grow_token_by_token_up_to_the_answers(vlm: Vlm):
    seen: list[Sequence[str]] = []

    def watch(texts: Texts) -> Collection[int]:
        seen.append(texts())
        return ()

    asked = AnswerRequest(prompt=PROMPT, sampling=WARM, seeds=(1, 2, 3))
    found = spoken(vlm, asked, watch=watch)[0]
    assert {len(texts) for texts in seen} == {3}
    assert len(seen) >= 20  # eleven steps of two batches, less what ends early
    for before, after in pairwise(seen):
        assert all(len(new) >= len(old) for old, new in zip(before, after, strict=True))
    texts = [reply.text for reply in found.replies]
    assert all(text.startswith(last) for text, last in zip(texts, seen[-1], strict=True))


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("temperature", [0, 1])
def test_requests_answered_together_get_what_each_gets_alone(
    vlm: Vlm, monkeypatch: pytest.MonkeyPatch, shares: bool, temperature: float
):
    monkeypatch.setattr(decode_module, "shares_prompts", lambda vlm: shares)
    settings = Sampling(temperature=temperature, max_new_tokens=12)
    short = settings.model_copy(update={"max_new_tokens": 3})
    asked = [
        asked_for("What is it?", (1, 2), settings),
        asked_for("Describe everything that stands in the image.", (3,), short),
        asked_for("What is it?", (4,), short),
        asked_for("Why?", (5,), settings),
    ]
    alone = [spoken(vlm, each)[0] for each in asked]
    assert spoken(vlm, *asked) == alone
    assert max(reply.tokens for answered in alone for reply in answered.replies) > 3
    assert max(reply.tokens for reply in alone[1].replies) == 3


@pytest.mark.parametrize("shares", [True, False])
def test_who_hangs_up_leaves_the_batch_and_the_others_do_not_notice(
    vlm: Vlm, monkeypatch: pytest.MonkeyPatch, shares: bool
):
    monkeypatch.setattr(decode_module, "shares_prompts", lambda vlm: shares)
    asked = [asked_for("What is it?", (1,)), asked_for("Why?", (2, 3))]
    alone = [spoken(vlm, each)[0] for each in asked]
    heard: list[int] = []

    def watch(texts: Texts) -> Collection[int]:
        heard.append(max(len(text) for text in texts()))
        return range(2) if len(heard) == 4 else ()

    first, second = spoken(vlm, *asked, watch=watch)
    assert first == alone[0]
    assert [reply.tokens for reply in second.replies] == [4, 4]
    assert len(heard) == 4
    for reply, whole in zip(second.replies, alone[1].replies, strict=True):
        assert whole.text.startswith(reply.text)
        assert not reply.finished


@pytest.mark.parametrize("shares", [True, False])
def test_rows_end_where_the_watcher_says_so(
    vlm: Vlm, monkeypatch: pytest.MonkeyPatch, shares: bool
):
    monkeypatch.setattr(decode_module, "shares_prompts", lambda vlm: shares)
    encoded = [encode_prompt(vlm, PROMPT, Red())]
    rows, seeds = [0, 0, 0], [1, 2, 3]
    whole = decode(vlm, encoded, rows, seeds, WARM)

    def cut(*ended: int) -> list[list[int]]:
        def watch(rows: Sequence[Sequence[int]]) -> Collection[int]:
            return ended if max(map(len, rows)) == 4 else ()

        return decode(vlm, encoded, rows, seeds, WARM, watch=watch)

    assert sorted(map(len, whole))[1] > 4
    assert cut(0, 1, 2) == [row[:4] for row in whole]
    assert cut(1) == [whole[0], whole[1][:4], whole[2]]


def test_the_worlds_answers_are_checked_claim_by_claim(world: str):
    choice = post(world, check=True)["choices"][0]  # type: ignore[index]
    text, check = choice["message"]["content"], choice["check"]
    verdicts = {claim["verdict"] for claim in check["claims"]}
    assert check["checked"] >= 2
    assert verdicts <= {"supported", "rejected", "unchecked", "opinion"}
    for claim in check["claims"]:
        assert 0 <= claim["start"] < claim["end"] <= len(text)
        if claim["verdict"] in ("supported", "rejected"):
            assert (claim["p_no"] > claim["p_yes"]) == (claim["verdict"] == "rejected")


def test_claims_about_no_image_stay_unchecked_and_the_reply_says_so(world: str):
    content = [{"type": "text", "text": "Describe the image."}]
    messages = [{"role": "user", "content": content}]
    sent = {"model": "world:base", "messages": messages, "check": True, "seed": 2}
    response = HTTP.post(f"{world}/v1/chat/completions", json=sent, timeout=60)
    assert response.status_code == 200, response.text
    check = response.json()["choices"][0]["check"]
    assert check["note"] == "Nothing could be checked: the request has no image."
    assert (check["checked"], check["rejected"], check["unchecked"]) == (0, 0, len(check["claims"]))
    assert check["claims"]
    assert {claim["p_yes"] for claim in check["claims"]} == {None}


def test_the_worlds_answers_are_chosen_by_the_gain_over_the_reference(world: str):
    reply = post(world, self_feedback={"n": 6})
    told = reply["self_feedback"]
    assert told["rewards"][told["chosen"]] == max(told["rewards"])  # type: ignore[index]
    assert told["distinct"] > 1  # type: ignore[index]
    alone = post(world)["choices"][0]["message"]["content"]  # type: ignore[index]
    whole = post(world, self_feedback={"n": 6, "normalise": False})["self_feedback"]
    assert whole["rewards"] != told["rewards"]  # type: ignore[index]
    assert alone


def test_a_labeler_that_cannot_answer_yes_and_no_stops_the_start(tiny_llava: Path):
    params = ServeSettings(model=str(tiny_llava), labeler="self")
    with pytest.raises(UserError, match="can't answer yes and no"):
        open_service(params, SilentProgress())


def test_an_endpoint_has_no_rewards():
    params = ServeSettings(model="openai:m@http://127.0.0.1:9", reference="world:base")
    with pytest.raises(UserError, match="token by token"):
        open_service(params, SilentProgress())


def test_a_reference_that_is_the_model_itself_is_refused(tiny_llava: Path, tmp_path: Path):
    linked, copied = tmp_path / "linked", tmp_path / "copied"
    linked.symlink_to(tiny_llava)
    shutil.copytree(tiny_llava, copied)
    names = [(str(tiny_llava), str(other)) for other in (tiny_llava, linked, copied)]
    for model, reference in [*names, ("world:base", "world:base")]:
        params = ServeSettings(model=model, reference=reference)
        with pytest.raises(UserError, match="reward of every answer would be 0") as caught:
            open_service(params, SilentProgress())
        assert caught.value.where == f"model {model}, reference {reference}"
    params = ServeSettings(model="world:base", tuned="world:labeler", reference="world:labeler")
    with pytest.raises(UserError, match="tuned model itself"):
        open_service(params, SilentProgress())


def test_another_address_than_ones_own_needs_a_token(capsys: pytest.CaptureFixture[str]):
    assert run(["serve", "world:base", "--host", "0.0.0.0"]) == 2
    assert "GROUNDTUNE_SERVE_TOKEN" in capsys.readouterr().err
    listen("0.0.0.0", 0, "token").close()


def test_a_port_that_is_taken_is_an_input_error():
    with listen("127.0.0.1", 0, "") as taken:
        with pytest.raises(UserError, match="can't listen"):
            listen("127.0.0.1", taken.getsockname()[1], "")
        with pytest.raises(UserError, match="no such port"):
            listen("127.0.0.1", 70_000, "")


def test_the_command_serves_until_it_is_interrupted():
    env = {**os.environ, "GROUNDTUNE_SERVE_TOKEN": "s3cret"}
    with running(ScriptedEndpoint(lambda body, index: "A cup.")) as behind:
        command = [sys.executable, "-m", "groundtune", "serve", f"openai:tiny@{behind.url}"]
        command += ["--port", "0", "--json", "limits.max_tokens=9"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as program:
            assert program.stdout is not None
            told = json.loads(program.stdout.readline())
            url = f"{told['api']}/chat/completions"
            headers = {"Authorization": "Bearer s3cret"}
            try:
                assert HTTP.post(url, json=body(), timeout=30).status_code == 401
                answer = HTTP.post(url, json=body(), headers=headers, timeout=30).json()
                assert answer["choices"][0]["message"]["content"] == "A cup."
                long = HTTP.post(url, json=body(max_tokens=10), headers=headers, timeout=30)
                assert long.headers["x-groundtune-clamped"] == "max_tokens=9"
                assert behind.bodies[-1]["max_tokens"] == 9
                program.send_signal(signal.SIGINT)
                assert program.wait(60) == 0
            finally:
                program.kill()
    assert told["model"] == "tiny"


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_without_its_packages_the_command_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, package, None)
    assert run(["serve", "world:base"]) == 2
    assert "pip install 'groundtune[serve]'" in capsys.readouterr().err


def test_an_upstream_server_needs_no_torch():
    program = (
        "import sys; from groundtune.cli.progress import SilentProgress\n"
        "from groundtune.serve.wire import ServeSettings, open_service\n"
        "import groundtune.serve.app, uvicorn\n"
        "open_service(ServeSettings(model='openai:m@http://127.0.0.1:9'), SilentProgress())\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
