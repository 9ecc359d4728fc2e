"""Stage "facts": what is known about a run's images becomes the facts of its prompts.

OUT/prompts/    the prompts with facts, which only reward models and judges read
OUT/...         everything else of the run, as it is

Facts come from people's annotations (captions, regions, boxes), an object detector, or a file of
texts by image. LLaVA-RLHF's image_to_caption.json is such a file (Sun et al. 2023, arXiv
2309.14525): captions by an image's file name, and rationales of multiple-choice questions under
the name with aok_ before it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

from groundtune.errors import UserError
from groundtune.interchange.annotations import read_annotations, region_texts
from groundtune.pipeline.feedback.detector import open_detector
from groundtune.pipeline.feedback.oracles import ANNOTATIONS, DETECTOR
from groundtune.pipeline.runs.folder import RunFolder, hash_of, read_some
from groundtune.protocols import Progress
from groundtune.recipe_loading import Settings
from groundtune.records import Prompt, Record
from groundtune.store.keys import key_of
from groundtune.store.lock import one_writer
from groundtune.store.rows import beginning, json_file
from groundtune.store.sheets import rows_of

OPTIONS_FIRST = "aok_"
"""Before an image's name: its texts for prompts with options, in LLaVA-RLHF's file."""
LAYOUT = (
    "Give JSON of {image: [facts]}, or rows (JSON lines, a JSON list, a table) with the columns "
    "image and facts."
)
FactsOf = Callable[[Prompt, str], Sequence[str]]
"""The facts of a prompt, given the name of its image."""


class FactSourceSettings(Settings):
    """Where facts come from."""

    source: str
    """annotations:PATH (COCO's or Visual Genome's files), detector:MODEL, or a file of facts by
    image."""
    replace: bool = False
    """Leave out the facts that the prompts have; else new ones are added to them."""
    device: str = "auto"


class FactSummary(Record):
    """What the prompts know now."""

    prompts: int
    with_facts: int
    without_facts: int
    """Prompts about whose images the source knows nothing, and that have no facts of their own.
    Training with facts refuses them."""
    facts: int


@one_writer()
def add_facts(
    source: Path,
    out: Path,
    settings: FactSourceSettings,
    progress: Progress,
    *,
    command: Sequence[str] = (),
) -> FactSummary:
    """Write a run to `out` again, its prompts with facts.

    Raises:
        UserError: the source can't be read, knows nothing about any image, or `out` is `source` or
            has the prompts with other facts.
    """
    folder, target = RunFolder(source), RunFolder(out)
    if folder.same_as(target):
        raise UserError(
            "The prompts with facts can't replace those without: feedback was given to these.",
            str(out),
            "Choose another folder with --out DIR.",
        )
    prompts = read_some(folder.prompts)
    names = _image_names(folder, prompts)
    progress.start("read facts", total=len(prompts))
    facts_of = _open(settings, folder)
    richer: list[Prompt] = []
    matches = 0
    for prompt in prompts:
        new_facts = tuple(facts_of(prompt, names[prompt.key])) if len(prompt.images) == 1 else ()
        matches += bool(new_facts)
        facts = new_facts if settings.replace else (*prompt.facts, *new_facts)
        richer.append(prompt.model_copy(update={"facts": tuple(dict.fromkeys(facts))}))
        progress.advance()
    if not matches:
        raise UserError(
            f"The facts are of other images: none of {len(prompts):,} prompts is among them.",
            f"{settings.source}; the first image is {names[prompts[0].key] or 'unnamed'}",
            "Give facts of these images: a file's name, or the number in it, finds them.",
        )
    target.take_prompts(folder, richer)
    _take_rest(folder, target)
    inputs = {"prompts": hash_of(folder.prompts), "facts": key_of([p.facts for p in richer])}
    target.note(target.prompts, settings=settings, inputs=inputs, seeds={}, command=list(command))
    bare = sum(not prompt.facts for prompt in richer)
    return FactSummary(
        prompts=len(richer),
        with_facts=len(richer) - bare,
        without_facts=bare,
        facts=sum(len(prompt.facts) for prompt in richer),
    )


def _take_rest(folder: RunFolder, target: RunFolder) -> None:
    """Copy the data sets about the prompts, each with the run.json of its stage."""
    for name in ("answers", "corrections", "comparisons", "thumbs", "division", "claims", "pairs"):
        rows, copied = getattr(folder, name), getattr(target, name)
        copied.add(rows.read())
        note = rows.path / "run.json"
        if note.is_file():
            (copied.path / "run.json").write_bytes(note.read_bytes())


def _image_names(folder: RunFolder, prompts: Sequence[Prompt]) -> dict[str, str]:
    """Return the name of each prompt's image, by the prompt's key: imported pairs have it."""
    names: dict[str, str] = {}
    for pair in folder.pairs.read():
        paths: list[Any] = json.loads(pair.source.extra.get("paths", "[]"))
        names.setdefault(pair.prompt, str(paths[0]) if paths else pair.source.name)
    for prompt in prompts:
        has_row = prompt.source.row or prompt.source.extra
        if has_row or prompt.key not in names:
            names[prompt.key] = prompt.source.name or prompt.source.row
    return names


def _open(settings: FactSourceSettings, folder: RunFolder) -> FactsOf:
    name = settings.source
    if name.startswith(ANNOTATIONS):
        annotations = read_annotations(Path(name.removeprefix(ANNOTATIONS)))

        def annotated(prompt: Prompt, image: str) -> Sequence[str]:
            content = annotations.of(image)
            return [] if content is None else list(region_texts(content))

        return annotated
    if name.startswith(DETECTOR):
        detector = open_detector(name.removeprefix(DETECTOR), folder.images, settings.device)
        return lambda prompt, image: list(region_texts(detector.detected(prompt.images[0])))
    by_name = _by_name(Path(name))
    return lambda prompt, image: _named(by_name, prompt, image)


def _named(by_name: Mapping[str, tuple[str, ...]], prompt: Prompt, image: str) -> Sequence[str]:
    path = PurePosixPath(image.replace("\\", "/"))
    places = [str(path), path.name, path.stem]
    if prompt.options:
        places = [f"{OPTIONS_FIRST}{path.name}", *places]
    return next((by_name[place] for place in places if place in by_name), ())


def _by_name(path: Path) -> dict[str, tuple[str, ...]]:
    """Return a file's facts by the name of the image.

    Raises:
        UserError: the file can't be read or has another layout.
    """
    if path.suffix == ".json" and beginning(path).lstrip().startswith("{"):
        content = cast("Mapping[str, object]", json_file(path, LAYOUT))
        return {name: _texts(value, f"{path}, {name!r}") for name, value in content.items()}
    by_name: dict[str, tuple[str, ...]] = {}
    for row in rows_of(path, LAYOUT):
        name = row.fields.get("image")
        if not isinstance(name, str) or not name:
            raise UserError("The row has no image.", row.where, LAYOUT)
        value = next((row.fields[each] for each in ("facts", "fact") if each in row.fields), None)
        by_name[name] = (*by_name.get(name, ()), *_texts(value, row.where))
    return by_name


def _texts(value: object, where: str) -> tuple[str, ...]:
    texts = cast("list[object]", value) if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError("The facts are no texts.", where, LAYOUT)
    return tuple(str(text).strip() for text in texts)
