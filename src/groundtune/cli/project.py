"""`groundtune project`."""

from pathlib import Path
from shlex import quote

from groundtune.cli.recipe_argument import Settings


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

    annotation_project = existing_project(project)
    try:
        manifest = back_up(annotation_project, out)
    finally:
        annotation_project.close()
    following = ["groundtune", "project", "restore", str(out), "NEW_FOLDER"]
    finish(manifest.model_dump(exclude={"files"}), path=out, next_command=following, json=json)


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

    manifest = restore_project(backup, project)
    finish(
        manifest.model_dump(exclude={"files"}),
        path=project,
        next_command=["groundtune", "annotate", str(project)],
        json=json,
    )


def claims(
    project: str,
    /,
    *settings: Settings,
    labeler: str | None = None,
    divider: str | None = None,
    json: bool = False,
) -> None:
    """Ask a labeler which different replacements of two people claim the same.

    Each replacement that two people wrote for one place is divided into claims. They are equal if
    they make the same claims, or if the labeler confirms every claim that only one of them makes.
    `groundtune project quality` and the app show the share. Run it again after people have worked
    on: the labeler is kept, and only what is new is asked.

    For example:

        groundtune project claims farm --labeler world:labeler
        groundtune project claims farm

    Args:
        project: Folder or PostgreSQL URL of the project.
        settings: Settings that have no option: questions, asking.suffix, dtype, device.
        labeler: Who says yes or no to the claims: a folder, a hub name, or openai:MODEL@URL.
        divider: Who divides; without it the labeler, or the rules of its prompt source.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress

    require_annotate_extra("groundtune project claims")
    from groundtune.pipeline.annotate.claim_check import check_replacements
    from groundtune.pipeline.annotate.project import existing_project

    annotation_project = existing_project(project)
    options = {"labeler": labeler, "divider": divider}
    try:
        with open_progress(silent=json) as progress:
            summary = check_replacements(annotation_project, settings, progress, options=options)
    finally:
        annotation_project.close()
    following = ["groundtune", "project", "quality", project]
    finish(summary.model_dump(), next_command=following, json=json)


def quality(project: str, /, *, json: bool = False) -> None:
    """Print how far people agree, how they do on known results, and what an item takes.

    Each figure has a 95% interval and the number of items that it comes from. The app's page
    "Quality" shows the same, and follows the work.

    For example:

        groundtune project quality farm
        groundtune project quality farm --json

    Args:
        project: Folder or PostgreSQL URL of the project.
        json: Print the figures as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.output import print_json
    from groundtune.cli.quality_text import compares_only_texts, tables_of
    from groundtune.cli.table import print_table

    require_annotate_extra("groundtune project quality")
    from groundtune.pipeline.annotate.project import existing_project
    from groundtune.pipeline.annotate.quality.live import LiveQuality

    annotation_project = existing_project(project)
    try:
        figures = LiveQuality(annotation_project).now()
    finally:
        annotation_project.close()
    if json:
        print_json(figures.model_dump())
        return
    for number, table in enumerate(tables_of(figures)):
        if number:
            print()
        print_table(table)
    if any(compares_only_texts(task) for task in figures.tasks):
        print(
            "\nEqual replacements count only if their texts are the same. To count those "
            f"that claim the same too:\ngroundtune project claims {quote(project)} --labeler MODEL"
        )
