"""Every string of the interface is in both catalogues, and what is asked for is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from groundtune.pipeline.annotate.people import Why
from groundtune.web.words import LANGUAGES, words_of

SOURCE = Path(__file__).resolve().parents[2] / "src" / "groundtune"
PLACE = re.compile(r"\{(\w+)\}")


def places(name: str, language: str) -> set[str]:
    """The {places} of a string; in all plural forms together."""
    text = words_of(language).strings[name]
    return set(PLACE.findall(text if isinstance(text, str) else " ".join(text.values())))


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_strings_with_the_same_places(language: str):
    assert list(words_of(language).strings) == list(words_of("en").strings)
    different = [
        name for name in words_of("en").strings if places(name, language) != places(name, "en")
    ]
    assert different == []


def asked_for() -> Iterator[tuple[str, str]]:
    """Names that templates and scripts ask for, with the files."""
    files = [*SOURCE.glob("web/templates/*.html"), *SOURCE.glob("web/static/*.js")]
    for path in files:
        for name in re.findall(r"\bt\(\s*[\"']([\w.]+)[\"']\s*[,)]", path.read_text("utf-8")):
            yield path.name, name


def test_what_pages_and_scripts_ask_for_is_there():
    found = list(asked_for())
    assert len(found) > 200
    assert [each for each in found if each[1] not in words_of("en").strings] == []


def test_every_error_and_every_action_of_the_audit_trail_is_said():
    strings = words_of("en").strings
    code = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    raised = re.findall(r"(?:WebError\(\s*\d+,|not_found\()\s*\"(\w+)\"", code)
    assert len(raised) > 10
    names = {*raised, *get_args(Why)}
    assert [name for name in names if f"errors.{name}.what" not in strings] == []
    actions = set(re.findall(r"audit\.note\(\s*connection,[^,]+,\s*\"(\w+)\"", code))
    actions |= {"pseudonymised", "data_deleted"}
    assert len(actions) > 12
    assert [name for name in actions if f"audit.actions.{name}" not in strings] == []
