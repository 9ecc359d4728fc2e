import json
import signal
from pathlib import Path

import pytest
from PIL import Image

from forked_program import execute
from groundtune.cli.progress import SilentProgress
from groundtune.errors import UnfitError, UserError
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.pipeline.sample.run import SampleSettings, draw_answers, run_sample
from groundtune.records import Answer, Message, Prompt, Sampling, TextPart
from groundtune.store.run_json import read_run

PROMPTS = [
    Prompt(key=f"p{i}", messages=(Message(role="user", content=(TextPart(text="?" * (5 - i)),)),))
    for i in range(4)
]
SAY = ScriptedGenerator(lambda prompt, seed: f"{prompt.key} {seed % 1000}")
SAMPLING = Sampling(temperature=1, max_new_tokens=20)


def draw(
    folder: Path, n: int = 3, generator: ScriptedGenerator = SAY, seed: int = 0, batch: int = 2
):
    settings = SampleSettings(model="m", n=n, sampling=SAMPLING, seed=seed, batch_size=batch)
    return draw_answers(generator, PROMPTS, RunFolder(folder), SilentProgress(), settings)


def answers(folder: Path) -> dict[str, Answer]:
    return {answer.key: answer for answer in RunFolder(folder).answers.read()}


def test_each_prompt_gets_n_answers_in_the_prompts_order_each_with_its_own_seed(tmp_path: Path):
    made = draw(tmp_path)
    rows = RunFolder(tmp_path).answers.read()
    assert (made.prompts, made.answers, made.drawn_now) == (4, 12, 12)
    assert [(row.prompt, row.index) for row in rows] == [
        (p.key, i) for p in PROMPTS for i in range(3)
    ]
    assert len({row.producer.seed for row in rows}) == 12
    assert all(row.text == f"{row.prompt} {(row.producer.seed or 0) % 1000}" for row in rows)
    assert len(RunFolder(tmp_path).answers.parts()) == 1


def test_thoughts_that_a_generator_leaves_in_a_reply_are_kept_apart_from_the_answer(tmp_path: Path):
    draw(tmp_path, 1, ScriptedGenerator(lambda prompt, seed: "<think>No?</think>Yes"))
    rows = RunFolder(tmp_path).answers.read()
    assert {(row.text, row.thoughts) for row in rows} == {("Yes", "No?")}


def test_batches_and_interruptions_do_not_change_what_is_drawn(tmp_path: Path):
    draw(tmp_path / "whole", batch=5)
    calls = 0

    def stop(prompt: Prompt, seed: int) -> str:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise KeyboardInterrupt
        return SAY.answer(prompt, seed)

    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "stopped", generator=ScriptedGenerator(stop))
    assert len(answers(tmp_path / "stopped")) == 4
    assert draw(tmp_path / "stopped").drawn_now == 8
    assert answers(tmp_path / "stopped") == answers(tmp_path / "whole")
    assert draw(tmp_path / "stopped").drawn_now == 0


def test_a_run_that_was_killed_before_it_put_its_answers_in_order_does_so_later(tmp_path: Path):
    draw(tmp_path)
    there = RunFolder(tmp_path).answers
    ordered = [row.key for row in there.read()]
    there.compact(order=reversed(ordered))
    draw(tmp_path)
    assert [row.key for row in there.read()] == ordered


def test_more_answers_a_prompt_are_added_to_those_that_are_there(tmp_path: Path):
    draw(tmp_path, n=1)
    before = answers(tmp_path)
    assert draw(tmp_path, n=2).drawn_now == 4
    assert before.items() <= answers(tmp_path).items()


def test_another_seed_draws_other_answers_and_another_model_is_refused(tmp_path: Path):
    draw(tmp_path)
    assert draw(tmp_path, seed=1).drawn_now == 12
    with pytest.raises(UserError, match="another model"):
        draw(tmp_path, generator=ScriptedGenerator(lambda prompt, seed: "", name="other"))


def test_truncated_and_empty_answers_are_kept_and_counted(tmp_path: Path):
    made = draw(
        tmp_path, n=1, generator=ScriptedGenerator(lambda p, s: "" if p.key == "p0" else "a " * 30)
    )
    assert (made.answers, made.cut, made.empty) == (4, 3, 1)


def test_greedy_decoding_gives_one_answer(tmp_path: Path):
    with pytest.raises(ValueError, match="not several"):
        SampleSettings(model="m", n=2, sampling=Sampling(temperature=0))


def params(model: Path, images: Path, **changes: object) -> SampleSettings:
    base = SampleSettings(
        model=str(model),
        images=str(images),
        ask="Describe the image.",
        n=4,
        sampling=Sampling(temperature=1, max_new_tokens=12),
        batch_size=3,
    )
    return SampleSettings.model_validate({**base.model_dump(), **changes})


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(8):
        Image.new("RGB", (20, 16), (30 * i, 0, 255 - 30 * i)).save(folder / f"{i}.png")
    return folder


def test_a_model_answers_images_and_the_run_says_how(
    tiny_llava: Path, photographs: Path, tmp_path: Path
):
    out = tmp_path / "run"
    settings = params(tiny_llava, photographs)
    made = run_sample(settings, out, SilentProgress(), command=["groundtune"])
    assert (made.prompts, made.answers, made.skipped) == (8, 32, 0)
    run = read_run(out / "answers")
    assert run.recipe["sampling"]["temperature"] == 1
    assert run.seeds == {"sample": 0}
    answer = RunFolder(out).answers.read()[0]
    assert answer.producer.revision == run.inputs["model"]
    assert answer.tokens > 0
    sha256 = RunFolder(out).prompts_by_key()[answer.prompt].images[0]
    assert RunFolder(out).images.open(sha256).size == (20, 16)


def test_skipped_images_are_listed_and_the_list_goes_when_all_are_well(
    tiny_llava: Path, photographs: Path, tmp_path: Path
):
    out, bad = tmp_path / "run", photographs / "bad.png"
    bad.write_bytes(b"no image")
    few = {"n": 1, "sampling": {"temperature": 0, "max_new_tokens": 2}}
    with pytest.raises(UserError, match="not an image"):
        run_sample(params(tiny_llava, photographs, **few), out, SilentProgress())
    assert not (out / "answers").exists()
    made = run_sample(params(tiny_llava, photographs, skip_bad=True, **few), out, SilentProgress())
    assert (made.answers, made.skipped) == (8, 1)
    listed = json.loads((out / "skipped.jsonl").read_text())
    assert listed["file"] == str(bad.absolute())
    bad.unlink()
    run_sample(params(tiny_llava, photographs, **few), out, SilentProgress())
    assert not (out / "skipped.jsonl").exists()


UNFIT = (
    {"question": "What? " * 2000},
    {"question": "What is </s> here?"},
    {"question": "Is it red?"},
    {"question": "Is it blue?"},
)


def test_prompts_that_the_model_does_not_take_are_listed_and_the_others_answered(
    tiny_llava: Path, photographs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    rows = [json.dumps({"image": f"{i}.png", **row}) for i, row in enumerate(UNFIT)]
    (photographs / "rows.jsonl").write_text("\n".join([*rows, "{}"]))
    few = {"n": 2, "sampling": {"temperature": 1, "max_new_tokens": 2}, "batch_size": 3}
    asked = {"prompts": str(photographs / "rows.jsonl"), "images": "", "ask": ""}
    skipping = params(tiny_llava, photographs, skip_bad=True, **few).model_copy(update=asked)
    made = run_sample(skipping, tmp_path / "run", SilentProgress())
    assert (made.prompts, made.answers, made.skipped) == (4, 4, 3)
    listed = [
        json.loads(line) for line in (tmp_path / "run/skipped.jsonl").read_text().splitlines()
    ]
    assert [each["row"] for each in listed] == ["5", "1", "2"]
    assert "over the model's maximum" in listed[1]["what"]
    assert "special token" in listed[2]["what"]
    assert caplog.text.count("over the model's maximum") == 1
    again = run_sample(skipping, tmp_path / "run", SilentProgress())
    assert (again.drawn_now, again.answers, again.skipped) == (4, 4, 3)
    (photographs / "rows.jsonl").write_text("\n".join(rows))
    strict = skipping.model_copy(update={"skip_bad": False})
    with pytest.raises(UnfitError, match=r"over the model's maximum|special token"):
        run_sample(strict, tmp_path / "strict", SilentProgress())
    (photographs / "rows.jsonl").write_text("\n".join(rows[:2]))
    with pytest.raises(UserError, match="The model takes none of the 2 prompts"):
        run_sample(skipping, tmp_path / "none", SilentProgress())


KILLED = """
import os, signal, sys
from pathlib import Path
from groundtune.cli.progress import SilentProgress
from groundtune.pipeline.sample.run import SampleSettings, run_sample

class Deadly(SilentProgress):
    def start(self, task, total=None):
        self.task, self.done = task, 0

    def advance(self, done=1, note=""):
        self.done += done
        if self.task == "sample" and self.done == 6:
            os.kill(os.getpid(), signal.SIGKILL)

run_sample(SampleSettings.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Deadly())
"""


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_answers(
    tiny_llava: Path, photographs: Path, tmp_path: Path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    long = params(tiny_llava, photographs, n=6, sampling={"temperature": 1, "max_new_tokens": 20})
    assert execute(KILLED, long.model_dump_json(), killed) == -signal.SIGKILL
    kept = answers(killed)
    assert len(kept) == 6
    run_sample(long, whole, SilentProgress())
    made = run_sample(long, killed, SilentProgress())
    assert made.drawn_now == 48 - 6
    assert answers(killed) == answers(whole)
    assert kept.items() <= answers(killed).items()


def test_real_photographs_are_read_stored_and_answered(
    tiny_llava: Path, test_data: Path, tmp_path: Path
):
    data = test_data / "rlaif_v_examples"
    short = {"n": 1, "sampling": {"temperature": 0, "max_new_tokens": 4}, "batch_size": 10}
    asked = {"prompts": str(data / "detail_test_30_input.jsonl"), "ask": ""}
    out = tmp_path / "run"
    photographs = data / "data_gen_example_imgs"
    made = run_sample(params(tiny_llava, photographs, **asked, **short), out, SilentProgress())
    assert (made.prompts, made.answers, made.skipped) == (30, 30, 0)
    made = run_sample(params(tiny_llava, photographs / "imgs_qa", **short), out, SilentProgress())
    assert (made.prompts, made.answers, made.skipped) == (30, 30, 0)
    stored = [path for path in (out / "images").rglob("*") if path.is_file()]
    assert len(stored) == 60
    for path in stored:
        assert min(RunFolder(out).images.open(path.name).size) > 100
    questions = {prompt.question for prompt in RunFolder(out).prompts.read()}
    assert "Describe the key features of the image in great detail." in questions
