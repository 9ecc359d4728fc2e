"""A project with many items and people, and sessions for them."""

import random
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from groundtune.pipeline.annotate.project import Project, open_project
from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, Source, TextPart
from groundtune.store.annotations import sessions
from groundtune.store.keys import key_of

ANSWERS_PER_IMAGE = 10
WORDS = 64
"""Of an answer, as in RLHF-V (arXiv 2312.00849)."""
SIZE = (1024, 768)
_NOUNS = ("dog", "cat", "cup", "table", "chair", "lamp", "window", "tree", "car", "road", "hat")
_LINKS = ("a", "the", "near", "under", "behind", "with", "and", "red", "blue", "is", "on", "of")


class Filled(NamedTuple):
    """A project ready for the clients."""

    items: int
    people: dict[str, str]
    """Cookies by person."""
    owner: str
    """The owner's cookie."""


def write_run(path: Path, items: int, seed: int) -> None:
    """A run's folder with so many answers, ten to an image."""
    folder = RunFolder(path)
    chance = random.Random(seed)
    by = Producer(kind="model", name="simulated")
    prompts: list[Prompt] = []
    answers: list[Answer] = []
    path.mkdir(parents=True)
    for number in range(-(-items // ANSWERS_PER_IMAGE)):
        file = path / "image.jpg"
        _draw(file, number, chance)
        content = (ImagePart(image=folder.images.add(file)), TextPart(text="Describe the image."))
        messages = (Message(role="user", content=content),)
        key = key_of(messages)
        prompts.append(Prompt(key=key, messages=messages, source=Source(dataset="load")))
        for index in range(min(ANSWERS_PER_IMAGE, items - len(answers))):
            words = [chance.choice(_NOUNS if place % 3 else _LINKS) for place in range(WORDS)]
            text = " ".join(words).capitalize() + "."
            own = key_of(key, index, text)
            answers.append(Answer(key=own, prompt=key, text=text, producer=by, index=index))
    folder.prompts.append(prompts)
    folder.answers.append(answers)


def fill(where: Path | str, run: Path, people: int) -> Filled:
    """Make the project of a run's answers, and log everybody in."""
    project = open_project(where)
    try:
        return _filled(project, run, people)
    finally:
        project.close()


def _filled(project: Project, run: Path, people: int) -> Filled:
    names = [f"person-{number:02d}" for number in range(people)]
    project.join("owner", "Owner", "owner")
    for name in names:
        project.join(name, name.capitalize(), "annotator")
    items = project.add_run(run)
    cookies: dict[str, str] = {}
    with project.database.writing() as connection:
        for name in ("owner", *names):
            token = sessions.begin_session(connection, name, agent="bench")
            cookies[name] = f"groundtune-{project.id}={token}"
    owner = cookies.pop("owner")
    return Filled(items, cookies, owner)


def _draw(file: Path, number: int, chance: random.Random) -> None:
    image = Image.new("RGB", SIZE, tuple(chance.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y = chance.randrange(SIZE[0]), chance.randrange(SIZE[1])
        colour = tuple(chance.randrange(256) for _ in range(3))
        draw.ellipse((x, y, x + chance.randrange(20, 200), y + chance.randrange(20, 200)), colour)
    draw.text((20, 20), str(number))
    image.save(file, "JPEG", quality=85)
