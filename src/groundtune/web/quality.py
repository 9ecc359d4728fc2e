"""The owner's page of how good the work is; its figures follow the work."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from groundtune.pipeline.annotate.project import Project
from groundtune.pipeline.annotate.quality.live import LiveQuality
from groundtune.web import views
from groundtune.web.access import Owner
from groundtune.web.pages import pages_of
from groundtune.web.words import language_of, words_of

LOOK_SECONDS = 0.04
"""How long a request reads new work; the page asks again until nothing is left."""


def add_quality(app: FastAPI, project: Project) -> None:
    """Add the page and its figures."""
    live, one_at_a_time = LiveQuality(project), asyncio.Lock()

    def page(who: Owner, request: Request) -> HTMLResponse:
        return pages_of(request).page(request, who, "quality.html")

    async def figures(_: Owner, request: Request) -> dict[str, Any]:
        async with one_at_a_time:  # others wait without a thread, which saving needs
            quality = await run_in_threadpool(live.now, LOOK_SECONDS)
        words = words_of(language_of(request.headers.raw))
        kinds = {
            kind.name: views.kind_view(kind, words)["shown"] for kind in project.settings.kinds
        }
        return {**quality.model_dump(), "kinds": kinds}

    app.get("/quality", include_in_schema=False)(page)
    app.get("/api/quality", summary="Agreement, known results, time and habits")(figures)
