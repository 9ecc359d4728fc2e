"""`groundtune bench data`."""

import shlex
from pathlib import Path


def data(name: str, *, out: Path | None = None, mirror: str = "", json: bool = False) -> None:
    """Fetch a benchmark's own data from their official place, and check them.

    What is there and right is not fetched again. Without a connection, a folder with all the files
    is checked as it is.

    Args:
        name: A benchmark, as `groundtune bench list` names it, or NAME:SET (pope:gqa).
        out: Folder for the files; the cache, where --data official looks, if it isn't given.
        mirror: Address of a folder on a web server that is a copy of the cache, to fetch from.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.data import fetch_data

    with open_progress(silent=json) as progress:
        made = fetch_data(name, progress, out=out, mirror=mirror)
    told = made.as_json()
    if not json:
        sources = (f"{file.place.source}, sha256 {file.sha256}" for file in made.published)
        told = dict(zip((path.name for path in made.files), sources, strict=True))
        told |= {"fetched": made.fetched, "licence": made.data.licence}
        told |= {"by hand": made.data.by_hand} if made.data.by_hand else {}
    given = f"official:{made.set}" if made.set else "official"
    given = given if out is None else shlex.quote(str(out))
    finish(
        told,
        wrote=made.folder,
        next_command=f"groundtune bench score {made.benchmark} ANSWERS --data {given}",
        json=json,
    )
