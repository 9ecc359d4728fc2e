"""The routes of large images' tiles."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from groundtune.pipeline.annotate.project import Project
from groundtune.web.access import Someone
from groundtune.web.errors import not_found

SHA256 = r"^[0-9a-f]{64}$"
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
_Sha256 = Annotated[str, Path(pattern=SHA256)]
_Number = Annotated[int, Path(ge=0, le=10_000)]


def add_tiles(app: FastAPI, project: Project) -> None:
    """Add the routes."""
    tiles, one_at_a_time = project.tiles, asyncio.Lock()

    def levels(_: Someone, sha256: _Sha256) -> Response:
        return JSONResponse(tiles.levels(sha256).model_dump(), headers=FOREVER)

    async def tile(
        _: Someone, request: Request, sha256: _Sha256, level: _Number, column: _Number, row: _Number
    ) -> Response:
        place: tuple[Any, ...] = (sha256, level, column, row)
        data = await run_in_threadpool(tiles.find, *place)
        if data is None:
            levels = await run_in_threadpool(tiles.levels, sha256)
            if not levels.has(level, column, row):
                raise not_found("no_page", request.url.path)
            async with one_at_a_time:  # others wait without a thread, which saving needs
                if await run_in_threadpool(tiles.find, *place) is None:
                    await run_in_threadpool(tiles.cut, sha256, level)
            data = await run_in_threadpool(tiles.find, *place)
        return Response(data, media_type="image/jpeg", headers=FOREVER)

    app.get("/images/{sha256}/levels", summary="An image's size and levels of tiles")(levels)
    app.get("/images/{sha256}/tiles/{level}/{column}/{row}", summary="A tile of an image")(tile)
