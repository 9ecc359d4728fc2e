# /// script
# requires-python = ">=3.11"
# dependencies = ["groundtune[serve]"]
#
# [tool.uv]
# constraint-dependencies = ["torch==2.13.0", "transformers==5.23.0"]
#
# [tool.uv.sources]
# groundtune = { path = "../..", editable = true }
# ///
"""Serve a model and its checks: docs/tutorials/operator.md as one script.

    uv run examples/tutorials/tutorial_operator.py
    uv run examples/tutorials/tutorial_operator.py --model MODEL --labeler LABELER --image photo.jpg

It starts the server, asks it about an image, prints the claims that the labeler rejects, and stops
the server. To keep the server, use `groundtune serve`.
"""

import argparse
import base64
import json
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen


def wait_for(server: "subprocess.Popen[bytes]", url: str) -> None:
    """Return when the server answers; a server that ended ends the script."""
    while server.poll() is None:
        try:
            urlopen(f"{url}/health", timeout=5).close()
        except (URLError, TimeoutError):
            time.sleep(0.5)
        else:
            return
    raise SystemExit("The server did not start: it says why above.")


def scene() -> bytes:
    """An image of the embedded world."""
    from groundtune.world.render import render
    from groundtune.world.scenes import scenes

    buffer = BytesIO()
    render(next(iter(scenes("development", 1, start=6)))).save(buffer, "PNG")
    return buffer.getvalue()


def ask(url: str, model: str, image: bytes, question: str) -> dict[str, Any]:
    """Send one request as any OpenAI client does, with `check`, and return the choice."""
    data = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": data}},
        {"type": "text", "text": question},
    ]
    body = {"model": model, "messages": [{"role": "user", "content": content}], "check": True}
    headers = {"Content-Type": "application/json"}
    request = Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urlopen(request) as reply:
        return json.load(reply)["choices"][0]


def main() -> None:
    """Start, ask, print, stop."""
    parser = argparse.ArgumentParser(description="Serve a model and its checks.")
    parser.add_argument("--model", default="world:base", help="folder, hub name or openai:NAME@URL")
    parser.add_argument("--labeler", default="world:labeler", help="says yes or no to claims")
    parser.add_argument("--image", type=Path, help="a file; without it, a scene is drawn")
    parser.add_argument("--ask", default="Describe the image.")
    parser.add_argument("--port", type=int, default=8010)
    own = parser.parse_args()

    words = ["serve", own.model, "--labeler", own.labeler, "--port", str(own.port)]
    words += ["--label", "mine"]
    print("$ groundtune", *words, flush=True)
    server = subprocess.Popen([sys.executable, "-m", "groundtune", *words])
    url = f"http://127.0.0.1:{own.port}"
    try:
        wait_for(server, url)
        image = own.image.read_bytes() if own.image else scene()
        choice = ask(url, "mine", image, own.ask)
        print("\n" + choice["message"]["content"])
        for claim in choice["check"]["claims"]:
            if claim["verdict"] == "rejected":
                print("rejected:", claim["text"])
        with urlopen(f"{url}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        print(*(line for line in lines if "requests_total" in line and line[0] != "#"), sep="\n")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
