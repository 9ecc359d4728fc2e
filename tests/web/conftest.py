"""Browser tests fail where a browser is missing: `make test-web` must not test nothing."""

import shutil

import pytest

from headless import CHROMIUM, FIREFOX


@pytest.fixture(autouse=True)
def browsers_are_there(request: pytest.FixtureRequest) -> None:
    """Fail instead of skipping."""
    if not request.node.get_closest_marker("web"):
        return
    for names in (CHROMIUM, FIREFOX):
        if not any(map(shutil.which, names)):
            pytest.fail(f"{names[0]} is not installed: apt-get install {names[0]}")
