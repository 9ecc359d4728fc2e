"""One person's data deleted or put under a pseudonym, with a list of what went."""

from groundtune.pipeline.annotate.people import PeopleError, keep_an_owner, known_account
from groundtune.records import Record
from groundtune.store.annotations import audit
from groundtune.store.annotations.accounts import Account, accounts, login_of
from groundtune.store.annotations.database import Database
from groundtune.store.annotations.removal import PersonData, data_of, remove_person


class Removal(Record):
    """What went, what stays, and under which name."""

    person: str
    """The id that the person had."""
    pseudonym: str
    """The id under which the audit trail, and kept work, stay."""
    name: str
    """The pseudonym as people see it."""
    keep_work: bool
    had: PersonData
    """What there was of the person."""
    deleted: dict[str, int]
    """What is gone, by kind."""
    kept: dict[str, int]
    """What is kept under the pseudonym, by kind."""
    log_emptied: bool
    """Whether SQLite's write-ahead log has none of it any more; it empties when the app stops."""


NOT_REACHED = (
    "backups that were made before",
    "exported files, and pairs and models made of the work",
    "logs of a proxy",
)
"""Where data of a person may still be, which a project can't know."""


def preview(database: Database, person: str) -> PersonData:
    """What there is of a person.

    Raises:
        PeopleError: no_person.
    """
    with database.reading() as connection:
        known_account(connection, person)
        return data_of(connection, person)


def remove(database: Database, by: str | None, person: str, *, keep_work: bool) -> Removal:
    """Delete a person's account and data, or with `keep_work` leave the work under a pseudonym.

    Raises:
        PeopleError: no_person, or last_owner.
    """
    with database.writing() as connection:
        account = known_account(connection, person)
        data = data_of(connection, person)
        pseudonym = remove_person(connection, person, keep_work=keep_work)
        if account.can_log_in:
            keep_an_owner(connection, account.role)
        deleted, remaining = _split(data, account, keep_work=keep_work)
        author = pseudonym.id if by == person else by
        action = "pseudonymised" if keep_work else "data_deleted"
        audit.note(connection, author, action, pseudonym.id, deleted=deleted, kept=remaining)
    return Removal(
        person=person,
        pseudonym=pseudonym.id,
        name=pseudonym.name,
        keep_work=keep_work,
        had=data,
        deleted=deleted,
        kept=remaining,
        log_emptied=database.empty_log(),
    )


def find_person(database: Database, name: str) -> Account:
    """The person with a name, in any case, or with an id.

    Raises:
        PeopleError: no_person; several_people, where only the id can tell.
    """
    with database.reading() as connection:
        everybody = accounts(connection)
    matches = [each for each in everybody if each.id == name]
    matches = matches or [each for each in everybody if login_of(each.name) == login_of(name)]
    if not matches:
        raise PeopleError("no_person")
    if len(matches) > 1:
        raise PeopleError("several_people", ids=", ".join(each.id for each in matches))
    return matches[0]


def _split(
    data: PersonData, account: Account, *, keep_work: bool
) -> tuple[dict[str, int], dict[str, int]]:
    work = {"events": data.events, "items": data.items}
    deleted = {
        "names": 1,
        "passwords": int(account.has_password),
        "sessions": data.sessions,
        "links": data.links,
        "failed_logins": data.failed_logins,
    }
    trail = {"audit_entries": data.audit_entries}
    return (deleted, work | trail) if keep_work else (deleted | work, trail)
