"""A password from the terminal or the environment, never from the command line."""

import getpass
import os
import sys

VARIABLE = "GROUNDTUNE_PASSWORD"


def password_of(name: str) -> str:
    """Return the password for a person, typed twice, or from the environment.

    Raises:
        UserError: there is neither a terminal nor the variable, or the two differ.
    """
    from groundtune.errors import UserError

    if password := os.environ.get(VARIABLE):
        return password
    if not sys.stdin.isatty():
        raise UserError(
            "There is no terminal to ask for a password.",
            name,
            f"Set the environment variable {VARIABLE}.",
        )
    first = getpass.getpass(f"Password for {name}: ")
    if first != getpass.getpass("The password again: "):
        raise UserError("The two passwords differ.", name, "Try again.")
    return first
