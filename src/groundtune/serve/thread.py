"""The only thread in which models run."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from groundtune.errors import NotFiniteError, UserError
from groundtune.serve.errors import ApiError

T = TypeVar("T")


class ModelThread:
    """The thread in which models run: torch keeps it busy while the event loop stays free."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")

    async def run(self, work: Callable[[], T]) -> T:
        """Return the work's result. If cancelled, wait until the thread is free.

        Raises:
            ApiError: the model refuses the request (a prompt with a special token, say).
        """
        submitted = self._pool.submit(work)
        future = asyncio.wrap_future(submitted)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not submitted.cancel():
                await asyncio.wait([future])
                future.exception()  # mark it as retrieved: no caller is left
            raise
        except UserError as error:
            raise refusal(error) from error

    def close(self) -> None:
        """End the thread after its current work."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def refusal(error: Exception) -> Exception:
    """Convert a model's refusal to the client's error; return any other error unchanged.

    NaN in the model is the server's error.
    """
    if not isinstance(error, UserError):
        return error
    is_not_finite = isinstance(error, NotFiniteError)
    api_error = ApiError("model_not_finite" if is_not_finite else "model_refused", error.what)
    api_error.__cause__ = error
    return api_error
