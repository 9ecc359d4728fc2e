"""Start the installed annotation app, and fetch its pages and every file that they name.

python tools/smoke_app.py GROUNDTUNE RUN
"""

import json
import re
import signal
import subprocess
import sys
import urllib.request

PAGES = ("/", "/rates", *(f"/task/{task}" for task in ("correct", "compare", "evaluate", "review")))
NAMED = re.compile(r'(?:src|href)="(/static/[^"]+)"|from "\./([\w.]+)"')
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetched(url: str) -> str:
    """The text at an address of the app."""
    with DIRECT.open(url, timeout=60) as response:
        return response.read().decode()


def named_in(text: str) -> set[str]:
    """Paths of the files that a page or a script names."""
    return {path or f"/static/{name}" for path, name in NAMED.findall(text)}


def main(groundtune: str, run: str) -> None:
    """Fail where a page or a file is missing, or the app doesn't end by Ctrl-C."""
    command = [groundtune, "annotate", "project", "--answers", run, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        base = json.loads(app.stdout.readline())["page"].rstrip("/")
        waiting = set().union(*(named_in(fetched(base + page)) for page in PAGES))
        seen: set[str] = set()
        while waiting:
            path = waiting.pop()
            seen.add(path)
            waiting |= named_in(fetched(base + path)) - seen
        work = json.loads(fetched(f"{base}/api/next?task=correct"))["work"]
        fetched_image = DIRECT.open(f"{base}/images/{work['images'][0]}", timeout=60).read()
        assert fetched_image, "an image is empty"
        app.send_signal(signal.SIGINT)
        assert app.wait(60) == 0, "the app doesn't end by Ctrl-C"
    print(f"the app started; {len(PAGES)} pages and {len(seen)} files")


if __name__ == "__main__":
    main(*sys.argv[1:])
