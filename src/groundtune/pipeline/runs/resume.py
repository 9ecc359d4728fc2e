"""The folder of a run of many steps: opened for writing, and read again when all steps are done."""

import shlex
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from groundtune.errors import UserError
from groundtune.pipeline.runs.jobs import Job, JobResult, done_jobs
from groundtune.recipe_loading import Settings
from groundtune.store.contents import ChangedError
from groundtune.store.lock import hold
from groundtune.store.run_json import RunRecord, read_run, write_run

S = TypeVar("S", bound=Settings)


@contextmanager
def open_run(
    out: Path,
    settings: Settings,
    *,
    inputs: Mapping[str, str],
    seeds: Mapping[str, int],
    command: Sequence[str],
    may_change: Collection[str] = (),
) -> Generator[None, None, None]:
    """Open `out` for one run: new, or the run that is there already, which then resumes.

    A run that was refused before any model answered has not begun: its settings and inputs can be
    corrected in the same folder.

    Every run of many steps begins to write here and nowhere else. `run.json` gets the settings and
    the `inputs`.

    Args:
        out: Folder of the run.
        settings: All of the run; those in their MAY_CHANGE, or in `may_change`, may differ from
            the run that is there.
        inputs: Hash of each model (`models.fingerprints`) and of what else goes in, by what it is.
        seeds: Its seeds, by name.
        command: The words of the command.
        may_change: Further settings that may differ.

    Raises:
        UserError: the folder holds another command's run, or one with other settings, models or
            data; or another process holds the folder.
    """
    recipe = settings.model_dump(mode="json")
    with hold(out, whole=True):
        earlier = read_run(out) if (out / "run.json").exists() else None
        all_inputs = dict(inputs) | settings.packages()
        if earlier is not None and not _is_unanswered(out, earlier, settings):
            _refuse_others(out, earlier.recipe, settings, may_change)
            if not may_change:  # else the steps of other inputs have other places
                _refuse_changed(out, earlier.inputs, all_inputs)
        if earlier is None or (earlier.recipe, earlier.inputs) != (recipe, all_inputs):
            write_run(out, recipe, all_inputs, dict(seeds), list(command))
        yield


def _is_unanswered(out: Path, earlier: RunRecord, settings: Settings) -> bool:
    """Whether this command's run in `out` has only read prompts so far."""
    same_command = earlier.recipe.get("command") == settings.decisive().get("command")
    return same_command and not has_answers(out)


def has_answers(out: Path) -> bool:
    """Return whether a model has answered for the run in `out`.

    Answers to learn from are in `rollouts`, those of every other stage in `answers`.
    """
    answers = (path for name in ("answers", "rollouts/*") for path in out.glob(f"**/{name}/part-*"))
    return next(answers, None) is not None


def _refuse_others(
    out: Path, earlier: Mapping[str, Any], settings: Settings, may_change: Collection[str]
) -> None:
    try:
        before = type(settings).model_validate(earlier).decisive()
    except ValidationError:  # another command's, or another version's
        before = dict(earlier)
    now = settings.decisive()
    others = [name for name in now if name not in may_change and before.get(name) != now[name]]
    if others:
        raise UserError(
            f"The folder holds a run with other settings ({', '.join(others)}).",
            str(out),
            "Choose another folder with --out DIR, or use the settings of the first run.",
        )


def _refuse_changed(out: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    if changed:
        raise ChangedError(
            f"These inputs changed since the run began: {', '.join(changed)}.",
            str(out),
            "Choose another folder with --out DIR, or restore the inputs.",
        )


def read_finished(
    out: Path, schema: type[S], jobs_of: Callable[[S], Sequence[Job]]
) -> tuple[S, dict[str, JobResult]]:
    """Return the settings and the steps of a run that is done.

    Raises:
        UserError: there is no run, steps are missing, or it is another version's.
    """
    run = read_run(out)
    try:
        settings = schema.model_validate(run.recipe)
    except ValidationError as error:
        raise UserError(
            "The settings in run.json are not those of this version.",
            str(out / "run.json"),
            "Run the command again with another --out DIR.",
        ) from error
    jobs = jobs_of(settings)
    steps = done_jobs(out, jobs)
    if len(steps) < len(jobs):
        raise UserError(
            f"The run is not done: {len(steps)} of {len(jobs)} steps are.",
            str(out),
            f"Resume it: {_words(run, out)}",
        )
    return settings, steps


def _words(run: RunRecord, out: Path) -> str:
    """The command that resumes a run."""
    if run.command:
        return shlex.join(["groundtune", *run.command[1:]])
    return f"groundtune {run.recipe.get('command')} --out {shlex.quote(str(out))}"
