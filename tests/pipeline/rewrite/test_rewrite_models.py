"""Stage rewrite with models at a scripted endpoint: what they reply, and what they do wrong."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.feedback.rewrites import DeletingEditor, InstructedEditor
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.pipeline.rewrite.run import RewriteResult, load_settings, rewrite
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import Draft, SilentProgress, Statement
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, Sampling, TextPart
from scripted_endpoint import Body, ScriptedEndpoint, fail, running

ANSWER = "There is a cup. There is a dog. There is a red car."
THERE = ("cup", "red car", "cat")


def said(body: Body) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def sentences(text: str) -> list[str]:
    return [each.strip() for each in re.findall(r"[^.]+\.", text)]


def after(text: str, heading: str) -> str:
    return text.rpartition(heading)[2].partition("\n\n")[0].strip()


def reply(body: Body, index: int) -> str:
    """What an obedient model says to each instruction."""
    text = said(body)
    if "take the answer apart" in text:
        facts = [f"- {s} | {s} | Is it so: {s[:-1]}?" for s in sentences(after(text, "Answer:"))]
        return "\n".join(["### Facts", *facts, "### Opinions", "- none"])
    if "Correct the answer" in text:
        wrong = after(text, "Wrong:")
        kept = [s for s in sentences(after(text, "Answer:")) if s not in wrong]
        return "### Text\n" + " ".join(kept)
    if "plainly visible" in text:
        seen = "- There is a cat. | Is it so: there is a cat?\n- There is a cow. | Is it a cow?"
        return f"### Facts\n{seen}"
    if "statements about the picture are missing" in text:
        more = [line[2:] for line in after(text, "Missing:").splitlines()]
        return "### Text\n" + " ".join([after(text, "Answer:"), *more])
    if "Rewrite the text" in text:
        return "### Text\n" + after(text, "Text:").replace("There is", "One sees")
    return "Yes"


def knows(body: Body) -> list[tuple[str, float]]:
    """Yes to what is there, by the logarithms of 0.9 and 0.05."""
    yes = any(each in said(body) for each in THERE)
    return [("Yes", -0.105 if yes else -3.0), ("No", -3.0 if yes else -0.105)]


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    scripted = ScriptedEndpoint(reply)
    scripted.top = knows
    scripted.models = [{"id": "one"}, {"id": "two"}]
    with running(scripted):
        yield scripted


def answered(path: Path, number: int = 3) -> RunFolder:
    folder = RunFolder(path)
    for i in range(number):
        data = BytesIO()
        Image.new("RGB", (8, 8), (i, 0, 0)).save(data, "PNG")
        content = (ImagePart(image=folder.images.add(data.getvalue())), TextPart(text="What?"))
        prompt = Prompt(key=f"p{i}", messages=(Message(role="user", content=content),))
        folder.prompts.append([prompt])
        by = Producer(kind="model", name="writer")
        folder.answers.append([Answer(key=f"a{i}", prompt=f"p{i}", text=ANSWER, producer=by)])
    return folder


def rewritten(folder: RunFolder, out: Path, url: str, **more: object) -> RewriteResult:
    one, two = f"openai:one@{url}", f"openai:two@{url}"
    names = {"labeler": one, "divider": one, "second": two, "corrector": one, "rewriter": two}
    options: dict[str, object] = {**names, "rewrites": 1, "batch_size": 1, **more}
    settings = load_settings(folder.path, [], options)
    return rewrite(folder.path, out, settings, SilentProgress())


def test_models_correct_extend_and_reword(endpoint: ScriptedEndpoint, tmp_path: Path):
    found = rewritten(answered(tmp_path / "in"), tmp_path / "out", endpoint.url).summary
    pairs = RunFolder(tmp_path / "out").pairs.read()
    assert {pair.chosen for pair in pairs} == {
        "One sees a cup. One sees a red car. One sees a cat."
    }
    assert {pair.rejected for pair in pairs} == {
        "One sees a cup. One sees a dog. One sees a red car."
    }
    counts = found.counts
    assert (counts.drafts, counts.corrected, counts.extended, counts.pairs) == (3, 3, 3, 3)
    assert found.claims == {"right": 6, "wrong": 3}
    assert found.proposals == {"right": 3, "wrong": 3}


def test_a_rewriter_that_returns_the_same_text_is_counted(
    endpoint: ScriptedEndpoint, tmp_path: Path
):
    lazy = lambda body, i: reply(body, i).replace("One sees", "There is")  # noqa: E731
    endpoint.answer = lazy
    with pytest.raises(UserError) as error:
        rewritten(answered(tmp_path / "in"), tmp_path / "out", endpoint.url)
    assert "returned the same text: 3" in error.value.what


def test_a_rewriter_that_changes_the_truth_is_counted(endpoint: ScriptedEndpoint, tmp_path: Path):
    endpoint.answer = lambda body, i: (
        reply(body, i).replace("dog", "cat") if "Rewrite" in said(body) else reply(body, i)
    )
    with pytest.raises(UserError) as error:
        rewritten(answered(tmp_path / "in"), tmp_path / "out", endpoint.url)
    assert "rejected: lost what was wrong: 3" in error.value.what


def test_what_the_second_verifier_disputes_is_unsure_and_not_corrected(
    endpoint: ScriptedEndpoint, tmp_path: Path
):
    endpoint.top = lambda body: knows(body) if body["model"] == "one" else [("Yes", -0.1)]
    found = rewritten(answered(tmp_path / "in"), tmp_path / "out", endpoint.url).summary
    assert found.claims == {"right": 6, "unsure": 3}
    assert found.proposals == {"right": 3, "unsure": 3}
    assert (found.counts.corrected, found.counts.extended) == (0, 3)
    assert all("dog" in pair.chosen for pair in RunFolder(tmp_path / "out").pairs.read())


def test_an_endpoint_that_dies_half_way_is_named_and_the_run_resumes(
    endpoint: ScriptedEndpoint, tmp_path: Path
):
    gone = fail(410, "gone")
    folder = answered(tmp_path / "in")
    endpoint.refuse = lambda body: gone if "Rewrite" in said(body) else None
    with pytest.raises(UserError) as error:
        rewritten(folder, tmp_path / "out", endpoint.url)
    assert endpoint.url in error.value.where
    before = len(endpoint.bodies)
    endpoint.refuse = lambda body: None
    rewritten(folder, tmp_path / "out", endpoint.url)
    again = [said(body) for body in endpoint.bodies[before:]]
    assert not any("Correct the answer" in text for text in again)
    assert len(RunFolder(tmp_path / "out").pairs.read()) == 3


def test_the_length_of_replies_is_a_setting_and_a_cut_reply_is_unread(
    endpoint: ScriptedEndpoint, tmp_path: Path
):
    limits = {"max_reply_tokens": 300, "sampling": {"max_new_tokens": 200}}
    rewritten(answered(tmp_path / "in"), tmp_path / "out", endpoint.url, **limits)
    asked = [(said(body), body["max_tokens"]) for body in endpoint.bodies]
    for step in ("take the answer apart", "Correct the answer", "plainly visible", "are missing"):
        assert {most for text, most in asked if step in text} == {300}
    assert {most for text, most in asked if "Rewrite the text" in text} == {200}
    endpoint.reply = lambda body: _cut(ScriptedEndpoint.reply(endpoint, body))
    with pytest.raises(UserError, match="unread: 3"):
        rewritten(answered(tmp_path / "in"), tmp_path / "cut", endpoint.url, **limits)


def _cut(reply: Body) -> Body:
    for choice in reply["choices"]:
        choice["finish_reason"] = "length"
    return reply


CONTENT = (ImagePart(image="a"), TextPart(text="What?"))
PROMPT = Prompt(key="p", messages=(Message(role="user", content=CONTENT),))
DRAFT = Draft(PROMPT, ANSWER, (Statement(16, 31, "There is a dog."),))


def editor(text: str, *, sees: bool = True) -> InstructedEditor:
    return InstructedEditor(ScriptedGenerator(lambda prompt, seed: text), sees=sees)


@pytest.mark.parametrize(
    "text",
    [
        "A cup.",
        "### Text\nThe corrected answer.",
        "### Text\nA.\n### Text\nB.",
        "",
        "Text without a heading",
        "### Text",
        "word " * 3000 + "### Text\nA cup.",
    ],
)
def test_a_reply_in_another_form_is_no_text(text: str):
    assert editor(text).correct([DRAFT]) == [""]


def test_the_first_replies_that_cannot_be_read_are_shown(caplog: pytest.LogCaptureFixture):
    model = editor("A cup, without a heading.")
    model.correct([DRAFT] * 5)
    model.reword([DRAFT], 0)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert all("to correct-2 can't be read" in line for line in lines)
    assert all("A cup, without a heading." in line for line in lines)


@pytest.mark.parametrize("heading", ["### Text", "**Text:**", "Text:", "## text"])
def test_the_heading_may_be_written_as_models_do(heading: str):
    assert editor(f"Sure!\n{heading}\nA cup.\n").reword([DRAFT], 0) == ["A cup."]


def test_what_a_model_lists_in_another_form_is_unread():
    found = editor("I see a cat.").additions([DRAFT])[0]
    assert [each.status for each in found] == ["unparsed"]
    assert editor("### Facts\n- none").additions([DRAFT]) == [[]]


def test_a_model_of_text_alone_gets_no_image_and_lists_nothing():
    seen: list[Prompt] = []

    def answer(prompt: Prompt, seed: int) -> str:
        seen.append(prompt)
        return "### Text\nA cup."

    blind = InstructedEditor(ScriptedGenerator(answer), sees=False)
    assert blind.additions([DRAFT]) == [[]]
    assert blind.correct([DRAFT]) == ["A cup."]
    assert seen[0].images == ()
    assert "- There is a dog." in seen[0].question


def test_each_wording_has_a_seed_of_its_own_and_both_sides_share_it():
    seeds: list[int] = []

    def answer(prompt: Prompt, seed: int) -> str:
        seeds.append(seed)
        return "### Text\nA cup."

    model = InstructedEditor(ScriptedGenerator(answer), sampling=Sampling(temperature=0.7))
    for index in (0, 1):
        model.reword([DRAFT, DRAFT._replace(text="Another.")], index)
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]


def test_deletion_removes_whole_sentences_and_nothing_else():
    rule = DeletingEditor()
    assert rule.correct([DRAFT]) == ["There is a cup. There is a red car."]
    assert rule.correct([DRAFT._replace(wrong=())]) == [ANSWER]
    assert rule.correct([Draft(PROMPT, "A dog.", (Statement(0, 5, "A dog."),))]) == [""]


def test_deletion_can_correct_but_not_reword(endpoint: ScriptedEndpoint, tmp_path: Path):
    folder = answered(tmp_path / "in")
    with pytest.raises(UserError, match="only deletes sentences"):
        rewritten(folder, tmp_path / "out", endpoint.url, rewriter="delete")
    made = rewritten(folder, tmp_path / "out", endpoint.url, corrector="delete")
    assert made.summary.counts.corrected == 3
