"""Answers in German and Chinese are divided, corrected and reworded as English ones are."""

import pytest

from groundtune.feedback.divide import InstructedDivider, SentenceDivider
from groundtune.feedback.divide_align import sentences_of
from groundtune.feedback.instructions import shipped_instruction
from groundtune.feedback.rewrites import DeletingEditor, InstructedEditor
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.protocols import Draft, Statement
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, TextPart

GERMAN = (
    "Auf dem Tisch stehen zwei rote Tassen. Daneben liegt ein Löffel.",
    [
        ("Zwei rote Tassen stehen auf dem Tisch.", "Auf dem Tisch stehen zwei rote Tassen"),
        ("Da ist ein Löffel.", "ein Löffel"),
    ],
    "Stehen zwei rote Tassen auf dem Tisch?",
)
CHINESE = (
    "桌子上有两个红色的杯子。旁边有一把勺子。",
    [("桌子上有两个杯子。", "桌子上有两个红色的杯子"), ("有一把勺子。", "一把勺子")],
    "桌子上有两个杯子吗?",
)
LANGUAGES = pytest.mark.parametrize("language", [GERMAN, CHINESE], ids=["German", "Chinese"])
Language = tuple[str, list[tuple[str, str]], str]


def asked(text: str) -> tuple[Prompt, Answer]:
    content = (ImagePart(image="a"), TextPart(text="?"))
    prompt = Prompt(key="p", messages=(Message(role="user", content=content),))
    by = Producer(kind="model", name="m")
    return prompt, Answer(key="a", prompt="p", text=text, producer=by)


@LANGUAGES
def test_a_divider_finds_the_words_that_a_model_copied(language: Language):
    text, facts, question = language
    lines = "\n".join(
        f"- {fact} | {copied} | {question[:-1]} {i}?" for i, (fact, copied) in enumerate(facts)
    )
    model = ScriptedGenerator(lambda prompt, seed: f"### Facts\n{lines}\n### Opinions\n- none")
    prompt, answer = asked(text)
    divider = InstructedDivider(model, shipped_instruction("divide-and-ask-1"))
    found = divider.divide([prompt], [answer])[0]
    assert [(s.text, text[s.start : s.end]) for s in found] == facts
    assert all(s.question.endswith("?") and s.status == "unchecked" for s in found)


@LANGUAGES
def test_sentences_end_where_the_language_ends_them(language: Language):
    text = language[0]
    ends = [text[start:end] for start, end in sentences_of(text)]
    assert len(ends) == 2
    assert "".join(ends).replace(" ", "") == text.replace(" ", "")
    prompt, answer = asked(text)
    found = SentenceDivider().divide([prompt], [answer])[0]
    assert [s.text for s in found] == ends
    assert all(s.text in s.question for s in found)


@LANGUAGES
def test_a_wrong_sentence_is_deleted_and_a_model_rewords_what_is_left(language: Language):
    text = language[0]
    prompt, _ = asked(text)
    (_, end), (start, last) = sentences_of(text)
    draft = Draft(prompt, text, (Statement(start, last, text[start:last]),))
    assert DeletingEditor().correct([draft]) == [text[:end]]
    model = InstructedEditor(ScriptedGenerator(lambda asked, seed: f"### Text\n{text[:end]}"))
    assert model.reword([draft], 0) == [text[:end]]


def test_decimal_points_and_mixed_marks_end_no_sentence():
    assert [*sentences_of("Es ist 3.5 m lang. Gut!")] == [(0, 18), (19, 23)]
    assert [*sentences_of("\u597d\uff01\u771f\u7684\uff1f\u662f\u3002")] == [(0, 2), (2, 5), (5, 7)]
