"""Values, bytes and special files that people's inputs hold and that readers rarely expect."""

import gzip
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

RAW = "@raw:"
"""A string that begins with this stands for JSON text that no Python value gives."""

_NUMBERS = ("NaN", "-Infinity", "1e999", "9" * 400, "-0.0", "1E-400", "01", "1_000", "0x10")
_TEXTS = ('"\\ud800"', '"\\u0000"', '"\\udc00\\ud800"', '"a\tb"', "'a'", "nul", "tru", "{", "]", "")
_DEEP = ("[" * 3_000 + "]" * 3_000, '{"a":' * 500 + "1" + "}" * 500, "[" * 200_000)
_YAML = (
    "&a [*a]", "2001-99-99", "!!python/object/apply:os.getcwd []",
    "!!binary x", "!!float x", ".nan",
    "*nowhere", "!!set {a, b}", "{? [a, b] : c}", "!!timestamp 5", "12:30:45", "0o8", "!!int 1.5",
    "!!omap [a]", "{<<: 3}", "=", "- - -", "%", "\t", "|", "? ", "!!null x", "!!bool x",
)  # fmt: skip
PLAIN: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, -0.5, 1e308, 5e-324,
    "", " ", "\n", "\0",
    "a" * 300, "x/" * 3_000, "../../..", "/", "/dev/zero", "/etc/passwd", "~", "%s%n",
    "<image>" * 3,
    "{{ 1 }}", "nan", "1e5", "None", "a\u0301\u200d\U0001f469", "\u2028", "\u202eabc", "cafe\u0301",
    [], {}, [None], [[]], [{}], {"": ""}, {"a": {"b": []}}, ["a", 1, None],
    "data:image/png;base64,AA",
    "https://127.0.0.1:9/a.png", "file:///a.png", "a.png", "1", "yes", -(2**70), [1] * 2_000,
)  # fmt: skip
"""Odd values that JSON can write."""


def odd_value(chance: random.Random, yaml: bool = False) -> object:
    """Return a value that a field doesn't expect, or text in its place that is hardly JSON."""
    kinds: list[tuple[object, ...]] = [PLAIN, PLAIN, PLAIN, _raw(_NUMBERS), _raw(_TEXTS)]
    kinds += [_raw(_DEEP[:2] if chance.random() < 0.9 else _DEEP)]
    kinds += [_raw(_YAML)] * 4 if yaml else []
    return chance.choice(chance.choice(kinds))


def _raw(texts: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(RAW + text for text in texts)


def json_text(value: object) -> str:
    """Return JSON, with what stands for raw text replaced by that text."""
    text = json.dumps(value, ensure_ascii=True)
    pieces = text.split(f'"{RAW}')
    whole = pieces[0]
    for piece in pieces[1:]:
        raw, rest = _to_quote(piece)
        whole += json.loads(f'"{raw}"') + rest
    return whole


def _to_quote(text: str) -> tuple[str, str]:
    """Split a text at the first quote that no backslash escapes."""
    at = 0
    while text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return text[:at], text[at + 1 :]


def change_value(value: object, chance: random.Random, yaml: bool = False) -> object:
    """Return a value with one place at any depth changed: replaced, removed, renamed or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        return _change_mapping(dict(value), chance, yaml)
    if isinstance(value, list) and value and chance.random() < 0.85:
        items = list(value)
        at = chance.randrange(min(len(items), 50))
        deed = chance.randrange(6)
        if deed == 0:
            del items[at]
        elif deed == 1:
            items.insert(at, items[chance.randrange(len(items))])
        else:
            items[at] = change_value(items[at], chance, yaml)
        return items
    return odd_value(chance, yaml)


def _change_mapping(value: dict[Any, Any], chance: random.Random, yaml: bool) -> dict[Any, Any]:
    key = chance.choice(list(value))
    deed = chance.randrange(8)
    if deed == 0:
        del value[key]
    elif deed == 1:
        value[str(odd_value(chance))[:300]] = value.pop(key)
    elif deed == 2:
        value["more"] = odd_value(chance, yaml)
    else:
        value[key] = change_value(value[key], chance, yaml)
    return value


def change_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one change as transport, editors and disks make them."""
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.randint(1, 40))
    noise = chance.randbytes(chance.randint(1, 30))
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: data[:at],
        lambda: data[:at] + noise + data[at:],
        lambda: data[:at] + data[end:],
        lambda: data[:at] + bytes(end - at) + data[end:],
        lambda: data[:at] + data[at:end] * 2 + data[end:],
        lambda: data[:at] + noise + data[at + len(noise) :],
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.decode("latin-1").encode("utf-16"),
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b'"', b"'"),
        lambda: data + data,
        lambda: data + noise,
        lambda: b"",
        lambda: b"\0" * 100,
        lambda: b"\n" * 1_000,
        lambda: gzip.compress(data),
        lambda: b"[" * 300_000,
        lambda: b'{"a":' * 300_000,
        lambda: chance.randbytes(500),
        lambda: b"<!DOCTYPE html><html><body>404</body></html>",
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
    )
    return chance.choice(changes)()


def change_file(path: Path, chance: random.Random) -> str:
    """Put what is no plain file in a file's place; returns what."""
    if chance.random() < 0.3:
        return _rename(path, chance)
    path.unlink()
    deed = chance.choice(("missing", "folder", "FIFO", "loop", "dangling", "zero", "tty", "null"))
    if deed == "folder":
        path.mkdir()
    elif deed == "FIFO":
        os.mkfifo(path)
    elif deed == "loop":
        path.symlink_to(path)
    elif deed == "dangling":
        path.symlink_to(path.parent / "nowhere")
    elif deed in ("zero", "tty", "null"):
        path.symlink_to(f"/dev/{deed}")
    return deed


def _rename(path: Path, chance: random.Random) -> str:
    """Give a file a name of bytes that are no UTF-8, or of signs that few programs expect."""
    names = (
        "\udcff",
        "a\nb",
        "\u202e",
        "x" * 240,
        "-",
        " ",
        "%s",
        "caf\u00e9",
        "a;b&c",
        "\U0001f469",
    )
    name = chance.choice(names)
    os.rename(path, path.with_name(name + path.suffix))
    return f"renamed {name!r}"
