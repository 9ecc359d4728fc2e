import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.generate.thoughts import ThoughtFilter, split_thoughts


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("<think>No?</think>Yes", "No?", "Yes"),
        ("\n<think>\nA dog?\nNo.\n</think>\n\nA cup.\n", "A dog?\nNo.", "A cup.\n"),
        ("A dog? No.\n</think>\n\nA cup.", "A dog? No.", "A cup."),  # the template opened it
        ("<think>\n\n</think>\n\nYes", "", "Yes"),
        ("<think>Is there", "Is there", ""),
        ("<thinking>Hm</thinking> Yes", "Hm", "Yes"),
        ("\u25c1think\u25b7Hm\u25c1/think\u25b7Yes", "Hm", "Yes"),
        ("[THINK]No?[/THINK]Yes", "No?", "Yes"),
        ("<thought>No?</thought>\nYes", "No?", "Yes"),
        ("<seed:think>No?</seed:think>Yes", "No?", "Yes"),
        ("I think so.", "", "I think so."),
        (" A <b>cup</b>", "", " A <b>cup</b>"),
        ("The tag <think> begins a thought.", "", "The tag <think> begins a thought."),
        ("<thin", "", "<thin"),
        ("", "", ""),
    ],
)
def test_thoughts_are_told_from_the_answer(text: str, thoughts: str, answer: str):
    assert split_thoughts(text) == (thoughts, answer)


PIECES = st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", " ", "\n", "a", "<b"]))


@given(PIECES)
def test_a_text_in_pieces_is_split_as_the_whole_text_is(pieces: list[str]):
    in_pieces, at_once = ThoughtFilter(), ThoughtFilter()
    text = "".join(pieces)
    answer = "".join(map(in_pieces.feed, pieces)) + in_pieces.end()
    assert answer == at_once.feed(text) + at_once.end()
    assert in_pieces.thoughts == at_once.thoughts
    if "<think>" not in text and "</think>" not in text:
        assert (in_pieces.thoughts, answer) == ("", text)
