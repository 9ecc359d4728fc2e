"""What the page gets of an item: nothing that could bias, and nothing that it doesn't need."""

from typing import Any

from groundtune.pipeline.annotate.project import PersonItem, Project
from groundtune.pipeline.annotate.settings import KINDS, Kind
from groundtune.pipeline.sample.pages import pages_of
from groundtune.records import ImagePart, Prompt
from groundtune.store.annotations.items import ItemCounts
from groundtune.store.annotations.records import Task
from groundtune.web.words import Catalogue


def work_view(project: Project, work: PersonItem) -> dict[str, Any]:
    """An item with the person's events. Who answered is never sent; suggestions not if blind."""
    item = work.item
    suggestions = () if project.settings.blind else item.suggestions
    return {
        "key": item.key,
        "task": item.task,
        "turns": _turns(item.prompt),
        "images": list(item.prompt.images),
        "pages": [page and page._asdict() for page in pages_of(item.prompt)],
        "facts": list(item.prompt.facts),
        "answers": [answer.text for answer in item.answers],
        "suggestions": [
            span.model_dump(include={"start", "end", "kind", "label", "replacement", "note"})
            for span in suggestions
        ],
        "missing": [] if project.settings.blind else [each.model_dump() for each in item.missing],
        "events": [event.model_dump(mode="json") for event in work.events],
    }


def project_view(
    project: Project, person: str, counts: dict[Task, ItemCounts], words: Catalogue
) -> dict[str, Any]:
    """What the page needs to know of the project."""
    settings = project.settings
    return {
        "id": project.id,
        "person": person,
        "kinds": [kind_view(kind, words) for kind in settings.kinds],
        "severity": settings.severity,
        "blind": settings.blind,
        "counts": {task: each.model_dump() for task, each in counts.items()},
    }


def kind_view(kind: Kind, words: Catalogue) -> dict[str, Any]:
    """A kind of error; those that come with Groundtune are shown in the person's language."""
    text = {"shown": kind.name, "hint": kind.hint}
    if kind in KINDS:
        text = {
            "shown": words(f"kinds.{kind.name}.name"),
            "hint": words(f"kinds.{kind.name}.hint"),
        }
    return {**kind.model_dump(), **text}


def _turns(prompt: Prompt) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in prompt.messages:
        pieces = [
            {"image": part.image} if isinstance(part, ImagePart) else {"text": part.text}
            for part in message.content
        ]
        turns.append({"role": message.role, "pieces": pieces})
    return turns
