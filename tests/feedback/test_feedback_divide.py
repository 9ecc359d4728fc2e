"""Division and questions by an instructed model, from replies as such models write them."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.feedback.divide import InstructedDivider, WholeAnswer, parse, statements_of
from groundtune.feedback.divide_align import align, sentences_of
from groundtune.feedback.instructions import Instruction, instruction_file, shipped_instruction
from groundtune.feedback.questions import InstructedQuestions, Verbatim, with_questions
from groundtune.generate.endpoint import EndpointSettings
from groundtune.generate.openai import OpenAIGenerator
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.protocols import Reply, Statement
from groundtune.records import Answer, Message, Producer, Prompt, TextPart
from groundtune.store.images import ImageStore
from scripted_endpoint import Body, ScriptedEndpoint, running

MODEL = Producer(kind="model", name="m")
TEXT = (
    "Two children were playing with a red ball. A dog isn't looking at them. "
    "The scene feels joyful."
)
REPLY = """### Facts
- Two children are in the picture. | Two children | Are there two children in the picture?
- Children were playing with a ball. | playing with a red ball | Were children playing?
* The ball is red. | red ball | Is the ball red?
3. A dog is not looking. | a dog isn't looking at them | Is a dog not looking?

### Opinions
- The scene feels joyful.
"""
DESCRIBE = Prompt(
    key="p", messages=(Message(role="user", content=(TextPart(text="What happens?"),)),)
)


def answer(text: str = TEXT, key: str = "a") -> Answer:
    return Answer(key=key, prompt="p", text=text, producer=MODEL)


def told(found: list[Statement], text: str = TEXT) -> list[str]:
    return [f"{text[s.start : s.end]}: {s.question or s.status}" for s in found]


@pytest.mark.parametrize(
    "thoughts",
    ["<think>\n### Facts\n- A cat. | A cat | Is there a cat?\n</think>\n", "Hm.</think>"],
)
def test_a_dividers_thoughts_are_no_claims_and_no_questions(thoughts: str):
    plain = statements_of(TEXT, Reply(REPLY, 90, True), with_questions=True)
    assert statements_of(TEXT, Reply(thoughts + REPLY, 120, True), with_questions=True) == plain
    (one,) = with_questions(
        [Statement(0, 5, "It is red.")], Reply("<think>1. Is it?</think>1. Is it red?", 9, True)
    )
    assert (one.question, one.status) == ("Is it red?", "unchecked")


def test_a_reply_becomes_claims_with_questions_and_characters_and_opinions_are_reported():
    assert told(statements_of(TEXT, Reply(REPLY, 90, True), with_questions=True)) == [
        "Two children: Are there two children in the picture?",
        "playing with a red ball: Were children playing?",
        "red ball: Is the ball red?",
        "A dog isn't looking at them: Is a dog not looking?",
        "The scene feels joyful.: opinion",
    ]


@pytest.mark.parametrize(
    ("reply", "entries"),
    [
        ("**Facts:**\n- a | b | c?\n", 1),
        ("Facts\n1. a | b | c?\n2) d | e?\n", 2),
        ("Sure! Here they are.\n### Facts\n- a | b | c?\n### Opinions\n- none", 1),
        ("### Facts\n- none\n### Opinions\n- Nice.", 1),
        ("### FACTS\n- None.", 0),
    ],
)
def test_usual_departures_from_the_form_are_read(reply: str, entries: int):
    found = parse(reply, with_questions=True)
    assert found is not None
    assert [entry.readable for entry in found] == [True] * entries


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I can't help with that.",
        "- a | b | c?",
        "### Facts\n",
        "### Opinions\n- Nice.",
    ],
)
def test_a_reply_without_the_form_is_one_unparsed_row_that_holds_it(reply: str):
    (row,) = statements_of(TEXT, Reply(reply, 9, True), with_questions=True)
    assert (row.status, row.text, row.start, row.end) == ("unparsed", reply, 0, len(TEXT))


def test_a_reply_that_was_truncated_is_unparsed_whole_since_its_end_is_missing():
    (row,) = statements_of(TEXT, Reply(REPLY[:120], 20, False), with_questions=True)
    assert row.status == "unparsed"


@pytest.mark.parametrize("line", ["a | b | c", "- a", "- | b | c?", "- a | b | c | d?", "so on"])
def test_a_line_that_cannot_be_read_is_unparsed_and_the_others_stay(line: str):
    found = statements_of(
        TEXT, Reply(f"### Facts\n- x | red | y?\n{line}", 9, True), with_questions=True
    )
    assert [s.status for s in found] == ["unchecked", "unparsed"]
    assert found[1].text == line


def test_two_claims_with_one_question_count_once():
    reply = "### Facts\n- A ball. | ball | Is it?\n- The ball. | red ball | is it?\n"
    assert told(statements_of(TEXT, Reply(reply, 9, True), with_questions=True)) == ["ball: Is it?"]


@pytest.mark.parametrize(
    ("copied", "claim", "expected"),
    [
        ("RED  ball", "", "red ball"),
        ("'Two children'", "", "Two children"),
        ("", "A dog isn't looking at them.", "A dog isn't looking at them"),
        ("crimson sphere", "There is one ball which is red", "red ball"),
        ("", "A zebra grazes", "Two children were playing with a red ball."),
        ("", "The ball that children played with", "children were playing with a red ball"),
    ],
)
def test_claims_are_found_in_the_answer_again(copied: str, claim: str, expected: str):
    place = align(TEXT, copied, claim)
    assert TEXT[slice(*place)] == expected


def test_a_word_is_not_found_inside_another():
    assert align("A cart. A car.", "car", "") == (10, 13)


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_a_place_always_lies_in_the_answer(text: str, copied: str, claim: str):
    start, end = align(text, copied, claim)
    assert 0 <= start <= end <= len(text)
    assert all(text[a:b].strip() for a, b in sentences_of(text))


def test_a_number_with_a_point_ends_no_sentence():
    text = "It is 3.5 m long. Good."
    assert [text[a:b] for a, b in sentences_of(text)] == ["It is 3.5 m long.", "Good."]


def test_the_whole_answer_is_sent_and_none_for_an_empty_one():
    seen: list[str] = []

    def reply(prompt: Prompt, seed: int) -> str:
        seen.append(prompt.question)
        return REPLY

    long = " ".join(f"A dog number {i}." for i in range(400))
    divider = InstructedDivider(ScriptedGenerator(reply), shipped_instruction("divide-and-ask-1"))
    found = divider.divide([DESCRIBE] * 3, [answer(long), answer(""), answer()])
    assert [len(each) for each in found] == [5, 0, 5]
    assert len(seen) == 2
    assert long in seen[0]
    assert "What happens?" in seen[0]


def test_an_answer_with_places_of_the_instruction_is_not_filled_in_again():
    text = "It says ${question} and $1 \\g<0>."
    filled = shipped_instruction("divide-1").fill({"question": "Q", "answer": text})
    assert text in filled


def test_instruction_and_model_are_in_the_lineage():
    def by(instruction: Instruction, name: str = "m") -> Producer:
        generator = ScriptedGenerator(lambda prompt, seed: "", name=name)
        return InstructedDivider(generator, instruction).producer()

    first = by(shipped_instruction("divide-1"))
    assert first == by(shipped_instruction("divide-1"))
    ask = shipped_instruction("ask-1")
    assert first.prompt_hash != by(ask).prompt_hash
    assert first != by(shipped_instruction("divide-1"), "other")


def test_an_own_instruction_must_have_its_places(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("Divide ${answer}!")
    with pytest.raises(UserError, match=r"has the placeholders \['answer'\]"):
        instruction_file(path, ("question", "answer"))
    path.write_text("To ${question}: ${answer}!")
    assert (
        instruction_file(path, ("question", "answer")).fill({"question": "q", "answer": "a"})
        == "To q: a!"
    )
    with pytest.raises(UserError, match="can't be read"):
        instruction_file(tmp_path / "none.txt", ())


def test_questions_made_apart_go_by_their_numbers_so_that_a_lost_line_shifts_nothing():
    found = [
        Statement(0, 1, "A dog."),
        Statement(1, 2, "Nice.", status="opinion"),
        Statement(2, 3, "No cat."),
        Statement(3, 4, "A cow was here."),
    ]
    reply = Reply("1. Is there a dog?\n3) Was a cow here?\nNot numbered?\n", 9, True)
    made = with_questions(found, reply)
    assert [s.question or s.status for s in made] == [
        "Is there a dog?",
        "opinion",
        "unparsed",
        "Was a cow here?",
    ]
    twice = with_questions(found[:1], Reply("1. Is it?\n1. Was it?", 9, True))
    assert twice[0].status == "unparsed"
    cut = with_questions(found[:1], Reply("1. Is there a dog? Is it", 9, False))
    assert cut[0].status == "unparsed"


def test_the_second_call_sees_the_facts_alone():
    def reply(prompt: Prompt, seed: int) -> str:
        if "### Facts" in prompt.question:
            return "### Facts\n- A dog is there. | A dog\n### Opinions\n- Nice."
        assert prompt.question.endswith("1. A dog is there.")
        return "1. Is a dog there?"

    generator = ScriptedGenerator(reply)
    apart = InstructedDivider(generator, shipped_instruction("divide-1"), with_questions=False)
    asking = InstructedQuestions(apart, generator, shipped_instruction("ask-1"))
    (found,) = asking.divide([DESCRIBE], [answer("A dog. Nice.")])
    assert told(found, "A dog. Nice.") == ["A dog: Is a dog there?", "Nice.: opinion"]
    assert asking.producer().prompt_hash != apart.producer().prompt_hash
    (verbatim,) = Verbatim(apart).divide([DESCRIBE], [answer("A dog. Nice.")])
    assert verbatim[0].question == 'Is this true of the image: "A dog is there."?'


def test_without_division_the_whole_answer_is_one_claim():
    divider = WholeAnswer(shipped_instruction("whole-1"))
    whole, none = divider.divide([DESCRIBE] * 2, [answer(), answer(" ")])
    assert (whole[0].start, whole[0].end, len(whole), none) == (0, len(TEXT), 1, [])
    assert TEXT in whole[0].question


@pytest.fixture
def recorded() -> Iterator[ScriptedEndpoint]:
    """A server that plays replies back: one for each answer that a request holds."""
    replies = {TEXT: REPLY, "A cow.": "I see a cow, and that is that."}

    def replay(body: Body, index: int) -> str:
        content = body["messages"][-1]["content"]
        request = content if isinstance(content, str) else content[-1]["text"]
        return next(reply for text, reply in replies.items() if f"Answer: {text}" in request)

    with running(ScriptedEndpoint(replay)) as scripted:
        yield scripted


def test_a_served_model_divides_and_what_it_says_otherwise_is_unparsed(
    recorded: ScriptedEndpoint, tmp_path
):
    settings = EndpointSettings.model_validate({"model": "tiny", "urls": (recorded.url,)})
    generator = OpenAIGenerator(settings, ImageStore(tmp_path))
    try:
        divider = InstructedDivider(generator, shipped_instruction("divide-and-ask-1"))
        first, second = divider.divide([DESCRIBE] * 2, [answer(), answer("A cow.", "b")])
    finally:
        generator.close()
    assert len(first) == 5
    assert [s.status for s in second] == ["unparsed"]
