from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from groundtune.errors import UserError
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encode import (
    decode_answer,
    drawn_offsets,
    encode_answer,
    encode_prompt,
    first_tokens,
    lead_tokens,
)
from groundtune.vlm.load import Vlm, load
from groundtune.vlm.template import AnswerForm

RED, BLUE = Image.new("RGB", (30, 20), "red"), Image.new("RGB", (20, 30), "blue")


class Images:
    def open(self, sha256: str) -> Image.Image:
        return {"red": RED, "blue": BLUE}[sha256]


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


def user(*parts: str) -> Message:
    images = ("red", "blue")
    return Message(
        role="user",
        content=tuple(ImagePart(image=p) if p in images else TextPart(text=p) for p in parts),
    )


def text_of(vlm: Vlm, ids: tuple[int, ...]) -> str:
    return vlm.processor.tokenizer.decode(ids).replace("<image>" * 16, "<image>")


def test_a_prompt_ends_where_the_answer_starts_and_its_image_is_expanded(vlm: Vlm):
    prompt = Prompt(key="p", messages=(user("red", "What is it?"),))
    encoded = encode_prompt(vlm, prompt, Images())
    assert text_of(vlm, encoded.ids) == "USER: <image>\nWhat is it? ASSISTANT:"
    assert encoded.ids.count(vlm.processor.image_token_id) == 16
    assert encoded.features["pixel_values"].shape == (1, 3, 16, 16)
    assert encoded.marks == {}


def test_several_images_and_turns_keep_their_order(vlm: Vlm):
    messages = (
        Message(role="system", content=(TextPart(text="Be brief."),)),
        user("red", "blue", "Which is red?"),
        Message(role="assistant", content=(TextPart(text="The first."),)),
        user("Sure?"),
    )
    encoded = encode_prompt(vlm, Prompt(key="p", messages=messages), Images())
    assert text_of(vlm, encoded.ids) == (
        "Be brief. USER: <image>\n<image>\nWhich is red? "
        "ASSISTANT: The first.</s>USER: Sure? ASSISTANT:"
    )
    red, blue = encoded.features["pixel_values"]
    assert red[0].mean() > red[2].mean()
    assert blue[0].mean() < blue[2].mean()


def test_an_image_placeholder_in_a_text_is_refused(vlm: Vlm):
    with pytest.raises(UserError, match="'<image>'"):
        encode_prompt(vlm, Prompt(key="p", messages=(user("red", "<image> What?"),)), Images())
    with pytest.raises(UserError, match="image placeholder '<image>'"):
        encode_answer(vlm, "An <image>.")


def test_an_answer_is_what_the_whole_conversation_has_after_the_prompt(vlm: Vlm):
    prompt = Prompt(key="p", messages=(user("red", "What is it?"),))
    text = "There is a dog \U0001f600.\nYes"
    answer = encode_answer(vlm, text)
    whole = vlm.processor.tokenizer(
        f"USER: {'<image>' * 16}\nWhat is it? ASSISTANT: {text}</s>", add_special_tokens=False
    )
    assert (*encode_prompt(vlm, prompt, Images()).ids, *answer.ids) == tuple(whole["input_ids"])


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=30).map(str.strip))
def test_any_text_comes_back_from_its_tokens_and_every_character_has_one(vlm: Vlm, text: str):
    answer = encode_answer(vlm, text)
    assert decode_answer(vlm, answer.ids) == text
    assert answer.ids[-1] == vlm.form.eos
    assert len(answer.ids) == len(answer.offsets)
    covered = {i for start, end in answer.offsets for i in range(start, end)}
    assert covered == set(range(len(text)))
    assert list(answer.offsets) == sorted(answer.offsets)


def test_an_empty_answer_is_the_end_of_sequence(vlm: Vlm):
    assert encode_answer(vlm, "").ids == (vlm.form.eos,)
    assert decode_answer(vlm, [vlm.form.eos]) == ""


def test_yes_and_no_begin_with_different_tokens(vlm: Vlm):
    yes, no = first_tokens(vlm, ["yes", "Yes"]), first_tokens(vlm, ["no", "No"])
    assert {encode_answer(vlm, "yes").ids[0], encode_answer(vlm, "Yes").ids[0]} <= yes
    assert not yes & no


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_does_not_change_what_a_model_says(vlm: Vlm, side: str):
    prompts = [
        Prompt(key="a", messages=(user("red", "What is it?"),)),
        Prompt(key="b", messages=(user("red", "blue", "Which of the two is red? And blue?"),)),
    ]
    encoded = [encode_prompt(vlm, prompt, Images()) for prompt in prompts]
    answers = [encode_answer(vlm, "A dog.").ids, encode_answer(vlm, "The first.").ids]
    both = batch_inputs(vlm, encoded, answers, side=side)
    assert both["pixel_values"].shape[0] == 3
    with torch.no_grad():
        together = vlm.model(**both).logits
        for row, (prompt, answer) in enumerate(zip(encoded, answers, strict=True)):
            alone = vlm.model(**batch_inputs(vlm, [prompt], [answer])).logits[0]
            mask = both["attention_mask"][row].bool()
            torch.testing.assert_close(together[row][mask], alone, atol=1e-4, rtol=1e-4)


def test_a_lead_of_its_own_tokens_is_before_the_answers_first_word(vlm: Vlm):
    assert lead_tokens(vlm) == []
    form = vlm.form
    vlm.form = AnswerForm(context=form.context, lead="\n", eos=form.eos)
    try:
        lead, answer = lead_tokens(vlm), encode_answer(vlm, "yes")
        assert vlm.processor.tokenizer.decode(lead) == "\n"
        assert answer.ids[:-2] == tuple(lead)
        assert answer.offsets == ((0, 0), (0, 3), (3, 3))
        assert answer.ids[1] in first_tokens(vlm, ["yes"])
    finally:
        vlm.form = form


@pytest.mark.parametrize("text", ["There is a red ball.", "It's naïve, 3 dogs 🐕!", ""])
def test_characters_of_drawn_tokens_are_those_of_the_encoded_text(text: str, vlm: Vlm) -> None:
    encoded = encode_answer(vlm, text)
    assert drawn_offsets(vlm, encoded.ids, decode_answer(vlm, encoded.ids)) == encoded.offsets


def test_characters_of_tokens_that_encoding_would_not_give_come_from_the_tokens(vlm: Vlm) -> None:
    whole = encode_answer(vlm, " ".join(["There is a red ball", "there is a cup"])).ids[:-1]
    letters = [token for word in ("a", "b", "c") for token in encode_answer(vlm, word).ids[:-1]]
    ids = (*letters, *whole, vlm.form.eos)
    text = decode_answer(vlm, ids)
    offsets = drawn_offsets(vlm, ids, text)
    assert len(offsets) == len(ids)
    assert "".join(text[start:end] for start, end in offsets) == text
    assert offsets[-1] == (len(text), len(text))
