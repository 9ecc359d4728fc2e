"""`groundtune annotate`."""

import getpass
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from groundtune.cli.recipe_argument import Settings


def annotate(
    project: str,
    /,
    *settings: Settings,
    answers: tuple[Path, ...] = (),
    images: Path | None = None,
    task: Literal["correct", "compare", "evaluate", "review", "thumb"] = "correct",
    gold: tuple[Path, ...] = (),
    order: Literal["added", "random", "uncertain", "suspected"] | None = None,
    name: str = "",
    port: int = 8080,
    login: bool = False,
    host: str = "127.0.0.1",
    url: str = "",
    frames: tuple[str, ...] = (),
    proxies: int | None = None,
    json: bool = False,
) -> None:
    """Correct, compare, evaluate and review answers in the browser.

    Creates or opens a project folder and prints the address of its app: for you on this machine, or
    with --login for a team. With --answers it first adds the answers of a run. Then
    `groundtune pairs --from PROJECT` makes training pairs of the finished work. Stop it with
    Ctrl-C: everything is saved as it happens.

    For example:

        groundtune annotate farm --answers runs/candidates
        groundtune annotate farm --answers runs/base --answers runs/tuned --task evaluate
        groundtune annotate farm --answers runs/candidates --task thumb
        groundtune annotate farm blind=true people_per_item=2 --port 8090
        groundtune annotate farm --login --url https://annotate.example.org

    Args:
        project: Folder of the project, a new one is made; or the URL of a PostgreSQL database
            (postgresql://USER@HOST/DATABASE), which needs the extra "postgres".
        settings: Settings of the project, which it keeps: kinds, blind, planted, severity,
            people_per_item, overlap, gold, lease_minutes, seed.
        answers: Folder with answers that `groundtune sample` wrote or with imported pairs, or a
            file: JSON lines, a table, an export of Label Studio or Potato, RLHF-V's Parquet. Can be
            given several times.
        images: Folder of the images that a file names (default: the folder of the file).
        task: What to do with these answers; thumb asks of each only whether it is good.
        gold: Folder with answers and their right corrections or comparisons: mixed unseen into
            everybody's work, to measure it. Can be given several times.
        order: In which order these answers are asked about: as added, random, or by the claims of a
            labeler: first those of which it is unsure, or suspected ones, in which it thinks most
            is wrong. The project keeps it.
        name: Who annotates without --login (default: the name you are logged in with).
        port: Port to listen on; 0 picks a free one.
        login: Ask everybody to log in. `groundtune people add` adds the first owner.
        host: Address to listen on; one that other machines reach needs --login.
        url: With --login, the address that people use, if it is not the one listened on: behind a
            proxy with HTTPS.
        frames: With --login, an address whose pages may show the app in a frame. Can be given
            several times.
        proxies: How many proxies requests come through, to tell clients apart by what these add to
            X-Forwarded-For (default: 1 with --url, else 0).
        json: Print the address as one JSON object.
    """
    from groundtune.cli.annotate_extra import require_annotate_extra
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.recipe_loading import load

    require_annotate_extra("groundtune annotate")
    from groundtune.pipeline.annotate.given import add_answers
    from groundtune.pipeline.annotate.project import is_url, project_to_fill
    from groundtune.pipeline.annotate.settings import ProjectSettings
    from groundtune.web.server import address_of, listen, run
    from groundtune.web.ways_in import checked_door, refuse_without_owner

    changes = load(None, settings, ProjectSettings, options={"order": order})
    display_name = name or getpass.getuser()
    person = re.sub(r"[^a-z0-9_-]+", "-", display_name.lower()).strip("-")[:64] or "owner"
    door = checked_door("" if login else person, host, url=url, frames=frames, proxies=proxies)
    with listen(port, host) as listening:
        to_fill = project_to_fill(project, changes.model_dump(include=changes.model_fields_set))
        with to_fill as annotation_project, open_progress(silent=json) as progress:
            if login:
                refuse_without_owner(annotation_project)
            else:
                annotation_project.join(person, display_name, "owner")
            new = [
                add_answers(annotation_project, each, task, progress, images=images)
                for each in answers
            ]
            gold_counts = [annotation_project.add_gold(each, task) for each in gold]
        added = {"items": sum(new)} if answers else {}
        added |= {"gold": sum(gold_counts)} if gold else {}
        page = door.url or address_of(listening)
        who = {} if login else {"person": person}
        out = f"{annotation_project.name if is_url(project) else project}-pairs"
        following = ["groundtune", "pairs", "--from", annotation_project.where, "--out", out]
        finish({**added, **who, "page": page}, next_command=following, json=json)
        with suppress(KeyboardInterrupt):  # the usual end of a server
            run(annotation_project, door, listening)
