"""POPE's three kinds of absent objects."""

from hypothesis import given
from hypothesis import strategies as st

from groundtune.bench.world.sampling import SETTINGS, count, draw

SETS = {
    "a": ("cup", "fork"),
    "b": ("cup", "fork", "knife"),
    "c": ("cup", "knife"),
    "d": ("dog", "cup"),
    "e": ("dog", "kite"),
    "f": ("cow",),
}


def test_objects_are_counted_once_a_image_and_in_pairs():
    counts = count({"x": ("cup", "cup", "fork"), "y": ("cup",)})
    assert counts.images == {"cup": 2, "fork": 1}
    assert counts.together["cup"] == {"fork": 1}
    assert counts.together["fork"] == {"cup": 1}


def test_popular_ones_are_in_most_images_and_not_in_this_one():
    drawn = draw(SETS)
    # cup 4, then dog, fork and knife 2 each (ties by name)
    assert drawn["e"].absent["popular"] == ("cup", "fork")
    assert drawn["f"].absent["popular"] == ("cup",)
    assert drawn["a"].absent["popular"] == ("dog", "knife")


def test_adversarial_ones_go_with_each_asked_object_as_in_the_code():
    drawn = draw(SETS)
    # e: dog goes with cup (kite is there); kite with dog alone, which is there: a random one
    assert drawn["e"].absent["adversarial"][0] == "cup"
    # a: cup goes with fork (there), then knife; fork goes with cup (there), then knife (taken)
    assert drawn["a"].absent["adversarial"][0] == "knife"
    # d: dog goes with kite; cup goes with fork and knife, two images each
    assert drawn["d"].absent["adversarial"] == ("kite", "fork")


def test_adversarial_ones_go_with_all_objects_together_as_in_the_paper():
    sets = {
        "x": ("cup", "fork"),
        "1": ("cup", "a"),
        "2": ("cup", "a"),
        "3": ("fork", "b"),
        "4": ("cup", "c"),
        "5": ("fork", "c"),
        "6": ("cup", "c"),
    }
    assert draw(sets, adversarial="code")["x"].absent["adversarial"] == ("a", "b")
    assert draw(sets, adversarial="paper")["x"].absent["adversarial"] == ("c", "a")


def test_random_ones_follow_from_the_seed_and_the_image_alone():
    first, again, other = draw(SETS, seed=1), draw(dict(reversed(SETS.items())), seed=1), draw(SETS)
    assert {name: first[name].absent for name in SETS} == {
        name: again[name].absent for name in SETS
    }
    assert any(first[name].absent["random"] != other[name].absent["random"] for name in SETS)


def test_at_most_k_present_objects_are_asked_about_in_their_order():
    drawn = draw({"x": ("d", "c", "b", "a"), "y": ("e", "f", "g", "h")}, per_image=3)
    assert drawn["x"].present == ("d", "c", "b")
    assert len(drawn["x"].absent["random"]) == 3


@given(
    st.dictionaries(
        st.text("xyz", min_size=1, max_size=3),
        st.lists(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=5, unique=True),
        min_size=1,
    ),
    st.sampled_from(["code", "paper"]),
)
def test_absent_objects_are_absent_distinct_and_as_many_as_present_ones(
    sets: dict[str, list[str]], adversarial
):
    known = {name for objects in sets.values() for name in objects}
    for image, (present, absent) in draw(sets, adversarial=adversarial).items():
        there = set(sets[image])
        for setting in SETTINGS:
            assert not there & set(absent[setting])
            assert len(set(absent[setting])) == len(absent[setting])
            assert len(absent[setting]) == min(len(present), len(known - there))
