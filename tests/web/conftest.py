"""Browser tests fail where a browser is missing: `make test-web` must not test nothing."""

import shutil

import pytest
from argon2 import PasswordHasher

from groundtune.pipeline.annotate import passwords
from headless import CHROMIUM, FIREFOX


@pytest.fixture(autouse=True)
def browsers_are_there(request: pytest.FixtureRequest) -> None:
    """Fail instead of skipping."""
    if not request.node.get_closest_marker("web"):
        return
    for names in (CHROMIUM, FIREFOX):
        if not any(map(shutil.which, names)):
            pytest.fail(f"{names[0]} is not installed: apt-get install {names[0]}")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords' hashes take no time here; test_passwords.py tests those that people get."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))
