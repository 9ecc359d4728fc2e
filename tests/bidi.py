"""Debian's Firefox over WebDriver BiDi (https://w3c.github.io/webdriver-bidi).

Playwright asks for commands that the long-term Firefox doesn't know, so this speaks the few that
the tests need, under the names that Playwright gives them.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from websockets.sync.client import ClientConnection, connect

_KEYS = {
    "Backspace": "\ue003",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Alt": "\ue00a",
    "Escape": "\ue00c",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Delete": "\ue017",
}
_SETTINGS = {
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
}
_LISTENS = re.compile(r"BiDi listening on (ws://\S+)")
PATIENCE_S = 120


class Session:
    """Commands to a browser; what it tells without being asked goes to `heard`."""

    def __init__(self, connection: ClientConnection, heard: Callable[[Any], None]) -> None:
        self._connection = connection
        self._heard = heard
        self._numbers = count(1)

    def send(self, method: str, **params: Any) -> Any:
        """A command's result; an error of the browser fails the test."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            reply = json.loads(self._connection.recv(timeout=PATIENCE_S))
            if reply.get("type") == "event":
                self._heard(reply)
            elif reply.get("id") == number:
                assert reply["type"] == "success", f"{method}: {reply}"
                return reply["result"]


class Input:
    """Actions of one device."""

    def __init__(self, tab: "Tab", kind: str) -> None:
        self._tab = tab
        self._source: dict[str, Any] = {"type": kind, "id": kind}
        if kind == "pointer":
            self._source["parameters"] = {"pointerType": "mouse"}

    def act(self, *actions: dict[str, Any]) -> None:
        """What a person does, one after another."""
        source = {**self._source, "actions": list(actions)}
        self._tab.send("input.performActions", actions=[source])


class Mouse(Input):
    """The mouse, as Playwright's."""

    def move(self, x: float, y: float, *, steps: int = 1) -> None:
        step = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 10 * (steps - 1)}
        self.act(step)

    def down(self) -> None:
        self.act({"type": "pointerDown", "button": 0})

    def up(self) -> None:
        self.act({"type": "pointerUp", "button": 0})

    def click(self, x: float, y: float, *, times: int = 1) -> None:
        place = {"type": "pointerMove", "x": round(x), "y": round(y)}
        press = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self.act(place, *press * times)

    def dblclick(self, x: float, y: float) -> None:
        self.click(x, y, times=2)


class Keyboard(Input):
    """The keyboard, as Playwright's."""

    def down(self, key: str) -> None:
        self.act({"type": "keyDown", "value": _KEYS.get(key, key)})

    def up(self, key: str) -> None:
        self.act({"type": "keyUp", "value": _KEYS.get(key, key)})

    def press(self, keys: str) -> None:
        values = [_KEYS.get(key, key) for key in re.split(r"(?<=.)\+(?=.)", keys)]
        downs = [{"type": "keyDown", "value": value} for value in values]
        self.act(*downs, *({"type": "keyUp", "value": value} for value in reversed(values)))

    def insert_text(self, text: str) -> None:
        self._tab.evaluate(f"document.execCommand('insertText', false, {json.dumps(text)})")


class Tab:
    """A tab, as far as the tests use Playwright's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._context = session.send("browsingContext.create", type="tab")["context"]
        self.mouse = Mouse(self, "pointer")
        self.keyboard = Keyboard(self, "key")

    def send(self, method: str, **params: Any) -> Any:
        """A command about this tab."""
        return self._session.send(method, context=self._context, **params)

    def goto(self, url: str) -> None:
        self.send("browsingContext.navigate", url=url, wait="complete")

    def set_viewport_size(self, size: dict[str, int]) -> None:
        self.send("browsingContext.setViewport", viewport=size)

    def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        reply = self._session.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({script})) ?? 'null')()",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        assert reply["type"] == "success", reply["exceptionDetails"]["text"]
        return json.loads(reply["result"]["value"])

    def wait_for_timeout(self, milliseconds: float) -> None:
        time.sleep(milliseconds / 1000)


@contextmanager
def firefox_tab(program: str, heard: Callable[[str], None]) -> Generator[Tab]:
    """A tab of a fresh Firefox; `heard` gets the errors and warnings that pages log."""

    def note(event: Any) -> None:
        if event["method"] == "log.entryAdded" and event["params"]["level"] in ("error", "warn"):
            heard(str(event["params"]["text"]))

    with TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _SETTINGS.items()]
        Path(profile, "user.js").write_text("\n".join(lines), "utf-8")
        command = [program, "--headless", "--no-remote", "--remote-debugging-port=0"]
        process = subprocess.Popen(
            [*command, "--profile", profile], stderr=subprocess.PIPE, text=True, errors="replace"
        )
        assert process.stderr is not None
        try:
            found = next(filter(None, map(_LISTENS.search, process.stderr)))
            with connect(f"{found[1]}/session", max_size=None, proxy=None) as connection:
                session = Session(connection, note)
                session.send("session.new", capabilities={})
                session.send("session.subscribe", events=["log.entryAdded"])
                yield Tab(session)
        finally:
            process.terminate()
            process.stderr.close()
            process.wait(30)
