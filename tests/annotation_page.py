"""The annotation app in a real Chromium: keys, mouse and touch as a person gives them."""

from typing import Any

from headless import Page

CODES = {
    "Enter": 13,
    "Escape": 27,
    "Delete": 46,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
ALT, CONTROL, SHIFT = 1, 2, 8


def open_screen(page: Page, url: str, *, width: int = 1280, dark: bool = False) -> None:
    """Opens the Correct screen and waits for its first item."""
    page.look(width, 900 if width > 600 else 780, dark=dark)
    page.call("Page.navigate", url="about:blank")  # what the last page logs is not this one's
    page.until("location.href === 'about:blank'")
    page.complaints.clear()
    page.call("Page.navigate", url=url)
    page.until("document.readyState === 'complete' && Boolean(document.querySelector('[data-u]'))")


def press(page: Page, key: str, modifiers: int = 0) -> None:
    """One key, down and up."""
    code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
    event: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
    if key.isdigit():
        event["code"] = f"Digit{key}"
    text = "\r" if key == "Enter" else key if len(key) == 1 and not modifiers & CONTROL else ""
    page.call("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
    page.call("Input.dispatchKeyEvent", type="keyUp", **event)


def type_text(page: Page, text: str) -> None:
    """Text into the focused field."""
    page.call("Input.insertText", text=text)


def middle_of(page: Page, words: str) -> tuple[float, float]:
    """Where a word of the answer is on the screen."""
    box = page.run(
        f"""(() => {{
          const found = [...document.querySelectorAll('.answer [data-u]')]
            .find((node) => node.textContent === {words!r});
          found.scrollIntoView({{block: 'center'}});
          const box = found.getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2];
        }})()"""
    )
    return box[0], box[1]


def mouse(page: Page, kind: str, x: float, y: float, **more: Any) -> None:
    """One event of the mouse."""
    down = kind != "mouseMoved" or more.pop("held", False)
    page.call(
        "Input.dispatchMouseEvent",
        type=kind,
        x=x,
        y=y,
        button="left" if down else "none",
        buttons=1 if down and kind != "mouseReleased" else 0,
        clickCount=1,
        **more,
    )


def drag(page: Page, first: str, last: str) -> None:
    """Chooses words by dragging from one to the other."""
    start, end = middle_of(page, first), middle_of(page, last)
    mouse(page, "mousePressed", *start)
    for step in (0.3, 0.7, 1.0):
        x, y = (one + (other - one) * step for one, other in zip(start, end, strict=True))
        mouse(page, "mouseMoved", x, y, held=True)
    mouse(page, "mouseReleased", *end)


def click(page: Page, selector: str) -> None:
    """A click on an element."""
    box = page.run(
        f"""(() => {{
          const found = document.querySelector({selector!r});
          found.scrollIntoView({{block: 'nearest'}});
          const box = found.getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2];
        }})()"""
    )
    mouse(page, "mousePressed", *box)
    mouse(page, "mouseReleased", *box)


def shown(page: Page, selector: str) -> str:
    """The text of an element."""
    return page.run(f"document.querySelector({selector!r}).textContent")


def saved(page: Page) -> None:
    """Waits until the server has everything."""
    page.until("document.getElementById('saved').textContent === 'Saved'")
