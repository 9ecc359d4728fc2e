"""Images that are both in training data and in an evaluation: counted, named, and refused.

A model that is evaluated on the images that it learnt from looks better than it is. `train` holds
its pairs against the evaluations that it knows, `rl` its prompts, `align` and `rounds` what is
learnt from against what they report on, `bench run`, `demo` and `study` their items against what
the model was trained on, `reward measure` its feedback, as far as the `run.json` next to the model
leads to them.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from groundtune.errors import UserError
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Prompt
from groundtune.store.images import ImageStore
from groundtune.store.likeness import SharedImage, common_images, looks_of
from groundtune.store.run_json import read_run

log = logging.getLogger(__name__)

_SHOWN = 3
_LEVELS = 3
"""Folders above a model in which its training may be: OUT/checkpoints/step-100/adapter."""
_MOST_MODELS = 20
"""Models of models that are followed to the first base."""


class UsedImages(NamedTuple):
    """Stored images, and where they are from."""

    store: ImageStore
    hashes: Collection[str]


def images_of(prompts: Iterable[Prompt], store: ImageStore) -> UsedImages:
    """Return the images of prompts."""
    return UsedImages(store, dict.fromkeys(image for prompt in prompts for image in prompt.images))


def refuse_common(
    training: UsedImages,
    evaluation: UsedImages,
    *,
    where: str,
    setting: str = "",
    allowed: bool = False,
) -> list[SharedImage]:
    """Raise a UserError if an image of the evaluation is in the training data.

    Where that is `allowed`, they are counted in the log instead, and returned.
    """
    if not training.hashes or not evaluation.hashes:
        return []
    common = common_images(
        looks_of(training.store, training.hashes), looks_of(evaluation.store, evaluation.hashes)
    )
    if not common:
        return []
    equal = sum(each.first == each.second for each in common)
    names = "; ".join(_name(each) for each in common[:_SHOWN])
    what = (
        f"{len(common)} of {len(evaluation.hashes)} evaluation images are in the training data "
        f"({equal} equal, {len(common) - equal} look alike): {names}"
        + ("; ..." if len(common) > _SHOWN else ".")
    )
    if not allowed:
        allow = f", or allow them: {setting}" if setting else ""
        fix = f"Remove them from the training data or the evaluation{allow}."
        raise UserError(what, where, fix)
    log.warning("%s: %s", where, what)
    return common


def evaluations_of(folder: Path, folders: Sequence[Path]) -> list[UsedImages]:
    """Return the images of the evaluations below a run's folder, and of those that are named.

    Raises:
        UserError: a folder that is named holds no prompts of a run.
    """
    by_hashes: dict[frozenset[str], UsedImages] = {}
    for place in (*folders, *sorted(folder.glob("evaluation/*"))):
        run = RunFolder(place)
        prompts = run.prompts.read()
        if not prompts and place in folders:
            raise UserError(
                "The folder holds no prompts of an evaluation.",
                str(place),
                "Give the --out folder of groundtune bench run.",
            )
        store = run.images if run.images.root.is_dir() else RunFolder(folder).images
        images = images_of(prompts, store)
        by_hashes.setdefault(
            frozenset(images.hashes), images
        )  # most models are asked about the same
    return list(by_hashes.values())


def training_images(models: Sequence[str]) -> list[UsedImages]:
    """Return the images of what models and adapters in folders were trained on: pairs, prompts.

    A folder of pairs that is not there any more is named in a warning.
    """
    by_folder: dict[Path, UsedImages] = {}
    queue, visited = [name for name in models if name], set[Path]()
    while queue and len(visited) < _MOST_MODELS:
        model = Path(queue.pop())
        if not model.is_dir() or model.resolve() in visited:
            continue
        visited.add(model.resolve())
        pairs, base = _trained_on(model.resolve())
        queue += base
        for folder in pairs:
            run = RunFolder(folder)
            rows = run.pairs.read() or run.answers.read()
            keys = {row.prompt for row in rows} or _asked(run)
            if not keys:
                log.warning(
                    "%s: was trained on %s, which holds no pairs any more: whether evaluation "
                    "images are among them can't be checked",
                    model,
                    folder,
                )
            prompts = [prompt for prompt in run.prompts.read() if prompt.key in keys]
            by_folder[folder] = images_of(prompts, run.images)
    return list(by_folder.values())


def _trained_on(model: Path) -> tuple[list[Path], list[str]]:
    """Return the folders of pairs that a model was trained on, and the models it started from.

    The model may be the result of a training, a checkpoint of it, or the model of a round of align.
    """
    for folder in model.parents[:_LEVELS]:
        if folder.name.startswith("round-") and (folder / "pairs").is_dir():
            rounds = [each for each in folder.parent.glob("round-*") if (each / "pairs").is_dir()]
            before = [each for each in rounds if _number(each) <= _number(folder)]
            return before, _base(_recipe(folder.parent))
        recipe = _recipe(folder)
        if recipe.get("command") == "rl":
            return [folder], _base(recipe)
        if recipe.get("command") == "reward train":
            return [Path(str(recipe["feedback"]))], _base(recipe)
        if "pairs" in recipe and "model" in recipe:
            mix = [Path(str(each["folder"])) for each in recipe.get("mix", ())]
            more = [*mix, *([Path(str(recipe["anchor"]))] if recipe.get("anchor") else [])]
            return [Path(str(recipe["pairs"])), *more], _base(recipe)
    return [], []


def _asked(run: RunFolder) -> set[str]:
    """Return the prompts that reinforcement learning asked, whose answers are in its rollouts."""
    is_rl = _recipe(run.path).get("command") == "rl"
    return {prompt.key for prompt in run.prompts.read()} if is_rl else set()


def _base(recipe: dict[str, Any]) -> list[str]:
    """Return the model that a recipe starts from, and the adapter on it."""
    return [name for part in ("model", "adapter") if (name := str(recipe.get(part) or ""))]


def _recipe(folder: Path) -> dict[str, Any]:
    try:
        return read_run(folder).recipe
    except UserError:  # none, or of another version
        return {}


def _number(folder: Path) -> int:
    number = folder.name.partition("-")[2]
    return int(number) if number.isdecimal() else 0


def _name(common: SharedImage) -> str:
    if common.first == common.second:
        return common.first[:12]
    return f"{common.second[:12]} looks like {common.first[:12]} ({common.bits} of 512 bits differ)"
