"""Data sets of the Hugging Face hub as files that `groundtune import` reads.

hub:NAME@REVISION is a whole data set, read through `datasets` (the extra `hub`) and written as
Parquet. hub:NAME@REVISION:FILE is one of its files, as it is. Either is noted with its commit.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from groundtune.errors import UserError
from groundtune.protocols import Progress

PREFIX = "hub:"
_SOURCE = re.compile(r"(?P<name>[^@:]+)(@(?P<revision>[^@:]+))?(:(?P<file>[^:]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class HubSource(NamedTuple):
    """A data set of the hub, or one of its files."""

    name: str
    revision: str
    file: str
    """"" for all rows."""


class HubFile(NamedTuple):
    """A file on this machine."""

    path: Path
    display_name: str
    """The source with the commit that was read."""


def is_hub(source: str) -> bool:
    """Whether a source is of the hub: hub:NAME@REVISION."""
    return source.startswith(PREFIX)


def parse_hub(source: str) -> HubSource:
    """Return the parts of hub:NAME@REVISION:FILE; the revision is "main" if it is left out.

    Raises:
        UserError: the text has another form.
    """
    match = _SOURCE.fullmatch(source.removeprefix(PREFIX))
    if match is None:
        raise UserError(
            "This names no data set of the hub.",
            source,
            "Write hub:OWNER/NAME@REVISION, or hub:OWNER/NAME@REVISION:FILE for one file.",
        )
    return HubSource(match["name"], match["revision"] or "main", match["file"] or "")


def split_only(only: str) -> tuple[str, str]:
    """Return the column and the text of COLUMN=TEXT; two empty texts for "".

    Raises:
        UserError: there is no "=".
    """
    column, equals, text = only.partition("=")
    if only and not (column and equals and text):
        raise UserError("This is no condition.", f"--only {only}", "Write it as COLUMN=TEXT.")
    return column, text


@contextmanager
def opened(
    file: Path, progress: Progress, *, near: Path, split: str = "train", only: str = ""
) -> Generator[HubFile]:
    """Give a file as it is, or fetch a data set of the hub; its rows are removed afterwards.

    Args:
        file: A file, hub:NAME@REVISION, or hub:NAME@REVISION:FILE.
        progress: Shows what is fetched.
        near: Fetched rows are written as Parquet next to this folder meanwhile.
        split: The data set's split.
        only: COLUMN=TEXT keeps the rows whose column contains the text; "" keeps all.

    Raises:
        UserError: the extra is missing, the hub has no such data set, revision, split or file,
            can't be reached, or no row is kept.
    """
    source = str(file)
    request = parse_hub(source) if is_hub(source) else None
    column, text = split_only(only)
    if column and (request is None or request.file):
        raise UserError(
            "A condition needs a data set of the hub, and this is a single file.",
            f"--only {only}",
            "Leave out --only, or name a data set as hub:OWNER/NAME@REVISION.",
        )
    if request is None:
        yield HubFile(file, "")
        return
    progress.start(f"fetch {request.name}", total=None)
    if request.file:
        path = _file(request, source)
        match = _COMMIT.search(path.as_posix())
        yield HubFile(path, _named(request, match[0] if match else ""))
        return
    data = _rows(request, source, split)
    commit = _commit(request, data)
    if column:
        data = _kept(data, column, text, source)
    parents = (folder for folder in near.absolute().parents if folder.is_dir())
    with TemporaryDirectory(prefix=".hub-", dir=next(parents)) as folder:
        path = Path(folder) / "rows.parquet"
        data.to_parquet(str(path))
        yield HubFile(path, _named(request, commit))


def _file(request: HubSource, source: str) -> Path:
    import huggingface_hub

    hub: Any = huggingface_hub
    with _explained(source):
        return Path(
            hub.hf_hub_download(
                request.name, request.file, repo_type="dataset", revision=request.revision
            )
        )


def _rows(request: HubSource, source: str, split: str) -> Any:
    try:
        library: Any = import_module("datasets")
    except ImportError:
        raise UserError(
            "Data sets of the hub are read with the package datasets, which is not installed.",
            source,
            "Install it with pip install 'groundtune[hub]', or download the files and give one.",
        ) from None
    with _explained(source):
        data = library.load_dataset(request.name, revision=request.revision, split=split)
    for name, feature in data.features.items():
        if isinstance(feature, library.Image):
            data = data.cast_column(name, library.Image(decode=False))
    return data


def _kept(data: Any, column: str, text: str, source: str) -> Any:
    if column not in data.column_names:
        raise UserError(
            f"The data set has no column {column!r}.",
            source,
            f"Its columns are {', '.join(data.column_names)}.",
        )
    chosen = [at for at, value in enumerate(data[column]) if text in str(value)]
    if not chosen:
        raise UserError(
            f"No row's {column} contains {text!r}.",
            source,
            f"An example of its values: {str(data[column][0])[:80]}",
        )
    return data.select(chosen)


def _commit(request: HubSource, data: Any) -> str:
    """Return the commit of the rows; "" if the library doesn't say it."""
    if _COMMIT.fullmatch(request.revision):
        return request.revision
    addresses: list[str] = [*(data.info.download_checksums or {})]
    matches = (re.search(r"@([0-9a-f]{40})/", each) for each in addresses)
    return next((match[1] for match in matches if match), "")


def _named(request: HubSource, commit: str) -> str:
    at = commit or f"{request.revision} (commit unknown)"
    return f"{PREFIX}{request.name}@{at}" + (f":{request.file}" if request.file else "")


@contextmanager
def _explained(source: str) -> Generator[None]:
    """Turn the hub's errors into the user's."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError) as error:
        raise UserError(
            f"The hub can't be reached, and the data is not in the cache: {_line(error)}",
            source,
            "Connect, unset HF_HUB_OFFLINE, or download the files and give one.",
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            "The data set has no such revision.", source, "Give another after @, such as main."
        ) from error
    except EntryNotFoundError as error:
        raise UserError(
            "The data set has no such file.", source, "Give another after the second colon."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            "The hub has no such data set, or only for an account.",
            source,
            "Check the name; for a data set that needs an account, run `hf auth login` first.",
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"The data set can't be read: {_line(error)}",
            source,
            "Check name, revision and split, or download the files and give one.",
        ) from error


def _line(error: BaseException) -> str:
    """The first line of a foreign message, as a sentence."""
    text = (str(error).splitlines() or [""])[0].strip()
    return text if text.endswith(".") else f"{text}."
