"""Browser tests fail where there is no Chromium: `make test-web` must not test nothing."""

import shutil

import pytest


@pytest.fixture(autouse=True)
def chromium_is_there(request: pytest.FixtureRequest) -> None:
    """Fail instead of skipping."""
    if request.node.get_closest_marker("web") and not shutil.which("chromium"):
        pytest.fail("no Chromium is installed: apt-get install chromium")
