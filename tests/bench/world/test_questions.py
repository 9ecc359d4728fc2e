"""Questions about the world, asked and scored."""

from collections import Counter
from pathlib import Path

import pytest

from groundtune.bench.benchmark import Scoring
from groundtune.bench.item import Item, ItemAnswer, ItemSelection
from groundtune.bench.stats.bootstrap import estimate
from groundtune.bench.stats.sums import group, tabulate
from groundtune.bench.world.images import find_scene
from groundtune.bench.world.questions import METRICS, NAME, OPEN, YES_NO, load, score, score_answer
from groundtune.records import Estimate, Score
from groundtune.store.images import ImageStore
from groundtune.world.grammar import capital


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[Item]:
    return load(ItemSelection(n=60), ImageStore(tmp_path_factory.mktemp("images")))


def answered(items: list[Item], say: object) -> dict[str, list[Score]]:
    assert callable(say)
    scores = [score_answer(item, ItemAnswer(text=str(say(item)), model="m")) for item in items]
    return {key[1]: some for key, some in group(scores).items()}


def of(scores: list[Score], name: str) -> Estimate | None:
    metric = next(each for each in METRICS if each.name == name)
    return estimate(tabulate(scores), metric, model="m", benchmark="b")


def test_existence_questions_are_half_yes_and_true(items: list[Item]):
    for setting in YES_NO[:3]:
        asked = [item for item in items if item.kind == setting]
        assert Counter(item.target for item in asked)["yes"] * 2 == len(asked)
        for item in asked:
            there = item.strata["category"] in find_scene(item.image).categories
            assert item.target == ("yes" if there else "no")
            assert item.prompt.question.endswith("Answer yes or no.")


def test_the_settings_share_their_yes_questions_word_by_word(items: list[Item]):
    yes = [
        {item.prompt.key for item in items if item.kind == setting and item.target == "yes"}
        for setting in YES_NO[:3]
    ]
    assert yes[0] == yes[1] == yes[2]


def test_items_have_unique_keys_and_questions_name_only_what_is_there_where_they_must(
    items: list[Item],
):
    assert len({item.key for item in items}) == len(items)
    assert {item.kind for item in items} == {*YES_NO, *OPEN}
    for item in items:
        if item.kind in OPEN:
            assert item.strata["category"] in find_scene(item.image).categories
            assert item.target != "no"


def test_one_who_always_says_yes_has_a_yes_rate_of_one_and_f1_of_two_thirds(items: list[Item]):
    scores = answered(items, lambda item: "Yes.")
    for setting in YES_NO[:3]:
        values = {
            name: made.value
            for name in ("accuracy", "f1", "precision", "yes_recall", "yes_rate", "unparsed")
            if (made := of(scores[f"{NAME}/{setting}"], name))
        }
        assert values == pytest.approx(
            {
                "accuracy": 1 / 2,
                "f1": 2 / 3,
                "precision": 1 / 2,
                "yes_recall": 1,
                "yes_rate": 1,
                "unparsed": 0,
            }
        )


def test_one_who_always_says_no_has_no_precision(items: list[Item]):
    scores = answered(items, lambda item: "No.")[f"{NAME}/random"]
    assert of(scores, "precision") is None
    f1, yes = of(scores, "f1"), of(scores, "yes_rate")
    assert f1 is not None
    assert yes is not None
    assert (f1.value, yes.value) == (0, 0)


def test_true_answers_are_right_short_and_long(items: list[Item]):
    for say in (
        lambda item: capital(item.target) + ".",
        lambda item: {
            "yes": "Yes, there is.",
            "no": "No, there is not.",
        }.get(item.target, f"I would say that it is {item.target}."),
    ):
        for scores in answered(items, say).values():
            made = of(scores, "accuracy")
            assert made is not None
            assert (made.value, made.n) == (1, len(scores))


def test_what_cannot_be_read_is_counted_and_no_mistake(items: list[Item]):
    first = {item.kind: item.key for item in reversed(items)}
    scores = answered(items, lambda item: "Perhaps." if item.key in first.values() else item.target)
    for some in scores.values():
        accuracy, unparsed = of(some, "accuracy"), of(some, "unparsed")
        assert accuracy is not None
        assert unparsed is not None
        assert (accuracy.value, accuracy.n) == (1, len(some) - 1)
        assert (unparsed.value, unparsed.n) == (pytest.approx(1 / len(some)), len(some))


def test_open_questions_have_an_accuracy_and_no_yes_rate(items: list[Item]):
    scores = answered(items, lambda item: item.target)
    for kind in OPEN:
        assert of(scores[f"{NAME}/{kind}"], "accuracy") is not None
        assert of(scores[f"{NAME}/{kind}"], "yes_rate") is None
        assert of(scores[f"{NAME}/{kind}"], "f1") is None


def test_a_wrong_answer_says_what_would_have_been_right(items: list[Item]):
    item = next(each for each in items if each.kind == "colour")
    wrong = "purple" if item.target != "purple" else "red"
    made = score_answer(item, ItemAnswer(text=wrong, model="m"))
    assert (made.values["correct"], made.why, made.extracted) == (0, item.target, (wrong,))


def test_popes_own_parser_reads_everything(items: list[Item]):
    item = next(each for each in items if each.target == "yes")
    given = [ItemAnswer(text="There is one.", item=item.key)]
    (strict,) = score([item], given, Scoring(mode="strict"))
    (official,) = score([item], given, Scoring(mode="official"))
    assert strict.status == "unparsed"
    assert official.values["tp"] == 1
    assert strict.key != official.key


def test_questions_follow_from_the_seed(tmp_path: Path):
    images = ImageStore(tmp_path)
    first, again, other = (load(ItemSelection(n=10, seed=seed), images) for seed in (1, 1, 2))
    assert first == again
    assert first != other
