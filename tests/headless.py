"""Debian's Chromium, driven by Playwright, and Firefox: what a browser makes of a page."""

import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, sync_playwright
from playwright.sync_api import Page as Tab

from bidi import firefox_tab

CHROMIUM = ("chromium", "google-chrome")
FIREFOX = ("firefox-esr", "firefox")
ENDLESS_MS = 60_000


class Page:
    """One window, of a phone or a desktop; what a page stores stays until the browser ends."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._tabs: dict[bool, Tab] = {}
        self.complaints: list[str] = []
        """Errors that the page logged, violations of its content policy too."""
        self.look(1280, 900)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size and the person's colour scheme; below 600 pixels a phone's."""
        phone = width < 600
        if phone not in self._tabs:
            self._tabs[phone] = self._open(phone)
        self.tab = self._tabs[phone]
        self.tab.set_viewport_size({"width": width, "height": height})
        self.tab.emulate_media(color_scheme="dark" if dark else "light")

    def _open(self, phone: bool) -> Tab:
        tab = self._browser.new_context(is_mobile=phone, has_touch=phone).new_page()
        tab.set_default_timeout(ENDLESS_MS)
        tab.on("console", self._heard)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        return tab

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, url: str) -> None:
        """Opens an address in this window."""
        for tab in self._tabs.values():
            tab.goto("about:blank")  # what the last page logs is not this one's
        self.complaints.clear()
        self.tab.goto(url)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        return self.tab.evaluate(script)

    def until(self, script: str, seconds: float = 60) -> None:
        """Waits until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self._is_true(script):
            assert time.monotonic() < deadline, script
            self.tab.wait_for_timeout(50)

    def _is_true(self, script: str) -> bool:
        try:
            return bool(self.run(script))
        except Error as error:
            if "context was destroyed" in str(error) or "navigation" in str(error):
                return False
            raise

    def choose_file(self, selector: str, path: Path) -> None:
        """Puts a file into an input, as a person does."""
        self.tab.set_input_files(selector, path)

    def image(self, path: Path) -> None:
        """Writes what is seen as PNG."""
        self.tab.screenshot(path=path)


@contextmanager
def chromium() -> Generator[Page]:
    """A fresh Chromium's page; the test is skipped where there is none."""
    program = installed(CHROMIUM)
    with sync_playwright() as playwright:
        launch = playwright.chromium.launch
        browser = launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield Page(browser)
        browser.close()


class FirefoxPage(Page):
    """A window of Firefox, which can't pretend to be a phone."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.complaints = []
        self.look(1280, 900)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size."""
        self.tab.set_viewport_size({"width": width, "height": height})

    def open(self, url: str) -> None:
        """Opens an address."""
        self.tab.goto("about:blank")
        self.complaints.clear()
        self.tab.goto(url)


@contextmanager
def firefox() -> Generator[Page]:
    """A fresh Firefox's page, over WebDriver BiDi; the test is skipped where there is none."""
    heard: list[str] = []
    with firefox_tab(installed(FIREFOX), heard.append) as tab:
        page = FirefoxPage(tab)
        page.complaints = heard
        yield page


def installed(names: tuple[str, ...]) -> str:
    """Return a program's path, or skip the test."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed: apt-get install {names[0]}")
    return found
