"""The pages: skeletons that the scripts in `static/` fill by the JSON API."""

from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fastapi import FastAPI, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import HTMLResponse

from groundtune.pipeline.annotate.project import Project
from groundtune.store.annotations import items
from groundtune.store.annotations.conflicts import number_open
from groundtune.store.annotations.records import Task
from groundtune.web.access import Door, Reviewer, Someone, Who
from groundtune.web.errors import WebError
from groundtune.web.words import LANGUAGES, language_of, words_of


class Screen(NamedTuple):
    """How a task is shown: its script, and the template of the same name."""

    script: str
    styles: tuple[str, ...] = ()
    following: str = "work.following"
    command: str = "groundtune pairs --from PROJECT --out RUN"


SCREENS: dict[Task, Screen] = {
    "correct": Screen("correct"),
    "compare": Screen("compare", ("compare",)),
    "evaluate": Screen(
        "evaluate",
        following="work.following_evaluation",
        command="groundtune export mhumaneval PROJECT --out marks.jsonl",
    ),
    "review": Screen("review", ("review",)),
    "thumb": Screen("thumb", command="groundtune pairs --from PROJECT thumbs=true --out RUN"),
}
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


class Pages:
    """Renders the templates, each with the person, their language, and the project's name."""

    def __init__(self, project: Project, door: Door) -> None:
        self._project = project
        self._door = door
        self._templates = _templates()

    def page(
        self, request: Request, who: Who | None, name: str, *, status: int = 200, **values: object
    ) -> HTMLResponse:
        """A page for a person; None for a stranger, who gets no word of the project."""
        language = language_of(request.headers.raw)
        common = {
            "t": words_of(language),
            "language": language,
            "languages": LANGUAGES,
            "who": who,
            "asks": self._door.asks,
            "title": "Groundtune" if who is None else self._project.name,
            "guidelines": "" if who is None else guidelines_html(self._project),
        }
        text = self._templates.get_template(name).render({**common, **values})
        return HTMLResponse(text, status, headers={"cache-control": "no-store"})

    def trouble(self, request: Request, error: WebError) -> HTMLResponse:
        """The page of an error."""
        parts = error.parts(words_of(language_of(request.headers.raw)))
        return self.page(request, None, "trouble.html", status=error.status, parts=parts)


@cache
def _templates() -> Environment:
    """Return the templates, compiled once in a process."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def pages_of(request: Request) -> Pages:
    """The pages of the app that a request goes to."""
    return request.app.state.pages


def login_address(request: Request) -> str:
    """Where a stranger logs in, to get to the page of the request."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/login" if target == "/" else f"/login?to={quote(target, safe='')}"


def add_pages(app: FastAPI, project: Project) -> None:
    """Add the pages' routes."""

    def home(who: Someone, request: Request) -> HTMLResponse:
        with project.database.reading() as connection:
            counts = items.counts_of(connection, who.id)
            open_conflicts = number_open(connection) if who.reviews else 0
        task_views = [
            {"task": task, "counts": counts[task]} for task in counts if counts[task].items
        ]
        return pages_of(request).page(
            request, who, "home.html", tasks=task_views, conflicts=open_conflicts
        )

    def screen(who: Someone, request: Request, task: Task) -> HTMLResponse:
        task_screen = SCREENS[task]
        template = f"{task_screen.script}.html"
        return pages_of(request).page(request, who, template, task=task, screen=task_screen)

    def rates(who: Reviewer, request: Request) -> HTMLResponse:
        return pages_of(request).page(request, who, "rates.html")

    app.get("/", include_in_schema=False)(home)
    app.get("/rates", include_in_schema=False)(rates)
    app.get("/task/{task}", include_in_schema=False)(screen)


def guidelines_html(project: Project) -> Markup:
    """The project's guidelines as HTML; HTML in them is shown as text."""
    return Markup(_MARKDOWN.render(project.guidelines))
