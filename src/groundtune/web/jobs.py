"""Routes that are one job of one thread each.

FastAPI gives a thread to each dependency, then one to the route, and one to the check of its
result. Each time the request waits for a thread and the thread for the interpreter, which takes
longer than the work itself. Here finding the person, the route and writing its JSON are one job.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from fastapi import Request
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from groundtune.store.json_writing import json_of

Finder = Callable[[Request], object]


class OneJobRoute(APIRoute):
    """A route whose function isn't async runs in one thread, with what it depends on.

    Dependencies are functions of the request, as those of `access.py`; the result is a response, or
    plain values for one.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        self.finders = _finders(endpoint)
        if not inspect.iscoroutinefunction(endpoint):
            endpoint = _in_one_job(endpoint, self.finders)
        super().__init__(path, endpoint, **settings)

    def admit(self, request: Request) -> None:
        """Raise what the route's dependencies raise for somebody who may not make the request."""
        for find in self.finders.values():
            find(request)


def _finders(route: Callable[..., Any]) -> dict[str, Finder]:
    """By parameter: the function that finds its value."""
    return {
        name: cast("Finder", each.dependency)
        for name, parameter in inspect.signature(route).parameters.items()
        for each in get_args(parameter.annotation)
        if isinstance(each, Depends)
    }


def _in_one_job(route: Callable[..., Any], finders: Mapping[str, Finder]) -> Callable[..., Any]:
    """The route as FastAPI calls it: async, with the request, without what is found in the job."""
    parameters = inspect.signature(route).parameters

    def job(request: Request, values: Mapping[str, Any]) -> Response:
        people = {name: find(request) for name, find in finders.items()}
        extra = {"request": request} if "request" in parameters else {}
        result = route(**people, **extra, **values)
        if isinstance(result, Response):
            return result
        return Response(json_of(result, compact=True), media_type="application/json")

    async def endpoint(request: Request, **values: Any) -> Response:
        return await run_in_threadpool(job, request, values)

    request_parameter = inspect.Parameter(
        "request", inspect.Parameter.KEYWORD_ONLY, annotation=Request
    )
    others = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in parameters.items()
        if name not in finders and name != "request"
    ]
    endpoint.__name__, endpoint.__doc__ = route.__name__, route.__doc__
    endpoint.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [request_parameter, *others], return_annotation=Response
    )
    return endpoint
