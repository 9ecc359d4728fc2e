"""Which passwords are good enough, and what is kept of them."""

import pytest

from groundtune.pipeline.annotate.passwords import hash_of, is_weak, matches


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("four words in a row", False),
        ("\u732b\u3068\u72ac\u3068\u9ce5\u3068\u9b5a\u3068\u4eba\u3068", False),
        ("ninechars", True),
        ("tenchars!!", False),
        ("x" * 201, True),
        ("abcabcabcabcabc", True),
        ("Ada Lovelace", True),
        ("adalovelace", True),
    ],
)
def test_short_monotonous_and_own_names_are_refused(password: str, weak: bool):
    assert is_weak(password, "Ada Lovelace") is weak


def test_the_hash_is_argon2id_as_owasp_advises_and_is_of_one_password():
    kept = hash_of("four words in a row")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_of("four words in a row") != kept  # salted
    assert matches("four words in a row", kept)
    assert not matches("Four words in a row", kept)
    assert not matches("four words in a row", "damaged")
    assert not matches("nobody's password", None)
