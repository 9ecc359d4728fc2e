"""`groundtune people`."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from groundtune.pipeline.annotate.project import Project
    from groundtune.store.annotations.accounts import Account


def add(
    project: str,
    name: str,
    /,
    *,
    role: Literal["annotator", "reviewer", "owner"] = "annotator",
    json: bool = False,
) -> None:
    """Add a person who logs in to an annotation project, such as its first owner.

    Asks for their password, or takes it from the environment variable GROUNDTUNE_PASSWORD. Creates
    the project if it isn't there. Owners invite everybody else on the app's page of people.

    For example:

        groundtune people add farm "Ada Lovelace" --role owner

    Args:
        project: Folder or PostgreSQL URL of the project.
        name: Name to log in with. Somebody who worked under it without login stays one person.
        role: Annotators work on items, reviewers also see everybody's results, owners also manage
            people.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish

    require_annotate_extra("groundtune people add")
    from groundtune.cli.people_errors import plain_errors
    from groundtune.cli.typed_password import password_of
    from groundtune.pipeline.annotate.people import add_account
    from groundtune.pipeline.annotate.project import project_to_fill

    password = password_of(name)
    with plain_errors(name), project_to_fill(project) as annotation_project:
        person = add_account(annotation_project.database, name, role, password)
        where = annotation_project.where
        annotation_project.close()
    following = ["groundtune", "annotate", where, "--login"]
    finish({"person": person, "name": name, "role": role}, next_command=following, json=json)


def list_(project: str, /, *, json: bool = False) -> None:
    """List the people of an annotation project: ids, names, roles, and what they have finished.

    For example:

        groundtune people list farm

    Args:
        project: Folder or PostgreSQL URL of the project.
        json: Print one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra

    require_annotate_extra("groundtune people list")
    from groundtune.cli.finish import finish
    from groundtune.pipeline.annotate.people import everybody

    with _opened(project) as annotation_project:
        accounts = everybody(annotation_project.database)
    finish(
        {
            each.id: f"{each.name}, {each.role}, {_access(each, number)}"
            for each, number in accounts
        },
        json=json,
    )


def password(project: str, name: str, /, *, json: bool = False) -> None:
    """Set a new password for a person of an annotation project, and end their sessions.

    Asks for it, or takes it from the environment variable GROUNDTUNE_PASSWORD.

    For example:

        groundtune people password farm "Ada Lovelace"

    Args:
        project: Folder or PostgreSQL URL of the project.
        name: The person's name or id.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish

    require_annotate_extra("groundtune people password")
    from groundtune.cli.people_errors import plain_errors
    from groundtune.cli.typed_password import password_of
    from groundtune.pipeline.annotate.people import set_password
    from groundtune.pipeline.annotate.removal import find_person

    with _opened(project) as annotation_project, plain_errors(name):
        person = find_person(annotation_project.database, name)
        number = set_password(annotation_project.database, person.id, password_of(person.name))
    finish({"person": person.id, "sessions ended": number}, json=json)


def remove(
    project: str,
    name: str,
    /,
    *,
    keep_work: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Delete one person's data from an annotation project, and list what went.

    With --keep-work their name, password, sessions and failed logins go, and their work stays under
    a pseudonym. Backups and files that were exported before are not reached.

    For example:

        groundtune people remove farm "Ada Lovelace" --dry-run
        groundtune people remove farm "Ada Lovelace" --keep-work

    Args:
        project: Folder or PostgreSQL URL of the project.
        name: The person's name or id.
        keep_work: Keep what they did to items, under a pseudonym.
        dry_run: Only list what the project has of them.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish

    require_annotate_extra("groundtune people remove")
    from groundtune.cli.people_errors import plain_errors
    from groundtune.pipeline.annotate.removal import NOT_REACHED, find_person, preview
    from groundtune.pipeline.annotate.removal import remove as remove_data

    with _opened(project) as annotation_project, plain_errors(name):
        person = find_person(annotation_project.database, name)
        if dry_run:
            finish(preview(annotation_project.database, person.id).model_dump(), json=json)
            return
        removal = remove_data(annotation_project.database, None, person.id, keep_work=keep_work)
    output: dict[str, object] = {"pseudonym": removal.name, "id": removal.pseudonym}
    if json:
        output |= {
            "deleted": removal.deleted,
            "kept": removal.kept,
            "log_emptied": removal.log_emptied,
        }
        finish(output | {"not_reached": NOT_REACHED}, json=True)
        return
    output |= {
        f"deleted {kind.replace('_', ' ')}": number for kind, number in removal.deleted.items()
    }
    output |= {f"kept {kind.replace('_', ' ')}": number for kind, number in removal.kept.items()}
    if not removal.log_emptied:
        output["traces"] = "in the database's log until the app stops"
    finish(output | {"not reached": "; ".join(NOT_REACHED)})


def audit(project: str, /, *, out: Path, json: bool = False) -> None:
    """Write the audit trail of an annotation project as JSON lines: who did what to whom, and when.

    For example:

        groundtune people audit farm --out audit.jsonl

    Args:
        project: Folder or PostgreSQL URL of the project.
        out: File to write; it must not exist.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish

    require_annotate_extra("groundtune people audit")
    from groundtune.pipeline.annotate.audit_file import write_audit

    with _opened(project) as annotation_project:
        entries = write_audit(annotation_project.database, out)
    finish({"entries": entries}, path=out, json=json)


def _access(account: "Account", number: int) -> str:
    ways = "no access" if account.closed else "logs in" if account.has_password else "no password"
    return f"{ways}, {number} items finished"


@contextmanager
def _opened(where: str) -> Generator["Project"]:
    from groundtune.pipeline.annotate.project import existing_project

    project = existing_project(where)
    try:
        yield project
    finally:
        project.close()
