"""The pages: skeletons that the scripts in `static/` fill by the JSON API."""

from pathlib import Path
from typing import NamedTuple, get_args

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from groundtune.pipeline.annotate.project import Project
from groundtune.store.annotations import items
from groundtune.store.annotations.records import Task
from groundtune.web.views import TASKS


class Screen(NamedTuple):
    """How a task is shown: its script, and the template of the same name."""

    script: str
    styles: tuple[str, ...] = ()
    following: str = "Make training pairs of your work:"
    command: str = "groundtune pairs --from PROJECT --out RUN"


SCREENS: dict[Task, Screen] = {
    "correct": Screen("correct"),
    "compare": Screen("compare", ("compare",)),
    "evaluate": Screen(
        "evaluate",
        following="The overview has the rates of each model. Get them with the benchmark's tables:",
        command="groundtune export mhumaneval PROJECT --out marks.jsonl",
    ),
    "review": Screen("review", ("review",)),
}
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
        values = {"title": project.name, "guidelines": guidelines_html(project), **values}
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
        shown = SCREENS[task]
        values = {"task": task, "heading": TASKS[task], **shown._asdict()}
        return page(f"{shown.script}.html", **values)

    def rates() -> HTMLResponse:
        return page("rates.html")

    app.get("/", include_in_schema=False)(home)
    app.get("/rates", include_in_schema=False)(rates)
    app.get("/task/{task}", include_in_schema=False)(screen)


def guidelines_html(project: Project) -> Markup:
    """The project's guidelines as HTML; HTML in them is shown as text."""
    return Markup(_MARKDOWN.render(project.guidelines))
