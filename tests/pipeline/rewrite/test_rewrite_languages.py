"""The whole chain on German and Chinese answers, at a scripted endpoint that answers in them."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from groundtune.errors import UserError
from groundtune.pipeline.rewrite.run import RewriteResult, load_settings, rewrite
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.protocols import SilentProgress
from groundtune.records import Answer, ImagePart, Message, Pair, Producer, Prompt, TextPart
from scripted_endpoint import Body, ScriptedEndpoint, running


class Language(NamedTuple):
    sentences: tuple[str, str, str]
    """What is there, what is wrong, what is there."""
    missing: str
    reworded: tuple[str, str]
    """A phrase, and what a rewriter makes of it."""
    space: str
    question: str
    wrong_word: str

    @property
    def text(self) -> str:
        return self.space.join(self.sentences)


GERMAN = Language(
    ("Da ist eine Tasse.", "Da ist ein Hund.", "Da ist ein rotes Auto."),
    "Da ist eine Katze.",
    ("Da ist", "Man sieht"),
    " ",
    "Stimmt es: {}?",
    "Hund",
)
CHINESE = Language(
    ("有一个杯子。", "有一只狗。", "有一辆红车。"),
    "有一只猫。",
    ("有一", "能看到一"),
    "",
    "{}\uff0c对吗\uff1f",
    "狗",
)
LANGUAGES = pytest.mark.parametrize("language", [GERMAN, CHINESE], ids=["German", "Chinese"])


def said(body: Body) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def after(text: str, heading: str) -> str:
    return text.rpartition(heading)[2].partition("\n\n")[0].strip()


def sentences(text: str) -> list[str]:
    return [each.strip() for each in re.findall(r"[^.。]+[.。]", text)]


def fact(sentence: str, language: Language, copied: str = "") -> str:
    question = language.question.format(sentence[:-1])
    return " | ".join(["- " + sentence, *([copied] if copied else []), question])


def speaking(language: Language) -> ScriptedEndpoint:
    """A model that obeys the English instructions in the answer's language."""

    def reply(body: Body, index: int) -> str:
        text = said(body)
        if "take the answer apart" in text:
            facts = [fact(s, language, s) for s in sentences(after(text, "Answer:"))]
            return "\n".join(["### Facts", *facts, "### Opinions", "- none"])
        if "Correct the answer" in text:
            wrong = after(text, "Wrong:")
            kept = [s for s in sentences(after(text, "Answer:")) if s not in wrong]
            return "### Text\n" + language.space.join(kept)
        if "plainly visible" in text:
            return "### Facts\n" + fact(language.missing, language)
        if "statements about the picture are missing" in text:
            return "### Text\n" + language.space.join([after(text, "Answer:"), language.missing])
        return "### Text\n" + after(text, "Text:").replace(*language.reworded)

    def knows(body: Body) -> list[tuple[str, float]]:
        yes = language.wrong_word not in said(body)
        return [("Yes", -0.105 if yes else -3.0), ("No", -3.0 if yes else -0.105)]

    endpoint = ScriptedEndpoint(reply)
    endpoint.top = knows
    return endpoint


@pytest.fixture
def endpoint(language: Language) -> Iterator[ScriptedEndpoint]:
    with running(speaking(language)) as endpoint:
        yield endpoint


def rewritten(language: Language, tmp_path: Path, url: str, **more: object) -> RewriteResult:
    folder = RunFolder(tmp_path / "in")
    data = BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    content = (ImagePart(image=folder.images.add(data.getvalue())), TextPart(text="?"))
    folder.prompts.append([Prompt(key="p", messages=(Message(role="user", content=content),))])
    by = Producer(kind="model", name="writer")
    folder.answers.append([Answer(key="a", prompt="p", text=language.text, producer=by)])
    model = f"openai:tiny@{url}"
    names = dict.fromkeys(("labeler", "divider", "corrector", "rewriter"), model)
    options: dict[str, object] = {**names, "second": "none", "rewrites": 1, **more}
    settings = load_settings(folder.path, [], options)
    return rewrite(folder.path, tmp_path / "out", settings, SilentProgress())


def pairs_of(tmp_path: Path) -> list[Pair]:
    return RunFolder(tmp_path / "out").pairs.read()


@LANGUAGES
def test_answers_are_corrected_extended_and_reworded(
    language: Language, endpoint: ScriptedEndpoint, tmp_path: Path
):
    found = rewritten(language, tmp_path, endpoint.url).summary
    (pair,) = pairs_of(tmp_path)
    first, _, last = language.sentences
    chosen = language.space.join([first, last, language.missing])
    assert pair.chosen == chosen.replace(*language.reworded)
    assert pair.rejected == language.text.replace(*language.reworded)
    assert found.claims == {"right": 2, "wrong": 1}


@LANGUAGES
def test_the_wrong_sentence_alone_is_marked(
    language: Language, endpoint: ScriptedEndpoint, tmp_path: Path
):
    rewritten(language, tmp_path, endpoint.url, extend=False)
    (pair,) = pairs_of(tmp_path)
    (span,) = pair.rejected_spans
    marked = pair.rejected[span.start : span.end]
    assert language.wrong_word in marked  # where it begins is ambiguous: sentences start alike
    assert sorted(marked.strip()) == sorted(language.sentences[1].replace(*language.reworded))


@LANGUAGES
def test_the_labeler_is_asked_in_the_language_and_answers_in_english(
    language: Language, endpoint: ScriptedEndpoint, tmp_path: Path
):
    rewritten(language, tmp_path, endpoint.url)
    asked = {said(body) for body in endpoint.bodies if body.get("logprobs")}
    for sentence in language.sentences:
        assert f"{language.question.format(sentence[:-1])} Please answer yes or no." in asked


@LANGUAGES
def test_a_labeler_that_answers_in_the_language_is_refused_and_its_word_shown(
    language: Language,
    endpoint: ScriptedEndpoint,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    endpoint.top = lambda body: [("Ja", -0.1), ("Nein", -3.0)]
    with pytest.raises(UserError) as error:
        rewritten(language, tmp_path, endpoint.url)
    assert "Ja" in error.value.what + caplog.text


@LANGUAGES
def test_first_sentences_and_questions_are_made(
    language: Language, endpoint: ScriptedEndpoint, tmp_path: Path
):
    kinds = ["first_sentence", "yes_no"]
    counts = rewritten(language, tmp_path, endpoint.url, kinds=kinds).summary.counts
    pairs = {(pair.chosen, pair.rejected) for pair in pairs_of(tmp_path)}
    assert (counts.first_sentences, counts.yes_no, counts.pairs) == (0, 2, 2)
    assert counts.first_sentences_lost == {"no sentence instead": 1}
    assert {("Yes.", "No."), ("No.", "Yes.")} <= pairs
