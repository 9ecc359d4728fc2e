"""`groundtune serve`."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from cyclopts import Parameter

TOKEN = "GROUNDTUNE_SERVE_TOKEN"
"""Environment variable with the token: unlike an option it doesn't show in a list of programs."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServedOptions:
    """Which models answer, choose and check; cyclopts makes an option of each field."""

    name: str | None = None
    """What clients call the model."""
    reference: str | None = None
    """The model from before the training; gives self_feedback."""
    tuned: str | None = None
    """Whose reward chooses, with that reference, instead of the served model."""
    labeler: str | None = None
    """Who checks claims, "self" or a model; gives check."""
    divider: str | None = None
    """Who divides answers into claims: "self" (the labeler), "world" or a model."""
    adapter: Path | None = None
    """Folder of a peft adapter on the model."""
    batch_size: int | None = None
    """Candidates or questions at a time (16)."""
    device: str | None = None
    """cpu, cuda, mps or auto."""
    dtype: str | None = None
    """float32, bfloat16, float16 or auto."""


SERVED = ServedOptions()
"""Where nothing was said."""


def serve(
    model: str,
    *settings: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str = "",
    served: ServedOptions = SERVED,
    json: bool = False,
) -> None:
    """Serve a model under the OpenAI API, with self-feedback and claim checks.

    POST /v1/chat/completions takes pictures as data URLs and streams; the extra fields
    self_feedback and check choose the best of n answers by the model's own reward and check each
    claim. / is a page to try it, /metrics is for Prometheus. Ctrl-C ends it.

    Args:
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL for an
            upstream server (its key in GROUNDTUNE_API_KEY).
        settings: key=value for what has no option, as in limits.waiting=64 or limits.seconds=60.
        host: Address to listen on. Another than this machine's own needs a token.
        port: Port to listen on; 0 takes any.
        token: What clients must send as their API key. Better in GROUNDTUNE_SERVE_TOKEN.
        served: Which models answer, choose and check.
        json: One JSON object instead of lines.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.errors import UserError
    from groundtune.recipe import load

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise UserError(
            "The server needs fastapi and uvicorn, which are not installed.",
            "groundtune serve",
            "Install them: pip install 'groundtune[serve]'.",
        )
    from groundtune.serve.wire import ServeParams, listen, open_service, run

    params = load(None, settings, ServeParams, options={"model": model, **asdict(served)})
    token = token or os.environ.get(TOKEN, "")
    with listen(host, port, token) as listening:
        with open_progress(silent=json) as progress:
            service = open_service(params, progress)
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listening.getsockname()[1]}"
        finish(
            {"model": service.model, "page": f"{url}/", "api": f"{url}/v1"},
            next_command=f"curl {url}/health",
            json=json,
        )
        with suppress(KeyboardInterrupt):  # the usual end of a server
            run(service, listening, token)
