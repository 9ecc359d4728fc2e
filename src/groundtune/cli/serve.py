"""`groundtune serve`."""

import os
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from cyclopts import Parameter

from groundtune.cli.model_options import MODEL, ModelOptions
from groundtune.cli.recipe_argument import Settings

TOKEN = "GROUNDTUNE_SERVE_TOKEN"
"""Environment variable with the token. A list of running programs shows options, not this."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServedOptions:
    """The models that answer, choose and check; cyclopts makes an option of each field."""

    label: str | None = None
    """Name of the model for clients."""
    reference: str | None = None
    """The model before training; enables self_feedback."""
    tuned: str | None = None
    """Model whose reward, compared with the reference, ranks the answers (default: MODEL)."""
    reward: str | None = None
    """Reward model (a folder, an installed package's name or a URL); enables reward."""
    labeler: str | None = None
    """Model that checks claims, or "self"; enables check."""
    divider: str | None = None
    """Who splits answers into claims: "self" (the labeler), "world" or a model."""
    thumbs: str | None = None
    """Folder for people's thumbs up and down; enables /v1/thumbs and the page's buttons."""


SERVED = ServedOptions()
"""No option is set."""


def serve(
    model: str,
    /,
    *settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str = "",
    served: ServedOptions = SERVED,
    loading: ModelOptions = MODEL,
    json: bool = False,
) -> None:
    """Serve a model with an OpenAI-compatible API, self-feedback and claim checks.

    POST /v1/chat/completions accepts images as data URLs and streams. Three extra fields: with
    self_feedback or reward, the server samples n answers and returns the one with the highest
    reward, its own or a reward model's; with check, it checks each claim of the answer. POST
    /v1/reward rewards answers that you have, POST /v1/thumbs stores people's thumbs. Open / to try
    it; /metrics is for Prometheus. Stop it with Ctrl-C.

    For example:

        groundtune serve world:base --labeler world:labeler
        groundtune serve world:base --reward runs/reward/model
        groundtune serve world:base --thumbs runs/thumbs
        groundtune serve runs/ddpo/model --label tuned --reference world:base --port 8010

    Args:
        model: A folder, a name on the Hugging Face hub, world:base, or openai:MODEL@URL for
            another server (API key in GROUNDTUNE_API_KEY).
        settings: Settings that have no option, such as limits.waiting=64 or limits.seconds=60.
        host: Address to listen on. Addresses other than this machine's own need a token.
        port: Port to listen on; 0 picks a free one.
        token: API key that clients must send. GROUNDTUNE_SERVE_TOKEN is safer: other users of this
            machine can see a command's options.
        served: The models that answer, choose and check.
        loading: How the models are loaded and asked.
        json: Print the addresses as one JSON object.
    """
    from groundtune.cli.finish import finish
    from groundtune.cli.progress import open_progress
    from groundtune.errors import UserError
    from groundtune.recipe_loading import load

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise UserError(
            "The server needs fastapi and uvicorn, which are not installed.",
            "groundtune serve",
            "Install them: pip install 'groundtune[serve]'.",
        )
    from groundtune.pipeline.feedback.thumbs import LOG
    from groundtune.serve.http import run
    from groundtune.serve.wire import ServeSettings, listen, open_service
    from groundtune.store.lock import hold

    options = {"model": model, **asdict(served), **loading.settings()}
    params = load(None, settings, ServeSettings, options=options)
    token = token or os.environ.get(TOKEN, "")
    with ExitStack() as stack:
        listening = stack.enter_context(listen(host, port, token))
        if params.thumbs:
            log = Path(params.thumbs) / LOG
            stack.enter_context(hold(log, is_file=True, option="--thumbs"))
        with open_progress(silent=json) as progress:
            service = open_service(params, progress)
        host_in_url = f"[{host}]" if ":" in host else host
        url = f"http://{host_in_url}:{listening.getsockname()[1]}"
        finish(
            {"model": service.model, "page": f"{url}/", "api": f"{url}/v1"},
            next_command=["curl", f"{url}/health"],
            json=json,
        )
        with suppress(KeyboardInterrupt):  # the usual end of a server
            run(service, listening, token)
