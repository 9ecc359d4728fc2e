"""All rounds of a dialogue in one row: the tokens are those of each round read on its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import UnfitError
from groundtune.records import ImagePart, Message, Prompt, TextPart
from groundtune.store.images import ImageStore
from groundtune.vlm.dialogue import encode_rounds, opening
from groundtune.vlm.encode import decode_answer, encode_answer, encode_prompt
from groundtune.vlm.load import Vlm, load
from tiny_processors import PROCESSORS, saved
from training_folder import image_bytes

ALONE = {"instructblip", "paligemma"}
"""Families whose template has no turns."""


def dialogue(store: ImageStore, *texts: str) -> Prompt:
    """An image and a question, then answers and questions in turns."""
    image = ImagePart(image=store.add(image_bytes("red")))
    parts = [(TextPart(text=text),) for text in texts]
    messages = [Message(role="user", content=(image, *parts[0]))]
    roles = ("user", "assistant")
    messages += [Message(role=roles[i % 2], content=part) for i, part in enumerate(parts[1:], 1)]
    return Prompt(key="p", messages=tuple(messages))


def check_rounds(vlm: Vlm, store: ImageStore) -> None:
    prompt = dialogue(store, "What is it?", "A red cup.", "Is it big?", "No, small.", "How many?")
    first = opening(prompt)
    assert first is not None
    rounds = encode_rounds(vlm, prompt, "Two cups.")
    start = encode_prompt(vlm, first, store).ids
    said = ["A red cup.", "No, small.", "Two cups."]
    for number, text in enumerate(said):
        upto = prompt.model_copy(update={"messages": prompt.messages[: 2 * number + 1]})
        alone = (*encode_prompt(vlm, upto, store).ids, *encode_answer(vlm, text).ids)
        whole = (*start, *rounds.answer.ids)
        assert whole[: len(alone)] == alone
    counted = [i for i, yes in zip(rounds.answer.ids, rounds.counted, strict=True) if yes]
    assert counted == [token for text in said for token in encode_answer(vlm, text).ids]
    assert len(rounds.counted) == len(rounds.answer.ids) == len(rounds.answer.offsets)
    assert "Is it big?" in decode_answer(vlm, rounds.answer.ids)


@pytest.mark.parametrize("make", [p for p in PROCESSORS if p.__name__ not in ALONE])
def test_rounds_have_the_tokens_of_each_round_alone_and_only_answers_count(
    make: Callable[[], Any], tmp_path: Path
):
    vlm = load(saved(make, tmp_path / "model"), dtype="float32", device="cpu")
    check_rounds(vlm, ImageStore(tmp_path / "images"))


def test_what_can_not_be_read_as_one_row_is_refused(tiny_llava: Path, tmp_path: Path):
    vlm, store = load(str(tiny_llava), dtype="float32", device="cpu"), ImageStore(tmp_path)
    with pytest.raises(UnfitError, match="special token '</s>'"):
        encode_rounds(vlm, dialogue(store, "What?", "A cup.", "Is </s> big?"), "No.")
    prompt = dialogue(store, "What?", "A cup.", "And this?")
    image = prompt.messages[0].content[0]
    later = prompt.messages[2].model_copy(update={"content": (image, TextPart(text="And?"))})
    moved = prompt.model_copy(update={"messages": (*prompt.messages[:2], later)})
    with pytest.raises(UnfitError, match="An image comes after"):
        encode_rounds(vlm, moved, "No.")
    forgets = (
        "{% for m in messages %}{% if loop.last %}{{ m.content[0].text }}{% endif %}{% endfor %}"
    )
    vlm.processor.chat_template = forgets
    with pytest.raises(UnfitError, match="earlier rounds"):
        encode_rounds(vlm, dialogue(store, "What?", "A cup.", "Is it?"), "No.")
