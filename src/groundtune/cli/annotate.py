"""`groundtune annotate`."""

import getpass
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from groundtune.cli.recipe_argument import Settings


def annotate(
    project: Path,
    /,
    *settings: Settings,
    answers: tuple[Path, ...] = (),
    task: Literal["correct", "compare", "evaluate", "review"] = "correct",
    name: str = "",
    port: int = 8080,
    json: bool = False,
) -> None:
    """Correct, compare, evaluate and review answers in the browser.

    Creates or opens a project folder and prints the address of its app, for this machine only.
    With --answers it first adds the answers of a run. Then `groundtune pairs --from PROJECT` makes
    training pairs of the finished work. Stop it with Ctrl-C: everything is saved as it happens.

    For example:

        groundtune annotate photos --answers runs/candidates
        groundtune annotate photos --answers runs/base --answers runs/tuned --task evaluate
        groundtune annotate photos blind=true people_per_item=2 --port 8090

    Args:
        project: Folder of the project; a new one is made.
        settings: Settings of the project, which it keeps: kinds, blind, planted, severity,
            people_per_item, lease_minutes, seed.
        answers: Folder with answers that `groundtune sample` wrote. Can be given several times.
        task: What to do with these answers.
        name: Who annotates (default: the name you are logged in with).
        port: Port to listen on; 0 picks a free one.
        json: Print the address as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish
    from groundtune.recipe_loading import load

    require_annotate_extra("groundtune annotate")
    from groundtune.pipeline.annotate.project import open_project
    from groundtune.pipeline.annotate.settings import ProjectSettings
    from groundtune.web.server import listen, run

    changes = load(None, settings, ProjectSettings)
    opened = open_project(project, changes.model_dump(include=changes.model_fields_set))
    shown = name or getpass.getuser()
    person = re.sub(r"[^a-z0-9_-]+", "-", shown.lower()).strip("-")[:64] or "owner"
    opened.join(person, shown, "owner")
    added = {"items": sum(opened.add_run(each, task) for each in answers)} if answers else {}
    with listen(port) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        following = ["groundtune", "pairs", "--from", str(project), "--out", f"{project}-pairs"]
        finish({**added, "person": person, "page": url}, next_command=following, json=json)
        with suppress(KeyboardInterrupt):  # the usual end of a server
            run(opened, person, listening)
