"""A project: open or create it, fill it with items, and record people's events."""

import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from secrets import token_hex

from groundtune.errors import UserError
from groundtune.feedback.annotating import AnnotationState, RefusedEvent, check_event, replay
from groundtune.pipeline.annotate.conflicts import note_results
from groundtune.pipeline.annotate.gold import gold_from_run
from groundtune.pipeline.annotate.items import items_from_run
from groundtune.pipeline.annotate.scaled import ScaledImages
from groundtune.pipeline.annotate.settings import ProjectSettings
from groundtune.pipeline.annotate.tiles import Tiles
from groundtune.pipeline.annotate.turns import turns_of
from groundtune.pipeline.runs.folder import DATABASE, RunFolder, is_project
from groundtune.records import Prompt, Record
from groundtune.store.annotations import events, items, leases
from groundtune.store.annotations.conflicts import renew_conflict
from groundtune.store.annotations.database import Database, open_database
from groundtune.store.annotations.records import AnnotationItem, Event, Task
from groundtune.store.annotations.shared_images import SharedImages, read_file
from groundtune.store.files import disk_error
from groundtune.store.images import ImageStore
from groundtune.store.json_writing import json_of

GUIDELINES = "guidelines.md"
_SETTINGS = "project"
_ID = "id"
_LONGEST_BATCH = 500


class PersonItem(Record):
    """An item as one person has it: with their own events."""

    item: AnnotationItem
    events: tuple[Event, ...]

    @property
    def state(self) -> AnnotationState:
        """What follows from the events."""
        return replay(self.events)


class EventRefusal(Record):
    """An event that was not stored, and why."""

    id: str
    why: str


class EventReceipt(Record):
    """What became of a batch of events."""

    stored: tuple[str, ...]
    known: tuple[str, ...]
    """Stored before: the client had sent them already."""
    refused: tuple[EventRefusal, ...]


class Project:
    """An open project. Its methods may be called from many threads."""

    def __init__(
        self, path: Path, database: Database, settings: ProjectSettings, *, url: str = ""
    ) -> None:
        self.path = path
        """Its folder, or where the images of a project at a URL are copied to."""
        self.where = database.where if url else str(path)
        """How commands name it; a URL without its password."""
        self.name = (url.partition("?")[0].rpartition("/")[2] or "project") if url else path.name
        self.id = _id_of(database)
        """Tells projects apart that a browser finds at one address, one after another."""
        self.database = database
        self.settings = settings
        images = path / "images"
        self.images = SharedImages(images, database) if url else ImageStore(images)
        self.scaled = ScaledImages(self.images, path / "scaled")
        self.tiles = Tiles(self.images, path / "scaled")

    @property
    def own_guidelines(self) -> str | None:
        """The Markdown of the project's own guidelines; None where it has none."""
        path = self.path / GUIDELINES
        if path.is_file():
            return path.read_text("utf-8")
        with self.database.reading() as connection:
            shared = read_file(connection, GUIDELINES)
        return None if shared is None else shared.decode()

    @property
    def guidelines(self) -> str:
        """The guidelines' Markdown: the project's own, else what comes with Groundtune."""
        custom = self.own_guidelines
        if custom is not None:
            return custom
        shipped = files("groundtune.pipeline.annotate").joinpath("guidelines")
        return shipped.joinpath(f"{self.settings.guidelines}.md").read_text("utf-8")

    def add_run(self, source: Path, task: Task = "correct") -> int:
        """Add the answers of a run as items, with their images, and return how many were new.

        Raises:
            UserError: the run has no answers, or for a review no corrections.
        """
        new_items = items_from_run(source, task, self.settings)
        self._take_images(source, new_items)
        turns = turns_of(new_items, RunFolder(source), task, self.settings)
        with self.database.writing() as connection:
            return items.add_items(connection, new_items, turns=turns)

    def add_gold(self, source: Path, task: Task = "correct") -> int:
        """Add a run's answers as items whose right results are its corrections or comparisons.

        They are mixed into everybody's work. Returns how many were taken; those that somebody has
        worked on already stay as they are.

        Raises:
            UserError: the run has none.
        """
        gold = gold_from_run(source, task, self.settings)
        self._take_images(source, gold)
        with self.database.writing() as connection:
            return items.set_known(connection, gold, seed=self.settings.seed)

    def contents(self, database: Database) -> tuple[int, list[str]]:
        """Return how many items a copy of the project's database has, and the images they need."""
        with database.reading() as connection:
            stored = items.all_items(connection)
        images = dict.fromkeys(image for item in stored for image in item.prompt.images)
        return len(stored), list(images)

    def bring_images(self, prompts: Iterable[Prompt]) -> None:
        """Have the images of prompts in the folder, those of a project at a URL too."""
        for sha256 in dict.fromkeys(image for prompt in prompts for image in prompt.images):
            self.images.path(sha256)

    def _take_images(self, source: Path, new_items: Sequence[AnnotationItem]) -> None:
        images = ImageStore(RunFolder(source).path / "images")
        for sha256 in dict.fromkeys(image for item in new_items for image in item.prompt.images):
            self._take_image(images, sha256)

    def _take_image(self, source: ImageStore, sha256: str) -> None:
        path = self.images.path(sha256)
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not source.path(sha256).is_file():
            raise UserError(
                "An image of the run is missing.",
                f"image {sha256} in {source.root}",
                "Run the command that made the answers again.",
            )
        shutil.copyfile(source.path(sha256), path)
        self.tiles.prepare(sha256, self.scaled)
        if isinstance(self.images, SharedImages):
            self.images.share(sha256)

    def join(self, person: str, name: str, role: items.Role) -> None:
        """Add a person, unless they are there."""
        with self.database.writing() as connection:
            items.add_person(connection, person, name, role)

    def next_work(
        self, person: str, task: Task, *, besides: tuple[str, ...] = ()
    ) -> PersonItem | None:
        """Lease the next item to a person; None if there is none left for them."""
        lease_s = self.settings.lease_minutes * 60
        settings = self.settings
        with self.database.writing() as connection:
            key = leases.take_next(
                connection,
                person,
                task,
                lease_s=lease_s,
                besides=besides,
                gold_share=settings.gold,
                seed=settings.seed,
            )
            return None if key is None else _person_item(connection, person, key)

    def hand_back(self, person: str, keys: Sequence[str]) -> list[str]:
        """Free those of the items that a person holds; return them. Their events stay."""
        with self.database.writing() as connection:
            return leases.hand_back(connection, person, keys)

    def work(self, person: str, key: str) -> PersonItem | None:
        """Return an item with a person's events; None if there is no such item."""
        with self.database.reading() as connection:
            return _person_item(connection, person, key)

    def record(
        self, person: str, batch: Sequence[Event], *, settling: bool = False
    ) -> EventReceipt:
        """Store events in order, each id once; those that don't fit are refused one by one.

        With `settling`, a reviewer's finished items settle what people differ on.

        Raises:
            UserError: the database can't be written; then no event of the batch is stored.
            ValueError: the batch has more than 500 events.
        """
        if len(batch) > _LONGEST_BATCH:
            raise ValueError(f"{len(batch)} events at once, at most {_LONGEST_BATCH}")
        stored: list[Event] = []
        refused: list[EventRefusal] = []
        with self.database.writing() as connection:
            keys = {each.item for each in batch}
            leases.lock_items(connection, keys)  # the same batch may come twice at once
            earlier_ids = events.known_ids(connection, (each.id for each in batch))
            by_key = {item.key: item for item in items.items_of(connection, keys)}
            before: dict[str, list[Event]] = {}
            for key in by_key:
                rows = events.events_of(connection, item=key, person=person)
                before[key] = [row.event for row in rows]
            stored_ids = set(earlier_ids)
            for event in batch:
                if event.id in stored_ids:
                    continue
                why = _why_refused(by_key, before, event)
                if why:
                    refused.append(EventRefusal(id=event.id, why=why))
                    continue
                stored_ids.add(event.id)
                stored.append(event)
                before[event.item].append(event)
            events.append(connection, person, stored)
            for key in sorted({each.item for each in stored}):
                state = replay(before[key])
                self._note_progress(connection, person, key, state)
                if state.progress != "open":
                    below = self.settings.conflict_below
                    note_results(connection, by_key[key], person, below=below, settling=settling)
        return EventReceipt(
            stored=tuple(each.id for each in stored),
            known=tuple(each.id for each in batch if each.id in earlier_ids),
            refused=tuple(refused),
        )

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _note_progress(
        self, connection: items.Connection, person: str, key: str, state: AnnotationState
    ) -> None:
        lease_s = self.settings.lease_minutes * 60
        if state.progress == "open":
            leases.work_on(connection, person, key, lease_s=lease_s)
            renew_conflict(connection, person, key, lease_s=lease_s)
        else:
            leases.end(connection, person, key, state.progress)


def open_project(
    where: Path | str, settings: Mapping[str, object] | None = None, *, cache: Path | None = None
) -> Project:
    """Open the project in a folder or at a PostgreSQL URL, or create it.

    `settings` change the stored ones. `cache` is where images of a URL's project are copied to,
    if not below the user's cache folder.

    Raises:
        UserError: the folder holds something else, a setting is wrong, or the database can't be
            opened.
    """
    if is_url(where):
        database = open_database(str(where))
        return _opened(database, settings, cache or _cache(_id_of(database)), url=str(where))
    path = Path(where)
    if path.exists() and not path.is_dir():
        raise UserError("A project is a folder.", str(path), "Choose a new folder's name.")
    if path.is_dir() and any(path.iterdir()) and not (path / DATABASE).exists():
        raise UserError(
            f"The folder holds other files, and no project ({DATABASE}).",
            str(path),
            "Choose a new folder for the project.",
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error
    return _opened(open_database(path / DATABASE), settings, path)


@contextmanager
def project_to_fill(
    where: Path | str, settings: Mapping[str, object] | None = None
) -> Generator[Project]:
    """Open a project as `open_project`, or create it; a folder's is removed if filling it fails.

    One that was there before stays as it is.
    """
    folder = None if is_url(where) or is_project(Path(where)) else Path(where)
    was_there = folder is not None and folder.exists()
    project = open_project(where, settings)
    try:
        yield project
    except Exception:
        project.close()
        if folder is not None:
            _empty(folder)
            if not was_there:
                folder.rmdir()
        raise


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def existing_project(where: Path | str) -> Project:
    """Open the project in a folder or at a PostgreSQL URL.

    Raises:
        UserError: there is none, or as `open_project`.
    """
    if not is_url(where) and not is_project(Path(where)):
        raise UserError(
            "The folder holds no annotation project.",
            str(where),
            f"Make one: groundtune annotate {where} --answers RUN.",
        )
    return open_project(where)


def is_url(where: Path | str) -> bool:
    """Whether a PostgreSQL URL is meant."""
    return str(where).startswith(("postgresql://", "postgresql+", "postgres://"))


def _opened(
    database: Database, settings: Mapping[str, object] | None, path: Path, *, url: str = ""
) -> Project:
    try:
        return Project(path, database, _settings(database, settings or {}), url=url)
    except Exception:
        database.close()
        raise


def _person_item(connection: items.Connection, person: str, key: str) -> PersonItem | None:
    item = items.item_of(connection, key)
    if item is None:
        return None
    stored = events.events_of(connection, item=key, person=person)
    return PersonItem(item=item, events=tuple(each.event for each in stored))


def _cache(project_id: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "groundtune" / "projects" / project_id


def _settings(database: Database, changes: Mapping[str, object]) -> ProjectSettings:
    with database.writing() as connection:
        stored = items.read_setting(connection, _SETTINGS)
        before = ProjectSettings.model_validate_json(stored) if stored else ProjectSettings()
        now = ProjectSettings.model_validate({**before.model_dump(), **changes})
        if stored is None or now != before:
            items.write_setting(connection, _SETTINGS, json_of(now))
    return now


def _id_of(database: Database) -> str:
    with database.writing() as connection:
        value = items.read_setting(connection, _ID)
        if value is None:
            value = json_of(token_hex(8))
            items.write_setting(connection, _ID, value)
    return str(json.loads(value))


def _why_refused(
    by_key: Mapping[str, AnnotationItem], before: Mapping[str, Sequence[Event]], event: Event
) -> str:
    """Why an event can't be stored; "" if it can."""
    if event.item not in by_key:
        return "There is no such item in this project."
    try:
        check_event(by_key[event.item], before[event.item], event)
    except RefusedEvent as error:
        return str(error)
    return ""
