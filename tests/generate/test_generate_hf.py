from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from groundtune.engine.rows import PromptRow
from groundtune.engine.separate import separate
from groundtune.errors import UserError
from groundtune.generate import decode, first, yes_no
from groundtune.generate.first import first_logits
from groundtune.generate.hf import HfGenerator
from groundtune.generate.scripted import ScriptedGenerator
from groundtune.protocols import Reply
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encode import encode_prompt
from groundtune.vlm.encoded import EncodedAnswer, EncodedPrompt
from groundtune.vlm.load import Vlm, load
from groundtune.vlm.special_tokens import placeholder_ids


class Images:
    opened: int = 0

    def open(self, sha256: str) -> Image.Image:
        self.opened += 1
        return Image.new("RGB", (20, 16), sha256)


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


def ask(text: str, image: str) -> Prompt:
    content = (ImagePart(image=image), TextPart(text=text))
    return Prompt(key=f"{text}{image}", messages=(Message(role="user", content=content),))


PROMPTS = [
    ask("Is there a dog?", "red"),
    ask("Describe the image. How many cups are there?", "blue"),
    ask("What colour?", "green"),
    ask("Is there a dog?", "red"),
    ask("What is it to the left of the car?", "white"),
]
SEEDS = [1, 2, 3, 4, 5]
WARM = Sampling(temperature=1.0, top_p=0.95, max_new_tokens=12)
COLD = Sampling(temperature=0, max_new_tokens=12)


@pytest.mark.parametrize("sampling", [WARM, COLD])
def test_a_rows_draw_is_the_same_in_any_batch(vlm: Vlm, sampling: Sampling):
    together = HfGenerator(vlm, Images(), 5).generate(PROMPTS, sampling, SEEDS)
    for size in (1, 4):
        assert HfGenerator(vlm, Images(), size).generate(PROMPTS, sampling, SEEDS) == together
    turned = HfGenerator(vlm, Images(), 2).generate(PROMPTS[::-1], sampling, SEEDS[::-1])
    assert turned == together[::-1]


def test_another_seed_is_another_draw_unless_decoding_is_greedy(vlm: Vlm):
    generator = HfGenerator(vlm, Images())
    warm = generator.generate([PROMPTS[0]] * 6, WARM, range(6))
    assert len({reply.text for reply in warm}) > 3
    cold = generator.generate([PROMPTS[0]] * 3, COLD, range(3))
    assert len({reply.text for reply in cold}) == 1


@pytest.mark.parametrize("sampling", [WARM, COLD])
def test_reading_each_prompt_once_gives_what_transformers_own_loop_gives(
    vlm: Vlm, sampling: Sampling
):
    encoded = [encode_prompt(vlm, prompt, Images()) for prompt in PROMPTS[:3]]
    rows, seeds = [0, 0, 1, 2, 2, 1], [1, 2, 3, 4, 5, 6]
    own = vlm.model.generation_config
    # an image placeholder in an answer would be taken for an image when it is scored
    drawing = decode._Drawing(sampling, tuple(placeholder_ids(vlm)), logp=True)
    shared = decode._shared(vlm, encoded, rows, seeds, drawing)
    generic = decode._generic(vlm, [encoded[row] for row in rows], seeds, drawing)
    assert [each.ids for each in shared] == [each.ids for each in generic]
    assert vlm.model.generation_config is own
    scored = separate(vlm, [_row(encoded[i], each) for i, each in zip(rows, shared, strict=True)])
    for one, other, [found] in zip(shared, generic, scored, strict=True):
        logp = found.detach()
        assert len(one.logp) == len(one.ids)
        torch.testing.assert_close(logp, torch.tensor(one.logp), atol=1e-5, rtol=0)
        torch.testing.assert_close(logp, torch.tensor(other.logp), atol=1e-5, rtol=0)


def _row(prompt: EncodedPrompt, drawn: decode.DrawnAnswer) -> PromptRow:
    offsets = ((0, 0),) * len(drawn.ids)
    return PromptRow(prompt, (EncodedAnswer(ids=tuple(drawn.ids), offsets=offsets),))


def test_banned_tokens_are_never_drawn_and_placeholders_of_images_are_banned(vlm: Vlm):
    encoded = [encode_prompt(vlm, PROMPTS[0], Images())]
    free = decode.decode_with_logp(vlm, encoded, [0] * 4, [1, 2, 3, 4], WARM)
    banned = {token for each in free for token in each.ids}
    held = decode.decode_with_logp(vlm, encoded, [0] * 4, [1, 2, 3, 4], WARM, banned=banned)
    assert banned.isdisjoint(token for each in held for token in each.ids)
    assert all(each.banned == 0 for each in free)
    for each in held:  # what the banned tokens would have had of the probability
        ids = torch.tensor([[*encoded[0].ids, *each.ids]])
        with torch.no_grad():
            logits = vlm.model(input_ids=ids, **encoded[0].features).logits[0]
        chances = logits.float().softmax(-1)[len(encoded[0].ids) - 1 : -1, sorted(banned)]
        assert each.banned == pytest.approx(float(chances.sum()), rel=1e-4)
    image = vlm.processor.tokenizer.convert_tokens_to_ids(vlm.image_token)
    assert image in placeholder_ids(vlm)
    assert placeholder_ids(vlm).isdisjoint(vlm.eos_ids)


def test_greedy_decoding_is_transformers_greedy_decoding(vlm: Vlm):
    reply = HfGenerator(vlm, Images()).generate([PROMPTS[1]], COLD, [0])[0]
    inputs = batch_inputs(vlm, [encode_prompt(vlm, PROMPTS[1], Images())])
    ids = vlm.model.generate(**inputs, max_new_tokens=12, do_sample=False)
    new = ids[0, inputs["input_ids"].shape[1] :]
    assert reply.text == vlm.processor.tokenizer.decode(new, skip_special_tokens=True).strip()
    assert reply.tokens == len(new)


def test_an_answer_that_ends_says_so_and_one_that_is_truncated_does_not(tiny_llava: Path):
    vlm = load(str(tiny_llava))
    generator = HfGenerator(vlm, Images())
    cut = generator.generate([PROMPTS[0]], COLD, [0])[0]
    assert (cut.tokens, cut.finished) == (12, False)
    ids = decode.decode(vlm, [encode_prompt(vlm, PROMPTS[0], Images())], [0], [0], COLD)[0]
    vlm.model.generation_config.eos_token_id = [ids[4]]
    del vlm.eos_ids
    ended = generator.generate([PROMPTS[0]], COLD, [0])[0]
    assert (ended.tokens, ended.finished) == (ids.index(ids[4]) + 1, True)


def test_rows_that_end_early_leave_the_others_as_they_were(tiny_llava: Path):
    vlm = load(str(tiny_llava))
    vlm.model.generation_config.eos_token_id = list(range(2, 330, 6))
    sampling = Sampling(temperature=1, max_new_tokens=30)
    prompts, seeds = [PROMPTS[i % 5] for i in range(20)], list(range(20))
    together = HfGenerator(vlm, Images(), 20).generate(prompts, sampling, seeds)
    alone = HfGenerator(vlm, Images(), 1).generate(prompts, sampling, seeds)
    assert together == alone
    assert len({reply.tokens for reply in together}) > 4


def test_special_tokens_and_white_space_at_the_ends_are_no_part_of_the_text(vlm: Vlm):
    replies = HfGenerator(vlm, Images()).generate([PROMPTS[0]] * 40, WARM, range(40))
    assert all(reply.text == reply.text.strip() for reply in replies)
    assert not any("</s>" in reply.text or "<image>" in reply.text for reply in replies)


def test_one_prompt_is_read_once_a_batch(vlm: Vlm):
    images = Images()
    HfGenerator(vlm, images, 8).generate([PROMPTS[0]] * 8, WARM, range(8))
    assert images.opened == 1


def test_yes_and_no_are_the_raw_mass_at_the_answers_first_token(vlm: Vlm):
    generator = HfGenerator(vlm, Images(), 2)
    replies = generator.yes_no(PROMPTS)
    for prompt, reply in zip(PROMPTS, replies, strict=True):
        inputs = batch_inputs(vlm, [encode_prompt(vlm, prompt, Images())])
        with torch.no_grad():
            probs = vlm.model(**inputs).logits[0, -1].softmax(-1)
        encode = vlm.processor.tokenizer.encode
        for word, found in (("yes", reply.p_yes), ("no", reply.p_no)):
            forms = (word, word.title(), f" {word}", f" {word.title()}")
            ids = {encode(form)[0] for form in forms}
            assert found == pytest.approx(sum(float(probs[i]) for i in ids), rel=1e-4)
    assert replies[0] == pytest.approx(replies[3])
    assert replies[0] != replies[1]


def test_questions_about_one_image_are_answered_together_as_alone(vlm: Vlm):
    asked = ("Is there a dog?", "Is there a red ball?", "Is there?", "How many cups are there?")
    prompts = [ask(text, image) for text in asked for image in ("red", "blue")]
    encoded = [encode_prompt(vlm, prompt, Images()) for prompt in prompts]
    together = first_logits(vlm, encoded, [prompt.images for prompt in prompts])
    for row, prompt in zip(together, encoded, strict=True):
        with torch.no_grad():
            alone = vlm.model(**batch_inputs(vlm, [prompt])).logits[0, -1]
        torch.testing.assert_close(row, alone, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_the_beginning_that_questions_share_has_all_of_the_image(vlm: Vlm):
    prompts = [ask("Is there a dog?", "red"), ask("Is there a dog in it?", "red")]
    encoded = [encode_prompt(vlm, prompt, Images()) for prompt in prompts]
    lengths = first._shared_lengths(vlm, encoded, [("red",), ("red",)])
    shared = encoded[0].ids[: lengths[("red",)]]
    assert vlm.processor.tokenizer.decode(shared).endswith("Is there a dog")
    assert (
        first._shared_lengths(vlm, encoded, [("red",), ("blue",)])[("red",)]
        == len(encoded[0].ids) - 1
    )
    swapped = [encoded[0], replace(encoded[1], ids=encoded[1].ids[::-1])]
    assert first._shared_lengths(vlm, swapped, [("red",), ("red",)]) == {}


def test_words_that_begin_alike_are_refused_as_yes_and_no(
    vlm: Vlm, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(yes_no, "NO", ("yes not",))
    with pytest.raises(UserError, match="yes and no with the same token"):
        HfGenerator(vlm, Images()).yes_no(PROMPTS[:1])


def test_the_producer_says_what_made_an_answer(vlm: Vlm):
    producer = HfGenerator(vlm, Images(), name="world:base").producer(WARM, 3)
    assert (producer.kind, producer.name, producer.seed) == ("model", "world:base", 3)
    assert (producer.revision, producer.sampling) == (vlm.revision, WARM)


def test_a_script_answers_without_a_model():
    scripted = ScriptedGenerator(lambda prompt, seed: f"{prompt.key} {seed}", lambda prompt: 0.25)
    replies = scripted.generate([Prompt(key="p", messages=())] * 2, WARM, [1, 2])
    assert replies == [Reply("p 1", 3, finished=True), Reply("p 2", 3, finished=True)]
    assert scripted.yes_no([Prompt(key="p", messages=())])[0] == (0.25, 0.75)
    cut = scripted.generate([Prompt(key="p", messages=())], Sampling(max_new_tokens=1), [1])[0]
    assert (cut.text, cut.finished) == ("p", False)
