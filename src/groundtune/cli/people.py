"""`groundtune people`."""

from typing import Literal


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
    with plain_errors(name), project_to_fill(project) as opened:
        person = add_account(opened.database, name, role, password)
        where = opened.where
        opened.close()
    following = ["groundtune", "annotate", where, "--login"]
    finish({"person": person, "name": name, "role": role}, next_command=following, json=json)
