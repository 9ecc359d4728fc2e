"""A streaming reader of JSON texts of any length."""

import codecs
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from groundtune.errors import UserError

LAYOUT = "Write one JSON object per line, or one JSON list of objects."
CHUNK = 1 << 20
"""Bytes per read."""
DEEPEST = 100
"""Maximum nesting of lists and objects. JSON readers have different limits; none has a lower
one."""

_BLANK = " \t\r\n"
_BLANKS = re.compile(f"[{_BLANK}]*")
_COMMA = re.compile(f"[{_BLANK}]*,[{_BLANK}]*")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
_LONGEST_SIGN = 16
"""An error this close to the text's end may be due to the end itself: "-Infinity" has 9 characters,
an escaped character 6."""


def why_not_json(error: Exception) -> str:
    """Explain, in words, why `json` refused a text."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8, for it has the byte 0x{error.object[error.start]:02x}"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
    if isinstance(error, RecursionError):
        return f"it is nested more than {DEEPEST} deep"
    return "an integer has too many digits"


def fault_in(value: object, text: str, start: int = 0, end: int | None = None) -> str:
    """Return what a record can't hold of a value that `text[start:end]` encodes; "" if nothing.

    Half a character (JSON can escape one of two surrogates, UTF-8 has none), or deep nesting.
    """
    end = len(text) if end is None else end
    if end - start > 2 * DEEPEST and _is_deep(value, text, start, end):
        return f"is nested more than {DEEPEST} deep"
    if text.find("\\", start, end) < 0 or not _ESCAPED_HALF.search(text, start, end):
        return ""
    half = _HALF.search(json.dumps(value, ensure_ascii=False))
    return f"has half a character (a lone surrogate, \\u{ord(half[0]):04x})" if half else ""


def _is_deep(value: object, text: str, start: int, end: int) -> bool:
    if text.count("[", start, end) + text.count("{", start, end) <= DEEPEST:
        return False
    level: list[object] = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += cast("dict[str, object]", item).values()
            elif isinstance(item, list):
                inner += cast("list[object]", item)
        level = inner
    return any(isinstance(item, dict | list) for item in level)


class JsonText:
    """A JSON text in UTF-8, of which only the next value is in memory.

    An error is reported at its position, not at the end of the file, with its line and column, and
    its row if it is in a list. As in `json`, NaN and Infinity are numbers, and the last of two
    equal keys counts.

    Raises:
        UserError: by all methods, if the text doesn't have the value that they read.
    """

    def __init__(self, path: Path, file: BinaryIO, fix: str = LAYOUT) -> None:
        self._path, self._file, self._fix = path, file, fix
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._scan = json.JSONDecoder().raw_decode
        self._text, self._at, self._is_whole = "", 0, False
        self._broken: UnicodeDecodeError | None = None
        self._line, self._column = 1, 1  # of the first character of _text
        self.row = 0
        """Number of the last value in its list, from 1; 0 outside lists."""
        self.fault = ""
        """`fault_in` of the last value."""

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            sign = self._text[self._at : self._at + 1]
            if sign and sign not in _BLANK:
                return sign
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at == len(self._text) and not self._more():
                return ""

    def take(self, sign: str) -> None:
        """Consume a character that must come next."""
        if self.peek() != sign:
            raise self._mistake(f"Expecting {sign!r}", self._at)
        self._at += 1

    def value(self) -> object:
        """The next complete value."""
        self.peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not self._more():
                    raise self._mistake(error.msg, error.pos) from error
                continue
            except (ValueError, RecursionError) as error:
                raise self._mistake(why_not_json(error), self._at) from error
            if end < len(self._text) or not self._more():  # else a number may go on
                self.fault = fault_in(value, self._text, self._at, end)
                self._at = end
                return value

    def elements(self, opening: str = "[") -> Iterator[object]:
        """The members of the list that comes next; the values of an object if `opening` is {."""
        closing = {"[": "]", "{": "}"}[opening]
        self.take(opening)
        self.row, more = 0, self.peek() != closing
        while more:
            self.row += 1
            if opening == "{":
                self._key()
            yield self.value()
            more = self._goes_on(closing)
        self.take(closing)
        self.row = 0

    def entries(self) -> Iterator[tuple[str, object]]:
        """The keys and values of the text's only object."""
        self.take("{")
        self.row, more = 0, self.peek() != "}"
        while more:
            self.row += 1
            key = self._key()
            yield key, self.value()
            more = self._goes_on("}")
        self.take("}")
        self.end()

    def members(self, keys: Collection[str], opening: str = "[") -> Iterator[tuple[str, object]]:
        """Yield (key, element) of the lists under some keys of the text's only object.

        If `opening` is "{", of the objects under them. All else is skipped.
        """
        self.take("{")
        more = self.peek() != "}"
        while more:
            key = self._key()
            if key in keys and self.peek() == opening:
                for element in self.elements(opening):
                    yield key, element
            else:
                self._skip()
            more = self._goes_on("}")
        self.take("}")
        self.end()

    def end(self) -> None:
        """Refuse any further text, which would be ignored silently."""
        if self.peek():
            raise self._mistake("there is more text after the end of the JSON", self._at)

    def _goes_on(self, closing: str) -> bool:
        """Consume the comma that comes next, unless it is the end."""
        comma = _COMMA.match(self._text, self._at)
        if comma and comma.end() < len(self._text):
            self._at = comma.end()
            return True
        if self.peek() == closing:
            return False
        self.take(",")
        return True

    def _key(self) -> str:
        if self.peek() != '"':
            raise self._mistake("Expecting property name enclosed in double quotes", self._at)
        key = str(self.value())
        self.take(":")
        return key

    def _skip(self) -> None:
        """Skip the next value; a long one element by element."""
        opening = self.peek()
        if opening not in ("[", "{"):
            self.value()
            return
        for _ in self.elements(opening):
            pass

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether the error may disappear with more of the text."""
        truncated = error.msg.startswith("Unterminated string")
        return truncated or error.pos > len(self._text) - _LONGEST_SIGN

    def _more(self) -> bool:
        """Read at least as much as is left of the text; return whether there was more."""
        new = ""
        size = max(CHUNK, len(self._text) - self._at)
        while not new and not self._is_whole:
            data = self._file.read(size)
            self._is_whole = not data
            try:
                new = self._decode(data, self._is_whole)
            except UnicodeDecodeError as error:
                new = error.object[: error.start].decode()
                self._broken, self._is_whole = error, True
        if not new and self._broken:
            raise self._mistake(why_not_json(self._broken), len(self._text)) from self._broken
        if new:
            self._line, self._column = self._place(self._at)
            self._text, self._at = self._text[self._at :] + new, 0
        return bool(new)

    def _place(self, at: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line_end = self._text.rfind("\n", 0, at)
        column = at - line_end if line_end >= 0 else self._column + at
        return self._line + self._text.count("\n", 0, at), column

    def _mistake(self, why: str, at: int) -> UserError:
        line, column = self._place(at)
        row = f", row {self.row}" if self.row else ""
        where = f"{self._path}{row} (line {line}, column {column})"
        return UserError(f"The file is not JSON: {why.removesuffix(' at')}.", where, self._fix)
