"""Shared by the tests of the benchmarks: their scripted writers, and counts of official figures."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from official_figures import OfficialFigures

OFFICIAL = pytest.StashKey[OfficialFigures]()


@pytest.fixture(scope="session")
def official(request: pytest.FixtureRequest) -> OfficialFigures:
    """Figures of official scorers; what is compared is counted for the terminal."""
    return request.config.stash.setdefault(OFFICIAL, OfficialFigures())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the counts where official figures alone were asked for."""
    if config.option.markexpr == "official" and OFFICIAL in config.stash:
        terminalreporter.section("figures of official scorers")
        for line in config.stash[OFFICIAL].lines():
            terminalreporter.write_line(line)
