"""The app's server as a process that can be killed, and what it used."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A server of a project on one port, started again after each kill."""

    def __init__(self, where: str, port: int, environment: dict[str, str], log: Path) -> None:
        self.command = [sys.executable, "-m", "benchmarks.annotate.serve", where, str(port)]
        self.port, self.environment, self.log = port, environment, log
        self.cpu_s = 0.0
        self.largest_mb = 0.0
        self.down_s: list[float] = []
        self.at_start_s = 0.0
        self.program = self._start()

    def kill(self) -> None:
        """Kill it without a warning, and start another one."""
        self._note()
        self.program.send_signal(signal.SIGKILL)
        self.program.wait()
        began = time.monotonic()
        self.program = self._start()
        self.down_s.append(time.monotonic() - began)

    def stop(self) -> None:
        """End it as a person does."""
        self._note()
        self.program.send_signal(signal.SIGINT)
        self.program.wait(30)

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            program = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)
        while program.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                self.at_start_s = cpu_s(program.pid)  # what it takes to import the app
                return program
        raise SystemExit(f"the server ended at its start: {self.log}")

    def _note(self) -> None:
        self.cpu_s += cpu_s(self.program.pid) - self.at_start_s
        status = Path(f"/proc/{self.program.pid}/status").read_text("utf-8")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        self.largest_mb = max(self.largest_mb, int(peak.split()[1]) / 1024)


def cpu_s(pid: int, *, children: bool = False) -> float:
    """CPU seconds of a process so far, with those of children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if children else 13])) / TICKS


def family_cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its children, living or not."""
    total = cpu_s(pid, children=True)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        if int(fields[1]) == pid:
            total += sum(map(int, fields[11:15])) / TICKS
    return total


def machine_cpu_s() -> float:
    """CPU seconds that all processes of this machine have used."""
    user, nice, system = Path("/proc/stat").read_text("utf-8").split()[1:4]
    return (int(user) + int(nice) + int(system)) / TICKS
