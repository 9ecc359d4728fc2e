"""Measure a stranger's first hour, from a fresh clone and a fresh home.

python tools/first_hour.py [--steps install report check train serve] [--out FILE] [--place FOLDER]

Each step is what the pages tell a stranger to type. The stranger's images are two scenes, saved as
PNG, and the model is the embedded world's, so that nothing is downloaded but packages. Installing,
which `make demo` does first, is a step of its own without a goal: it depends on the network.
Minutes are of the wall clock and of the processors: on a busy machine the second are the lower
bound of what an idle one takes. The exit status is 1 if a step misses its goal.
"""

import argparse
import base64
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOALS = {"report": 5, "check": 3, "train": 3, "serve": 2}
"""Minutes, after the installation."""
KEPT = ("PATH", "SSL_CERT_FILE", "LANG", "XDG_CONFIG_DIRS")
"""What a stranger's shell has, next to pip's own settings; everything else is left out."""


class Stranger:
    """A fresh clone and home, and what is typed there."""

    def __init__(self, place: Path) -> None:
        self.clone = place / "groundtune"
        home = place / "home"
        home.mkdir(parents=True, exist_ok=True)
        environ = os.environ.items()
        kept = {k: v for k, v in environ if k in KEPT or k.startswith("PIP_")}
        settings = Path.home() / ".config" / "pip" / "pip.conf"  # where this machine's packages are
        if settings.exists():
            kept.setdefault("PIP_CONFIG_FILE", str(settings))
        self.environment = {**kept, "HOME": str(home), "TERM": "dumb"}
        self.lines: list[str] = []

    def types(self, line: str) -> str:
        """Run a line in the clone and return what it prints; a failure ends the measurement."""
        self.lines.append(line)
        print(f"$ {line}", flush=True)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{line}\nends with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout


def install(me: Stranger) -> None:
    """The first thing that `make demo` does."""
    me.types("make .venv/.installed-user")


def report(me: Stranger) -> None:
    """`make demo`, as the README begins."""
    me.types("make demo")
    assert (me.clone / "demo-out" / "report.html").stat().st_size > 100_000


def check(me: Stranger) -> None:
    """Describe two images of the stranger's, and check what is said of them."""
    me.types(
        ".venv/bin/groundtune check world:base --images photos --ask 'Describe the image.' "
        "--labeler world:labeler --out runs/check"
    )
    assert (me.clone / "runs" / "check" / "report.html").exists()


def train(me: Stranger) -> None:
    """Train on two corrections in a table."""
    table = me.clone / "corrections.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "image", "answer", "corrected answer"])
        for name in ("photos/0.png", "photos/1.png"):
            wrong, right = "There are two dogs on a table.", "There is one cup on a table."
            rows.writerow(["Describe the image.", name, wrong, right])
    me.types(".venv/bin/groundtune import corrections corrections.csv --out runs/mine")
    me.types(".venv/bin/groundtune train world-ddpo --pairs runs/mine --out runs/tuned")
    assert (me.clone / "runs" / "tuned" / "model" / "model.safetensors").exists()


def serve(me: Stranger) -> None:
    """Serve the trained model, and ask it once."""
    line = ".venv/bin/groundtune serve runs/tuned/model --port 8765"
    me.lines.append(line)
    print(f"$ {line}", flush=True)
    model = "runs/tuned/model" if (me.clone / "runs" / "tuned").exists() else "world:base"
    command = [str(me.clone / ".venv/bin/groundtune"), "serve", model, "--port", "8765"]
    server = subprocess.Popen(command, cwd=me.clone, env=me.environment, stdout=subprocess.DEVNULL)
    try:
        print(_answer(model, me.clone / "photos" / "0.png"), flush=True)
    finally:
        server.terminate()
        server.wait()


def _answer(model: str, image: Path) -> str:
    """Ask the server until it is there, and return the answer."""
    data = base64.b64encode(image.read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "text", "text": "Describe the image."},
    ]
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    request = urllib.request.Request(
        "http://127.0.0.1:8765/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                found = json.load(reply)
            return str(found["choices"][0]["message"]["content"])
        except urllib.error.HTTPError as error:
            raise SystemExit(f"the server refuses: {error.read().decode()}") from error
        except urllib.error.URLError:  # not yet there
            time.sleep(1)
    raise SystemExit("the server did not answer")


STEPS: dict[str, Callable[[Stranger], None]] = {
    "install": install,
    "report": report,
    "check": check,
    "train": train,
    "serve": serve,
}


def measure(steps: list[str], place: Path | None) -> list[dict[str, Any]]:
    """Take the steps in a clone and home, fresh ones if no place is given; a row for each."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as fresh:
        me = Stranger(place or Path(fresh))
        if not me.clone.exists():
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(me.clone)], check=True)
        for name in steps:
            if name == "check":  # the stranger's photos are there beforehand
                _draw_photos(me)
            before, start = _processor_seconds(), time.perf_counter()
            STEPS[name](me)
            wall = (time.perf_counter() - start) / 60
            cpu = (_processor_seconds() - before) / 60
            rows.append(
                {
                    "step": name,
                    "minutes": round(wall, 2),
                    "processor_minutes": round(cpu, 2),
                    "goal": GOALS.get(name),
                    "load": round(os.getloadavg()[0], 1),
                    "typed": list(me.lines),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
            me.lines.clear()
    return rows


def _draw_photos(me: Stranger) -> None:
    folder = me.clone / "photos"
    folder.mkdir(exist_ok=True)
    program = (
        "from groundtune.world.render import render\n"
        "from groundtune.world.scenes import scenes\n"
        "for at, scene in enumerate(scenes('development', 2)):\n"
        "    render(scene).save(f'photos/{at}.png')\n"
    )
    python = me.clone / ".venv" / "bin" / "python"
    subprocess.run([python, "-c", program], cwd=me.clone, env=me.environment, check=True)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument(
        "--place", type=Path, help="folder with a clone and a home, to resume there"
    )
    options = parser.parse_args()
    found = measure(options.steps, options.place and options.place.resolve())
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    late = [row for row in found if row["goal"] and row["minutes"] > row["goal"]]
    sys.exit(1 if late else 0)
