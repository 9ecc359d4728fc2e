"""The annotation app in a real browser: keys, mouse and touch as a person gives them."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]

from headless import Page

ALT, CONTROL, SHIFT = "Alt", "Control", "Shift"


def open_screen(page: Page, url: str, *, width: int = 1280, dark: bool = False) -> None:
    """Opens a working screen and waits for its first item."""
    page.look(width, 900 if width > 600 else 780, dark=dark)
    page.open(url)
    page.until(
        "document.readyState === 'complete' && "
        "Boolean(document.querySelector('[data-u], .sentence'))"
    )


def press(page: Page, key: str, modifier: str = "") -> None:
    """One key, down and up."""
    page.tab.keyboard.press(f"{modifier}+{key}" if modifier else key)


def type_text(page: Page, text: str) -> None:
    """Text into the focused field."""
    page.tab.keyboard.insert_text(text)


def middle_of(page: Page, words: str) -> tuple[float, float]:
    """Where a word of the answer is on the screen."""
    box = page.run(
        f"""(() => {{
          const found = [...document.querySelectorAll('.answer [data-u]')]
            .find((node) => node.textContent === {words!r});
          found.scrollIntoView({{block: 'center'}});
          const box = found.getClientRects()[0];
          return [box.left + box.width / 2, box.top + box.height / 2];
        }})()"""
    )
    return box[0], box[1]


def drag(page: Page, first: str, last: str) -> None:
    """Chooses words by dragging from one to the other."""
    start, end = middle_of(page, first), middle_of(page, last)
    mouse = page.tab.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=3)
    mouse.up()


def tap(page: Page, words: str) -> None:
    """Touches a word of the answer."""
    page.tab.touchscreen.tap(*middle_of(page, words))


def click(page: Page, selector: str) -> None:
    """A click on an element."""
    page.tab.click(selector)


def shown(page: Page, selector: str) -> str:
    """The text of an element."""
    return page.run(f"document.querySelector({selector!r}).textContent")


def saved(page: Page) -> None:
    """Waits until the server has everything."""
    page.until("document.getElementById('saved').textContent === 'Saved'")


def violations(page: Page) -> list[str]:
    """What axe-core objects to, with the elements."""
    axe: Any = Axe()
    found: list[dict[str, Any]] = axe.run(page.tab).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]
