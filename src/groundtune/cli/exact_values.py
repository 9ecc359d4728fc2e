"""Values that are taken as they are written: cyclopts rounds 1.5, and reads "none" as no value."""

import math
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from cyclopts import App, ArgumentCollection, CoercionError, Token

from groundtune.store.files import refuse_impossible


def refuse_inexact(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """A `config` of cyclopts, which sees every token before it is converted.

    Raises:
        CoercionError: an option for a whole number has a fraction, one for a number isn't finite,
            or the word "none" is given to an option that isn't text.
        UserError: no file can have the name that is given to an option for a file or folder.
    """
    for argument in arguments:
        kinds = _kinds(argument.hint)
        for token in argument.tokens:
            if Path in kinds and str not in kinds:
                refuse_impossible(Path(token.value))
            if token.implicit_value is None:  # --skip-bad=none
                token = Token(keyword=token.keyword, value="none", source=token.source)
            if not kinds & {str, Path} and not _is_exact(token.value, kinds):
                raise CoercionError(argument=argument, token=token, target_type=argument.hint)


def _is_exact(text: str, kinds: set[Any]) -> bool:
    if text.lower() in ("none", "null"):
        return False
    try:
        if int in kinds:
            int(text)
        elif float in kinds:
            return math.isfinite(float(text))
    except ValueError:
        return False
    return True


def _kinds(hint: Any) -> set[Any]:
    """The types that a value may have; of a collection those of its items."""
    if get_origin(hint) in (Union, types.UnionType, tuple):
        inner: Iterable[Any] = get_args(hint)
        return {kind for each in inner for kind in _kinds(each)}
    return {hint}
