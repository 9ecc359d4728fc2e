"""Items and events for tests of the annotation app."""

from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from groundtune.pipeline.runs.folder import RunFolder
from groundtune.records import Answer, ImagePart, Message, Producer, Prompt, Source, TextPart
from groundtune.store.annotations.records import AnnotationItem, Event, PutSpan, Submit, Undo
from groundtune.store.keys import key_of

TEXT = "A dog and two cats sit on a red sofa."
_NUMBERS = count()


def prompt_of(name: str = "p", image: str = "0" * 64) -> Prompt:
    content = (ImagePart(image=image), TextPart(text=f"Describe image {name}."))
    messages = (Message(role="user", content=content),)
    return Prompt(key=key_of(messages), messages=messages, source=Source(dataset="here"))


def answer_of(prompt: Prompt, text: str = TEXT, index: int = 0, model: str = "base") -> Answer:
    producer = Producer(kind="model", name=model)
    key = key_of("answer", prompt.key, text, index, model)
    return Answer(key=key, prompt=prompt.key, text=text, producer=producer, index=index)


def item_of(name: str = "i", text: str = TEXT, **fields: Any) -> AnnotationItem:
    prompt = prompt_of(name)
    return AnnotationItem(key=name, prompt=prompt, answers=(answer_of(prompt, text),), **fields)


def event(item: str, body: Any, **fields: Any) -> Event:
    return Event(id=f"event-{next(_NUMBERS):06d}", item=item, body=body, at=1.0, **fields)


def marked(words: str, replacement: str | None = None, text: str = TEXT, **fields: Any) -> PutSpan:
    """A span on the first place where the answer says the words."""
    start = text.index(words)
    named = {"id": f"span-{start:04d}", "kind": "object", **fields}
    return PutSpan(
        start=start, end=start + len(words), text=words, replacement=replacement, **named
    )


def submit(item: str) -> Event:
    return event(item, Submit(), active_s=2.5)


def undo(target: Event) -> Event:
    return event(target.item, Undo(event=target.id))


def run_of(
    path: Path,
    texts: list[list[str]],
    size: tuple[int, int] = (64, 48),
    facts: tuple[str, ...] = (),
) -> RunFolder:
    """A run's folder: for each prompt, one image and its answers."""
    folder = RunFolder(path)
    for number, own in enumerate(texts):
        file = path / f"{number}.png"
        path.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (40 * number % 256, 120, 160)).save(file)
        prompt = prompt_of(str(number), folder.images.add(file))
        prompt = prompt.model_copy(update={"facts": facts})
        folder.prompts.append([prompt])
        folder.answers.append([answer_of(prompt, text, index) for index, text in enumerate(own)])
    return folder
