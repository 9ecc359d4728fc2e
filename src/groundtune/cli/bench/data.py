"""`groundtune bench data`."""

import shlex
from pathlib import Path


def data(name: str, /, *, out: Path | None = None, mirror: str = "", json: bool = False) -> None:
    """Download a benchmark's data from its official place, and check them.

    Files that are there and intact are not downloaded again. Without a connection, a folder with
    all the files is checked as it is.

    For example:

        groundtune bench data pope
        groundtune bench data pope:gqa --out data/pope-gqa

    Args:
        name: Name of a benchmark (`groundtune bench list`), or NAME:SET.
        out: Folder for the files (default: the cache, which --data official reads).
        mirror: URL of a web folder that is a copy of the cache, to download from.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.pipeline.bench.data import fetch_data

    with open_progress(silent=json) as progress:
        files = fetch_data(name, progress, out=out, mirror=mirror)
    output = files.as_json()
    if not json:
        sources = (f"{file.place.source}, sha256 {file.sha256}" for file in files.published)
        output = dict(zip((path.name for path in files.files), sources, strict=True))
        output |= {"fetched": files.fetched, "licence": files.data.licence}
        output |= {"by hand": files.data.by_hand} if files.data.by_hand else {}
        official = f"official:{files.set}" if files.set else "official"
        output["use with"] = f"--data {official if out is None else shlex.quote(str(out))}"
    finish(output, path=files.folder, json=json)
