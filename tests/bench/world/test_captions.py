"""Captions held against the truth of their scenes."""

from pathlib import Path

import numpy as np
import pytest

from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.metric import Metric
from groundtune.bench.stats.bootstrap import estimate
from groundtune.bench.stats.sums import tabulate
from groundtune.bench.world.benchmarks import WORLD_CAPTIONS
from groundtune.bench.world.captions import (
    METRICS,
    NAME,
    PROTOCOL,
    STRATA,
    invented_categories,
    load,
    refuses,
    score_caption,
)
from groundtune.bench.world.images import find_scene
from groundtune.errors import UserError
from groundtune.records import Prompt, Score
from groundtune.store.images import ImageStore
from groundtune.world.captions import CLEAN, EVALUATION_INSTRUCTIONS, MACHINE, Habits, caption
from groundtune.world.render import render
from groundtune.world.scenes import Scene, Thing, prior, scene

KITCHEN = Scene(
    key="made",
    context="kitchen",
    background="blue",
    things=(
        Thing(category="cup", colour="red", cells=(0, 4), boxes=(), usual=True),
        Thing(category="fork", colour="", cells=(8,), boxes=(), usual=True),
        Thing(category="dog", colour="", cells=(3,), boxes=(), usual=False),
    ),
    seed=0,
)
ITEM = Item(key="made", benchmark=NAME, image="made", prompt=Prompt(key="p", messages=()))


def judged(text: str) -> Score:
    return score_caption(KITCHEN, ITEM, ItemAnswer(text=text, model="m"))


def metric(name: str) -> Metric:
    return next(each for each in METRICS if each.name == name)


def captions_of(habits: Habits, number: int = 150) -> list[Score]:
    made: list[Score] = []
    for index in range(number):
        seen = scene("development", index)
        item = ITEM.model_copy(update={"key": seen.key, "image": seen.key})
        text = caption(seen, np.random.default_rng(index), habits)
        made.append(score_caption(seen, item, ItemAnswer(text=text, model="m")))
    return made


def measured(scores: list[Score], name: str) -> float:
    made = estimate(tabulate(scores), metric(name), model="m", benchmark=NAME)
    assert made is not None
    return made.value


def test_images_that_were_looked_at_can_be_passed_over(tmp_path: Path):
    images = ImageStore(tmp_path)
    all_items = load(ItemSelection(n=10), images)
    later = load(ItemSelection(n=5, start=5), images)
    usual = [item.key for item in all_items if item.benchmark == NAME]
    assert [item.key for item in later if item.benchmark == NAME] == usual[5:]
    passed = {f"development/{stratum}/{i}" for stratum in STRATA for i in range(5)}
    assert not passed & {item.key for item in later}


def test_an_answer_that_says_a_sentence_again_and_again_is_reported():
    once, again = "A kitchen. A cup is there.", "A kitchen. A cup is there. a cup is there."
    texts = once, again, f"{again} A cup is there.", "!"
    made = [judged(text).model_copy(update={"item": text}) for text in texts]
    assert [score.values.get("repeated") for score in made] == [1, 2, 3, None]
    assert measured(made, "again") == pytest.approx(2 / 3)
    assert measured(made, "looping") == pytest.approx(1 / 3)


def test_a_caption_is_counted_as_by_hand():
    text = (
        "This is a kitchen with a pink wall. There are three red cups, a knife and a dog. "
        "The knife is on the left. The dog is at the top."
    )
    made = judged(text)
    wanted = {
        "mentions": 5,  # cups, knife, dog, the knife, the dog
        "invented_mentions": 2,
        "invented": 1,
        "wrong": 1,
        "wrong_object": 1,
        "wrong_objects": 2,
        "wrong_number": 1,
        "wrong_numbers": 1,
        "wrong_attribute": 1,
        "wrong_attributes": 1,  # the wall
        "wrong_colours": 0,
        "wrong_position": 1,
        "wrong_positions": 1,
        "wrong_other": 0,
        "classes": 2,
        "truth_classes": 3,
        "words": 30,
        "sentences": 4,
        "refusal": 0,
        "numbers": 2,
        "colours": 1,
        "places": 1,
        "cut": 0,
    }
    assert {name: made.values[name] for name in wanted} == wanted
    assert [text[span.start : span.end] for span in made.spans] == [
        "pink",
        "three",
        "a knife",
        "The knife",
        "at the top",
    ]
    assert made.extracted == ("cup", "knife", "dog", "knife", "dog")
    assert '"a knife": not there' in made.why


def test_what_is_said_not_to_be_there_is_no_mention():
    made = judged("There are two red cups. There is no knife and no bottle.")
    assert made.values["mentions"] == 1
    assert made.values["wrong"] == 0


def test_a_right_caption_has_nothing_wrong():
    made = judged("A kitchen under a blue sky. There are two red cups, a fork and a dog.")
    assert made.values["wrong"] == 0
    assert made.values["classes"] == made.values["truth_classes"] == 3
    assert made.spans == ()


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!"])
def test_an_answer_without_words_is_unparsed_and_has_no_values(text: str):
    made = judged(text)
    assert made.status == "unparsed"
    assert made.values == {}


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("I'm sorry, but I cannot see the image.", True),
        ("As an AI, I can't help with that.", True),
        ("I am unable to describe this image.", True),
        ("No image was provided.", True),
        ("I don't see any image.", True),
        ("No picture was provided.", True),
        ("I do not see the picture.", True),
        ("I cannot see who took it, but there is a cup on the left.", False),
        ("There is a cup. I do not see a knife.", False),
        ("This is a kitchen.", False),
    ],
)
def test_a_refusal_says_so_and_names_nothing(text: str, refused: bool):
    assert refuses(text) is refused
    assert judged(text).values["refusal"] == refused


def test_a_truncated_answer_is_scored_and_counted():
    made = score_caption(KITCHEN, ITEM, ItemAnswer(text="There is a", model="m", truncated=True))
    assert made.values["cut"] == 1


def test_another_answer_or_decoding_is_another_score():
    keys = {
        score_caption(KITCHEN, ITEM, ItemAnswer(text=text, model=model, decoding=decoding)).key
        for text in ("A cup.", "A fork.")
        for model in ("a", "b")
        for decoding in ("greedy", "t1")
    }
    assert len(keys) == 8


def test_a_truthful_writer_invents_nothing_and_leaves_little_out():
    scores = captions_of(CLEAN)
    assert measured(scores, "chair_sentence") == 0
    assert measured(scores, "wrong_any") == 0
    assert 0.95 < measured(scores, "recall") < 0.99
    assert all(invented_categories(one) == [] for one in scores)


def test_a_machine_writer_invents_what_belongs_to_the_context():
    scores = captions_of(MACHINE)
    assert measured(scores, "chair_sentence") > 0.4
    assert 0.1 < measured(scores, "chair_instance") < 0.5
    made_up = [
        (find_scene(one.image).context, name) for one in scores for name in invented_categories(one)
    ]
    assert np.mean([prior(context, name) > 0 for context, name in made_up]) > 0.8
    assert measured(scores, "number_error") > 0.01
    assert measured(scores, "colour_error") > 0.05
    assert measured(scores, "place_error") > 0.03


def test_items_have_their_scenes_image_and_an_instruction_kept_for_evaluation(tmp_path: Path):
    images = ImageStore(tmp_path)
    items = load(ItemSelection(n=10), images)
    assert [item.benchmark for item in items].count(NAME) == 10
    assert {item.benchmark for item in items} == {NAME, f"{NAME}/missing", f"{NAME}/replaced"}
    assert len({item.key for item in items}) == len(items)
    for item in items:
        (sha256,) = item.prompt.images
        assert item.prompt.question in EVALUATION_INSTRUCTIONS
        assert item.prompt.facts
        assert item.prompt.source.row == item.image == item.key
        assert np.array_equal(
            np.asarray(images.open(sha256)), np.asarray(render(find_scene(item.key)))
        )


def test_items_and_wordings_follow_from_the_seed(tmp_path: Path):
    images = ImageStore(tmp_path)
    first, again, other = (load(ItemSelection(n=10, seed=seed), images) for seed in (1, 1, 2))
    assert first == again
    assert [item.prompt.question for item in first] != [item.prompt.question for item in other]


def test_a_split_that_is_none_is_the_users_error(tmp_path: Path):
    with pytest.raises(UserError, match="no split"):
        load(ItemSelection(split="validation", n=1), ImageStore(tmp_path))


def test_every_metric_has_a_value_on_real_captions_and_the_headline_is_one():
    scores = captions_of(MACHINE, 30)
    assert all(measured(scores, each.name) >= 0 for each in METRICS)
    assert WORLD_CAPTIONS.headline in {each.name for each in METRICS}
    assert PROTOCOL.sampling("greedy").temperature == 0
    assert PROTOCOL.sampling("t1").temperature == 1
