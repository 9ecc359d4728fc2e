"""Every string of the interface, from one catalogue per language in `strings/`.

Templates call `t("home.title")`; the scripts get the whole catalogue as a module (`/strings.js`),
and call `t` of `static/words.js`. The language is the one that a person chose, else the first of
the browser's languages that there is, else English. A new language is one more file; a test says
what it lacks. Messages that come from below this room, of databases and files, are in English.
"""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from hashlib import sha256
from importlib.resources import files
from typing import cast

from starlette.requests import cookie_parser

from groundtune.store.json_writing import json_of

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
"""What each language calls itself; the first is used where no other fits."""
COOKIE = "groundtune-language"
_LONGEST_HEADER = 1000
_PLURALS = {"zero", "one", "two", "few", "many", "other"}


class Catalogue:
    """The catalogue of a language."""

    def __init__(self, language: str, strings: Mapping[str, str | Mapping[str, str]]) -> None:
        self.language = language
        self.strings = strings
        """By name, such as "home.title"; one that depends on a number is a text per plural form."""

    def __call__(self, name: str, /, **values: object) -> str:
        """The text of a name, with its {places} filled in. Raises KeyError for an unknown name."""
        text = self.strings[name]
        if not isinstance(text, str):
            raise KeyError(f"{name} depends on a number; only scripts can say it")
        for place, value in values.items():
            text = text.replace(f"{{{place}}}", str(value))
        return text

    @cached_property
    def script(self) -> str:
        """The catalogue as a JavaScript module."""
        strings = json_of(dict(self.strings), compact=True)
        return f'export const language = "{self.language}";\nexport const strings = {strings};\n'

    @cached_property
    def version(self) -> str:
        """Tells whether a browser's copy of the script is this one."""
        return sha256(self.script.encode()).hexdigest()[:16]


@cache
def words_of(language: str) -> Catalogue:
    """The catalogue of one of LANGUAGES."""
    text = files("groundtune.web").joinpath("strings", f"{language}.toml").read_text("utf-8")
    return Catalogue(language, dict(_flat(tomllib.loads(text))))


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the language for a request: the person's choice, else the browser's, else English."""
    values = {name: value.decode("latin-1") for name, value in headers}
    chosen = cookie_parser(values.get(b"cookie", "")).get(COOKIE, "")
    languages = [chosen, *_accepted(values.get(b"accept-language", "")[:_LONGEST_HEADER])]
    return next((each for each in languages if each in LANGUAGES), next(iter(LANGUAGES)))


def _accepted(header: str) -> list[str]:
    """The primary languages of an Accept-Language header (RFC 9110, 12.5.4), the best first."""
    weighted: list[tuple[float, str]] = []
    for part in header.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1:
            weighted.append((quality, name.partition("-")[0].lower()))
    return [name for _, name in sorted(weighted, key=lambda each: -each[0])]


def _flat(
    table: Mapping[str, object], prefix: str = ""
) -> Iterable[tuple[str, str | Mapping[str, str]]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict) and value.keys() <= _PLURALS:
            yield name, cast("Mapping[str, str]", value)
        else:
            yield from _flat(cast("Mapping[str, object]", value), f"{name}.")
