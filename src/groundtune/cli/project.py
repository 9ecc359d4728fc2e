"""`groundtune project`."""

from pathlib import Path


def backup(project: str, /, *, out: Path, json: bool = False) -> None:
    """Write an annotation project to one file: its database, images and guidelines.

    People may go on annotating meanwhile.

    For example:

        groundtune project backup farm --out farm.zip

    Args:
        project: Folder or PostgreSQL URL of the project.
        out: File to write; it must not exist.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish

    require_annotate_extra("groundtune project backup")
    from groundtune.pipeline.annotate.backup import back_up
    from groundtune.pipeline.annotate.project import existing_project

    opened = existing_project(project)
    try:
        made = back_up(opened, out)
    finally:
        opened.close()
    following = ["groundtune", "project", "restore", str(out), "NEW_FOLDER"]
    finish(made.model_dump(exclude={"files"}), wrote=out, next_command=following, json=json)


def restore(backup: Path, project: Path, /, *, json: bool = False) -> None:
    """Make the project of a backup again, in a new folder.

    Refuses a folder that isn't empty, and a file that is damaged, holds anything else, or was made
    by a newer version.

    For example:

        groundtune project restore farm.zip farm-again

    Args:
        backup: File that `groundtune project backup` wrote.
        project: Folder of the project; a new one is made.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish

    require_annotate_extra("groundtune project restore")
    from groundtune.pipeline.annotate.backup import restore as restore_project

    made = restore_project(backup, project)
    finish(
        made.model_dump(exclude={"files"}),
        wrote=project,
        next_command=["groundtune", "annotate", str(project)],
        json=json,
    )
