"""The files of a model's or an adapter's folder, before any library reads them."""

from pathlib import Path

from groundtune.store.checksums import refuse_damaged_folder
from groundtune.store.files import refuse_special
from groundtune.store.rows import json_file

_DAMAGED = "Restore the folder from a copy. If you changed the file, delete checksums.sha256."
_FIX = "Copy the folder again, or save it again with save_pretrained."


def check_files(folder: Path) -> None:
    """Check that a folder's files are files, and that its JSON can be read.

    Raises:
        UserError: one is a pipe or a device, is damaged, or is not JSON or too deep; it is named.
    """
    for each in sorted(folder.iterdir()):
        refuse_special(each)
        if each.suffix == ".json" and each.is_file():
            json_file(each, _FIX)
    refuse_damaged_folder(folder, _DAMAGED)
