"""Two models on the same items: the headline's test, and what happened to the items."""

import pytest

from groundtune.bench.metric import Metric, ratio
from groundtune.bench.stats.paired import (
    HeadlineTest,
    UntestedHeadline,
    headline_test,
    item_values,
    with_holm_correction,
)
from groundtune.bench.stats.significance import mcnemar
from groundtune.errors import UserError
from groundtune.records import Score

ACCURACY = Metric(
    name="accuracy",
    label="Right",
    numerator={"right": 1},
    denominator={"scored": 1},
    better="higher",
)
F1 = Metric(
    name="f1",
    label="F1",
    formula=lambda sums: ratio(2 * sums["tp"], 2 * sums["tp"] + sums["wrong"]),
    better="higher",
)
CHAIR = Metric(
    name="chair",
    label="Invented",
    numerator={"invented": 1},
    denominator={"mentions": 1},
    better="lower",
)


def scores(
    model: str, values: list[dict[str, float]], *, per_image: int = 1, decoding: str = "greedy"
) -> list[Score]:
    return [
        Score(
            key=f"{model}{i}",
            benchmark="b",
            item=str(i),
            image=str(i // per_image),
            model=model,
            decoding=decoding,
            values=each,
            status="scored" if each else "unparsed",
        )
        for i, each in enumerate(values)
    ]


def right(pattern: str) -> list[dict[str, float]]:
    return [{} if c == "?" else {"right": float(c)} for c in pattern]


def test_right_and_wrong_answers_are_tested_by_mcnemar():
    made = headline_test(
        scores("new", right("1111110000")), scores("old", right("0000011000")), [ACCURACY],
        "accuracy",
    )  # fmt: skip
    assert isinstance(made, HeadlineTest)
    assert made.test == "McNemar, exact"
    assert (made.improved, made.worsened, made.unchanged) == (5, 1, 4)
    assert made.value == pytest.approx(0.4)
    assert made.p == made.mcnemar == mcnemar(5, 1)
    assert made.smallest > 0
    assert [(f.item, f.better) for f in made.flips][-1] == ("6", False)
    assert not made.worse
    assert made.loss == pytest.approx(-0.4)


def test_several_answers_an_image_are_exchanged_together():
    new, old = scores("new", right("1111"), per_image=2), scores("old", right("0000"), per_image=2)
    made = headline_test(new, old, [ACCURACY], "accuracy")
    assert isinstance(made, HeadlineTest)
    assert made.test == "permutation by image"
    assert made.p == 0.5  # two images: both ways round of four exchanges
    assert made.mcnemar == mcnemar(4, 0)


def test_an_unread_answer_has_no_verdict_and_is_tested_by_permutation():
    new, old = scores("new", right("11?1")), scores("old", right("0000"))
    made = headline_test(new, old, [ACCURACY], "accuracy")
    assert isinstance(made, HeadlineTest)
    assert (made.improved, made.worsened, made.unchanged) == (3, 0, 0)
    assert made.test == "permutation by image"


def test_f1_has_no_verdict_of_its_own_for_wrong_items_and_takes_accuracy():
    def rows(pattern: str) -> list[dict[str, float]]:
        return [
            {"right": float(c in "pn"), "tp": float(c == "p"), "wrong": float(c == "x")}
            for c in pattern
        ]

    made = headline_test(
        scores("new", rows("ppnnnx")), scores("old", rows("pxnnnx")), [F1, ACCURACY], "f1"
    )
    assert isinstance(made, HeadlineTest)
    assert (made.metric, made.verdict) == ("f1", "accuracy")
    assert (made.improved, made.worsened, made.unchanged) == (1, 0, 5)
    assert made.test == "permutation by image"


def yes_no(pattern: str) -> list[dict[str, float]]:
    """Right (t) and wrong (f) answers in capitals where they are yes; "?" can't be read."""
    return [
        {}
        if c == "?"
        else {"right": float(c in "Tt"), "tp": float(c == "T"), "wrong": float(c in "Ff")}
        for c in pattern
    ]


PRECISION = Metric(
    name="precision",
    label="Precision",
    numerator={"tp": 1},
    denominator={"tp": 1},
    better="higher",
)
BIAS = Metric(name="bias", label="Bias", numerator={"tp": 1}, denominator={"scored": 1})


def test_a_headline_without_a_value_is_stood_for_by_the_first_metric_that_has_one_for_both():
    made = headline_test(
        scores("new", yes_no("ftft" * 6)),
        scores("old", yes_no("TtTt" * 6)),
        [BIAS, PRECISION, ACCURACY],
        "precision",
    )
    assert isinstance(made, HeadlineTest)
    assert (made.metric, made.in_place_of, made.missing_for) == ("accuracy", "precision", ("new",))
    assert made.worse
    assert (made.test, made.p) == ("McNemar, exact", mcnemar(0, 12))
    assert (made.improved, made.worsened, made.unchanged) == (0, 12, 12)


def test_what_has_no_value_at_all_is_reported_as_untested():
    made = headline_test(
        scores("new", yes_no("????")), scores("old", yes_no("TtTf")), [ACCURACY], "accuracy"
    )
    assert made == UntestedHeadline(
        model="new", against="old", benchmark="b/greedy", metric="accuracy", missing_for=("new",)
    )


def test_a_headline_that_has_a_value_stands_for_itself():
    made = headline_test(
        scores("new", yes_no("Tt")), scores("old", yes_no("TF")), [ACCURACY, F1], "f1"
    )
    assert isinstance(made, HeadlineTest)
    assert (made.metric, made.in_place_of, made.missing_for) == ("f1", "", ())


def test_a_worse_headline_is_worse_whichever_way_is_better():
    many = [{"invented": 1.0, "mentions": 2.0}] * 30
    few = [{"invented": 0.0, "mentions": 2.0}] * 30
    some = [*many[:25], *few[25:]]
    made = headline_test(scores("new", some), scores("old", few), [CHAIR], "chair")
    assert isinstance(made, HeadlineTest)
    assert made.worse
    assert made.loss == pytest.approx(25 / 60)
    assert (made.improved, made.worsened, made.unchanged) == (0, 25, 5)
    other = headline_test(scores("new", few), scores("old", some), [CHAIR], "chair")
    assert isinstance(other, HeadlineTest)
    assert not other.worse
    assert other.p == pytest.approx(made.p)


def test_holm_goes_over_all_tests():
    made = headline_test(
        scores("new", right("1" * 12)), scores("old", right("0" * 12)), [ACCURACY], "accuracy"
    )
    assert isinstance(made, HeadlineTest)
    assert [test.p_holm for test in with_holm_correction([made] * 3)] == pytest.approx(
        [3 * made.p] * 3
    )


def test_an_items_value_is_that_of_the_metric_on_it_alone():
    found = item_values(scores("m", right("10?")), ACCURACY)
    assert list(found[:2]) == [1, 0]
    assert found[2] != found[2]


def test_other_items_are_not_compared():
    with pytest.raises(UserError, match="not answered the same items"):
        headline_test(scores("a", right("11")), scores("b", right("111")), [ACCURACY], "accuracy")
