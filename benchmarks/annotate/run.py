"""Fifty people at once on ten thousand items, a server that is killed, and no network for a while.

    python -m benchmarks.annotate.run                             both databases, five minutes each
    python -m benchmarks.annotate.run --databases sqlite --seconds 60 --kills 2 --cut 10

Each person acts once in `--pause` seconds on average, many times faster than anybody works. The
server is killed (-9) at random moments and started again; in the middle, the network is cut. Then
the database is compared with what the clients did. Replies are timed in the clients, on the same
cores as the server, the database and the clients. docs/measured/annotation.md has the table.
"""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.annotate.checked import faults
from benchmarks.annotate.cluster import Cluster, cluster
from benchmarks.annotate.filled import fill, write_run
from benchmarks.annotate.server import Server, family_cpu_s, machine_cpu_s

PAGES = ("/", "/api/project", "/api/figures", "/api/items?words=dog")


def measure(where: Cluster, folder: Path, run: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One database: the clients' times, what was used, and the faults."""
    target = where.url if where.pid else Path(where.url)
    filled = fill(target, run, asked.clients)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plan = folder / "plan.json"
    told = folder / "told.json"
    plan.write_text(
        json.dumps(
            {
                "port": port,
                "people": filled.people,
                "owner": filled.owner,
                "seconds": asked.seconds,
                "pause": asked.pause,
                "seed": asked.seed,
                "cut": [asked.seconds / 3, asked.cut],
                "pages": PAGES,
                "look_s": asked.look,
                "told": str(told),
            }
        ),
        "utf-8",
    )
    server = Server(where.url, port, dict(os.environ), folder / "server.log")
    before, began, loads = machine_cpu_s(), time.monotonic(), [os.getloadavg()[0]]
    database_before = family_cpu_s(where.pid) if where.pid else 0.0
    clients = subprocess.Popen([sys.executable, "-m", "benchmarks.annotate.clients", str(plan)])
    for moment in sorted(_moments(asked)):
        _wait(clients, began + moment, loads)
        server.kill()
    _wait(clients, began + 2 * asked.seconds + 300, loads)
    seconds = time.monotonic() - began
    if clients.poll() != 0:
        clients.kill()
        raise SystemExit("the clients failed")
    database_s = (family_cpu_s(where.pid) - database_before) if where.pid else 0.0
    machine_s = machine_cpu_s() - before
    server.stop()
    found = json.loads(told.read_text("utf-8"))
    times = {name: sorted(own) for name, own in sorted(found["milliseconds"].items())}
    requests = sum(map(len, times.values()))
    return {
        "items": filled.items,
        "people": len(filled.people),
        "seconds": round(seconds),
        "requests": requests,
        "events": sum(map(len, found["events"].values())),
        "times": {name: _times(own) for name, own in times.items()},
        "server CPU ms per request": round(1000 * server.cpu_s / requests, 2),
        "database CPU ms per request": round(1000 * database_s / requests, 2),
        "server RSS, MB": round(server.largest_mb),
        "kills": len(server.down_s),
        "seconds until it answers again": [round(each, 1) for each in server.down_s],
        "requests that didn't get through": found["unreached"],
        "other statuses": found["statuses"],
        "load average": round(statistics.mean(loads), 1),
        "cores that all programs used": round(machine_s / seconds, 2),
        "cores that server and database used": round((server.cpu_s + database_s) / seconds, 2),
        "faults": faults(target, found),
    }


def _moments(asked: argparse.Namespace) -> list[float]:
    """When to kill: at random, but not while the network is cut, when it would be no fault."""
    chance = random.Random(asked.seed)
    before = asked.seconds / 3
    found: list[float] = []
    while len(found) < asked.kills:
        moment = chance.uniform(2, asked.seconds - 1)
        if not before - 1 < moment < before + asked.cut + 1:
            found.append(moment)
    return found


def _wait(clients: "subprocess.Popen[bytes]", until: float, loads: list[float]) -> None:
    while time.monotonic() < until and clients.poll() is None:
        time.sleep(0.2)
        loads.append(os.getloadavg()[0])


def _times(own: list[float]) -> dict[str, float]:
    """Milliseconds: median, 95th and 99th percentile, maximum."""
    at = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"n": len(own)} | {
        name: round(own[min(len(own) - 1, int(share * len(own)))], 1) for name, share in at.items()
    }


@contextmanager
def database(kind: str, folder: Path) -> Generator[Cluster]:
    """Where the project is: a folder, or the URL of a server that is started for it."""
    if kind == "sqlite":
        yield Cluster(str(folder / "project"), 0)
        return
    with cluster(fsync=True) as found:
        yield found


def main() -> None:
    """Run, print, and exit with 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--cut", type=float, default=120)
    parser.add_argument("--look", type=float, default=5, help="seconds between the owner's looks")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    print(f"seed {asked.seed}", file=sys.stderr)
    results: dict[str, Any] = {}
    folder = Path(mkdtemp(prefix="groundtune-load-"))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        write_run(folder / "run", asked.items, asked.seed)
        for kind in asked.databases:
            own = folder / kind
            own.mkdir()
            with database(kind, own) as where:
                results[kind] = measure(where, own, folder / "run", asked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps({"seed": asked.seed, **results}, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n", "utf-8")
    if any(number for each in results.values() for number in each["faults"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
