"""Errors of accounts in the command line's three lines."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def plain_errors(where: str) -> Generator[None]:
    """Raise UserError, in the words of the app, for what can't be done to an account."""
    from groundtune.errors import UserError
    from groundtune.pipeline.annotate.people import PeopleError
    from groundtune.web.errors import from_people
    from groundtune.web.words import words_of

    try:
        yield
    except PeopleError as error:
        raise UserError(**from_people(error, where).parts(words_of("en"))) from error
