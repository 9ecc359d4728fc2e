"""The pages: skeletons that the scripts in `static/` fill by the JSON API."""

from pathlib import Path
from typing import get_args

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from groundtune.pipeline.annotate.project import Project
from groundtune.store.annotations import items
from groundtune.store.annotations.records import Task
from groundtune.web.views import TASKS

SCREENS: dict[Task, str] = {
    "correct": "correct.html",
    "compare": "compare.html",
    "review": "correct.html",
}
"""Each task's template."""
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def add_pages(app: FastAPI, project: Project, person: str) -> None:
    """Add the pages' routes."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def page(name: str, **values: object) -> HTMLResponse:
        values = {"title": project.path.name, "guidelines": guidelines_html(project), **values}
        text = templates.get_template(name).render(values)
        return HTMLResponse(text, headers={"cache-control": "no-store"})

    def home() -> HTMLResponse:
        with project.database.reading() as connection:
            counts = {task: items.counts_of(connection, person, task) for task in get_args(Task)}
        shown = [
            {"task": task, "title": TASKS[task], "counts": counts[task]}
            for task in counts
            if counts[task].items
        ]
        return page("home.html", tasks=shown)

    def screen(task: Task) -> HTMLResponse:
        return page(SCREENS[task], task=task, heading=TASKS[task])

    app.get("/", include_in_schema=False)(home)
    app.get("/task/{task}", include_in_schema=False)(screen)


def guidelines_html(project: Project) -> Markup:
    """The project's guidelines as HTML; HTML in them is shown as text."""
    return Markup(_MARKDOWN.render(project.guidelines))
