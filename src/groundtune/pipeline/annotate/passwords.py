"""Passwords: which are good enough, and their argon2id hashes.

The hash takes 19 MiB and two passes on one thread, the least that OWASP's Password Storage Cheat
Sheet advises, so that a small server can check several at once.
"""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 10, 200
"""Characters of a password."""
_FEWEST_DIFFERENT = 5
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def is_weak(password: str, name: str) -> bool:
    """Whether a password is too short, too long, too monotonous, or the person's name."""
    small = password.casefold()
    return (
        not SHORTEST <= len(password) <= LONGEST
        or len(set(small)) < _FEWEST_DIFFERENT
        or small.replace(" ", "") == name.casefold().replace(" ", "")
    )


def hash_of(password: str) -> str:
    """The hash of a password, with a salt of its own."""
    return _HASHER.hash(password)


def matches(password: str, hashed: str | None) -> bool:
    """Whether a hash is of the password. Without a hash it takes as long, and is False."""
    try:
        return _HASHER.verify(hashed or _nobodys(), password) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody's password")
