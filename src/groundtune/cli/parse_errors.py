"""A command line that can't be parsed, as a UserError."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal, get_args, get_origin

from cyclopts import (
    ArgumentCollection,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from groundtune.errors import UserError

_KINDS: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def explain(error: CycloptsError, commands: Iterable[str]) -> UserError:
    """What was wrong with the command line, in plain words.

    Args:
        error: What cyclopts raised.
        commands: All commands, as a user writes them ("bench run").
    """
    chain = " ".join(error.command_chain or ())
    where = f"groundtune {chain}".rstrip()
    see = f"`{where} --help` lists the options."
    if isinstance(error, UnknownCommandError):
        word = (error.unused_tokens or [""])[0]
        if word.startswith("-"):
            return UserError(f"There is no option {word!r}.", where, see)
        inside = [
            name.removeprefix(chain).split()[0] for name in commands if name.startswith(chain)
        ]
        see = f"`{where} --help` lists the commands."
        return UserError(f"There is no command {word!r}.", where, _near(word, inside, see))
    if isinstance(error, UnknownOptionError):
        word = error.token.keyword or error.token.value
        return UserError(f"There is no option {word!r}.", where, _near(word, _options(error), see))
    if isinstance(error, MissingArgumentError):
        name = error.keyword or _name(error)
        what = f"{name} has no value." if error.keyword else f"{name} is missing."
        return UserError(what, where, see)
    if isinstance(error, CoercionError) and error.token is not None:
        name = error.token.keyword or _name(error)
        return UserError(f"{name} is {error.token.value!r}.", where, f"Give {_wanted(error)}.")
    if isinstance(error, ValidationError) and error.argument:
        token = error.argument.tokens[0]
        what = f"{token.keyword or _name(error)} is {token.value!r}."
        return UserError(what, where, error.exception_message)
    if isinstance(error, RepeatArgumentError):
        return UserError(f"{error.token.keyword} is given twice.", where, "Give it once.")
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        return UserError(f"{words!r} is one argument too many.", where, f"Remove it; {see}")
    return UserError(str(error), where, see)


def _name(error: CycloptsError) -> str:
    """An option, or the name of a positional argument in capitals."""
    name = error.argument.name if error.argument else "A value"
    return name if name.startswith("-") else name.upper()


def _options(error: UnknownOptionError) -> Sequence[str]:
    collection: ArgumentCollection = error.argument_collection
    return [name for argument in collection for name in argument.names if name.startswith("-")]


def _wanted(error: CoercionError) -> str:
    kinds = [kind for kind in get_args(error.target_type) if kind is not type(None)]
    if get_origin(error.target_type) is Literal:
        return f"one of {', '.join(str(choice) for choice in get_args(error.target_type))}"
    if len(kinds) == 1:
        error.target_type = kinds[0]
        return _wanted(error)
    return _KINDS.get(error.target_type, "another value")


def _near(word: str, names: Iterable[str], see: str) -> str:
    near = difflib.get_close_matches(word, names, n=1)
    return f"Did you mean {near[0]}? {see}" if near else see
