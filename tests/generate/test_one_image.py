"""Questions that share an image against each question's own whole prompt, and what that saves."""

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import tiny_llava as parts
from groundtune.generate import one_image
from groundtune.generate.hf import ASKED_TOGETHER, HfGenerator
from groundtune.generate.one_image import encode_questions, log_p_next
from groundtune.generate.yes_no import yes_no_ids
from groundtune.protocols import YesNoReply
from groundtune.records import ImagePart, Message, Prompt, Sampling, TextPart
from groundtune.vlm.batch import batch_inputs
from groundtune.vlm.encode import encode_prompt
from groundtune.vlm.load import Vlm, load

COLOURS = ("red", "green", "blue")
THINGS = ("dog", "red ball", "cup", "blue car", "cat", "bird", "table", "roof", "image", "colour")


class Images:
    def __init__(self, size: int = 16) -> None:
        self.size = size
        self.opened = 0

    def open(self, sha256: str) -> Image.Image:
        self.opened += 1
        return Image.new("RGB", (self.size, self.size), sha256)


def ask(text: str, image: str = "red", after: bool = False) -> Prompt:
    words, image_part = TextPart(text=text), ImagePart(image=image)
    content = (words, image_part) if after else (image_part, words)
    message = Message(role="user", content=content)
    return Prompt(key=f"{image} {text}", messages=(message,))


def questions(number: int, image: str = "red") -> list[Prompt]:
    names = [f"{thing} to the {side}" for side in COLOURS for thing in THINGS]
    names += [f"{thing} beside the {other}" for thing in THINGS for other in names]
    return [ask(f"Is there a {name}? Yes or no.", image) for name in names[:number]]


def alone(vlm: Vlm, prompts: list[Prompt], images: Images) -> list[YesNoReply]:
    """Each question in its own pass of its whole prompt."""
    ids = yes_no_ids(vlm)
    found: list[YesNoReply] = []
    for prompt in prompts:
        encoded = encode_prompt(vlm, prompt, images)
        encoded = replace(encoded, ids=(*encoded.ids, *ids.lead))
        with torch.inference_mode():
            logits_1V = vlm.model(**batch_inputs(vlm, [encoded]), logits_to_keep=1).logits[:, -1]
        probs_V = logits_1V[0].float().softmax(-1)
        yes, no = (float(probs_V[sorted(spelt)].sum()) for spelt in (ids.yes, ids.no))
        found.append(YesNoReply(yes, no))
    return found


@pytest.fixture(scope="module")
def vlm(tiny_llava: Path) -> Vlm:
    return load(str(tiny_llava))


def test_questions_behind_a_image_are_answered_as_alone(vlm: Vlm):
    asked = [*questions(6), *questions(2, "blue"), *questions(5, "green")]
    mixed = [*asked[::2], *asked[1::2]]
    found = HfGenerator(vlm, Images(), 4).yes_no(mixed)
    wanted = alone(vlm, mixed, Images())
    for reply, other in zip(found, wanted, strict=True):
        assert reply == pytest.approx(other, rel=1e-4, abs=1e-8)
    assert len({round(reply.p_yes, 9) for reply in found}) > len(found) // 2


def test_the_comparison_catches_another_images_features(vlm: Vlm):
    red, blue = questions(5), questions(5, "blue")
    wanted = HfGenerator(vlm, Images()).yes_no(blue)
    found = HfGenerator(vlm, Images()).yes_no(red)
    assert [reply.p_yes for reply in found] != pytest.approx([r.p_yes for r in wanted], rel=1e-3)


def test_a_image_is_prepared_twice_however_many_questions_there_are(vlm: Vlm):
    images = Images()
    HfGenerator(vlm, images).yes_no(questions(20))
    assert images.opened == 2


def test_questions_read_as_text_have_the_tokens_of_their_prompts(vlm: Vlm):
    asked = questions(5)
    found = encode_questions(vlm, asked, Images())
    assert [each.ids for each in found] == [encode_prompt(vlm, p, Images()).ids for p in asked]


def test_a_tokenizer_that_reads_a_texts_start_otherwise_has_all_prompts_encoded_whole(
    vlm: Vlm, monkeypatch: pytest.MonkeyPatch
):
    whole = [encode_prompt(vlm, prompt, Images()).ids for prompt in questions(4)]
    monkeypatch.setattr(one_image, "_tails", lambda vlm, prompts: [(5, 6)] * len(prompts))
    images = Images()
    assert [each.ids for each in encode_questions(vlm, questions(4), images)] == whole
    assert images.opened == 5


def test_images_behind_the_question_are_asked_about_apart(vlm: Vlm):
    asked = [ask(f"Is there a {thing}?", after=True) for thing in THINGS[:ASKED_TOGETHER]]
    assert log_p_next(vlm, asked, Images(), (5, 6)) is None
    found = HfGenerator(vlm, Images()).yes_no(asked)
    for reply, other in zip(found, alone(vlm, asked, Images()), strict=True):
        assert reply == pytest.approx(other, rel=1e-4, abs=1e-8)


def build_larger(path: Path) -> Path:
    """A random LLaVA whose image is 576 tokens, as LLaVA-1.5's is: 4 layers of width 256."""
    tokenizer = parts._tokenizer()
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=parts.TEMPLATE,
    )
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=336,
        patch_size=14,
    )
    text = LlamaConfig(
        vocab_size=32000,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path


def growth_mib(work: Callable[[], object]) -> float:
    """By how much this process's memory grows at the most while `work` runs."""
    sizes, over = list[int](), threading.Event()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    def watch() -> None:
        while not over.wait(0.005):
            sizes.append(resident())

    gc.collect()
    before, watcher = resident(), threading.Thread(target=watch)
    watcher.start()
    work()
    over.set()
    watcher.join()
    return (max([before, *sizes]) - before) / 2**20


@pytest.mark.bench
@pytest.mark.parametrize("number", [20, 60, 200])
def test_how_many_claims_a_second_are_checked_behind_one_image(number: int, tmp_path: Path):
    torch.set_num_threads(1)
    vlm, images = load(str(build_larger(tmp_path)), dtype="float32"), Images(336)
    asked = questions(number)
    together = HfGenerator(vlm, images, 64)
    grown = growth_mib(lambda: together.yes_no(asked))  # what is made once included
    alone(vlm, asked[:1], images)
    seconds: dict[str, list[float]] = {"together": [], "alone": []}
    for _ in range(3 if number < 200 else 1):
        for name, run in (
            ("together", together.yes_no),
            ("alone", lambda p: alone(vlm, p, images)),
        ):
            before = time.process_time()
            replies = run(asked)
            seconds[name].append(time.process_time() - before)
            seconds.setdefault(f"{name} p", [reply.p_yes for reply in replies])
    assert seconds["together p"] == pytest.approx(seconds["alone p"], rel=1e-3)
    lengths = [len(each.ids) for each in encode_questions(vlm, asked, images)]
    shared = one_image.common_start(encode_questions(vlm, asked, images))
    start = len(shared.prompt.ids)
    bound = sum(lengths) / (start + sum(map(len, shared.continuations)))
    best = {name: min(seconds[name]) for name in ("together", "alone")}
    print(
        f"\n{number} questions, {start} tokens in common, "
        f"{sum(lengths) / number - start:.1f} more each: "
        f"{number / best['alone']:.1f} claims a second alone, "
        f"{number / best['together']:.1f} together, {best['alone'] / best['together']:.1f} times "
        f"(token bound {bound:.1f}), memory grew by {grown:.0f} MiB; all {seconds['alone']} "
        f"{seconds['together']}"
    )
    assert best["alone"] / best["together"] > 0.6 * bound


@pytest.mark.bench
def test_how_many_answers_a_second_share_one_prompt(tmp_path: Path):
    torch.set_num_threads(1)
    vlm, images = load(str(build_larger(tmp_path)), dtype="float32"), Images(336)
    sampling, seeds = Sampling(temperature=1, max_new_tokens=40), range(10)
    same = [ask("What is in the image?")] * len(seeds)
    apart = [prompt.model_copy(update={"key": f"{i}"}) for i, prompt in enumerate(same)]
    ways = {"one prompt": (same, 16), "ten prompts": (apart, 16), "one by one": (apart, 1)}
    texts: dict[str, list[str]] = {}
    for name, (prompts, size) in ways.items():
        run = partial(HfGenerator(vlm, images, size).generate, prompts, sampling, seeds)
        grown = growth_mib(run)  # what is made once isn't timed
        used: list[float] = []
        for _ in range(3):
            before = time.process_time()
            replies = run()
            used.append(time.process_time() - before)
        texts[name] = [reply.text for reply in replies]
        tokens = sum(reply.tokens for reply in replies)
        print(
            f"\n{name}: {len(seeds) / min(used):.2f} answers a second ({tokens} tokens), memory "
            f"grew by {grown:.0f} MiB; all {used}"
        )
    assert texts["one prompt"] == texts["ten prompts"] == texts["one by one"]
    assert len(set(texts["one prompt"])) > 1  # many of a random model's tokens have no text
