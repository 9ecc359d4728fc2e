import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.records import Producer, Sampling
from groundtune.store.keys import key_of


def test_a_key_is_32_hex_digits_and_stays_the_same_for_ever():
    assert key_of("prompt", 3, None, 0.5) == "752e932d13224db60301aeb93198baaa"
    assert len(key_of()) == 32
    assert int(key_of("x"), 16) >= 0


@given(st.lists(st.text()), st.lists(st.text()))
def test_two_lists_of_texts_have_one_key_only_if_they_are_equal(
    first: list[str], second: list[str]
):
    assert (key_of(*first) == key_of(*second)) == (first == second)


def test_records_count_by_all_their_fields():
    cold = Producer(kind="model", name="m", sampling=Sampling(temperature=0))
    warm = Producer(kind="model", name="m", sampling=Sampling(temperature=1))
    assert key_of(cold) != key_of(warm)
    assert key_of(cold) == key_of(cold.model_copy())


def test_the_order_of_a_dicts_keys_does_not_count_and_tuples_are_lists():
    assert key_of({"a": (1, 2), "b": b"x"}) == key_of({"b": b"x", "a": [1, 2]})
    assert key_of(b"x") != key_of("x")


def test_what_has_no_canonical_form_is_refused():
    with pytest.raises(ValueError, match="Out of range"):
        key_of(float("nan"))
    with pytest.raises(TypeError, match="set"):
        key_of({1})
    with pytest.raises(TypeError, match="text as its keys"):
        key_of({1: "x"})
