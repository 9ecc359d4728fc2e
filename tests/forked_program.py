"""Programs in processes of their own that have torch and transformers imported already.

A new interpreter takes four seconds to import them. These processes are forks of a server that has
imported them and has done nothing else. A test about what a program imports, or how it is found and
installed, starts an interpreter instead.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "groundtune.cli.app",
        "groundtune.generate.hf",
        "groundtune.pipeline.align.run",
        "groundtune.pipeline.rl.run",
        "groundtune.pipeline.train.run",
        "groundtune.train.loop",
        "groundtune.train.parallel",
        "peft",
        "torch.distributed.run",
        "transformers.models.llava.modeling_llava",
        "transformers.models.llava.processing_llava",
        "transformers.models.clip.modeling_clip",
        "transformers.models.clip.image_processing_clip",
        "transformers.models.llama.modeling_llama",
    ]
)


COMMAND = "from groundtune.__main__ import main; main()"
"""The program of the command `groundtune`."""


STREAMS = ("stdout", "stderr")


def _execute(program: str, words: list[str], environment: Mapping[str, str], logs: Path) -> None:
    for stream, name in enumerate(STREAMS, start=1):
        with (logs / name).open("wb") as printed:
            os.dup2(printed.fileno(), stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *words]
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})


class Forked:
    """Python code in a process, started as `python -c` does, with words and more variables."""

    def __init__(self, program: str, *arguments: object, **environment: str) -> None:
        self._logs = Path(tempfile.mkdtemp(prefix="groundtune-forked-"))
        for name in STREAMS:
            (self._logs / name).touch()
        self.stdout = ""
        """What it printed there, once it has ended."""
        given = (program, [*map(str, arguments)], {**os.environ, **environment}, self._logs)
        self._process = _SERVER.Process(target=_execute, args=given)
        self._process.start()

    @property
    def status(self) -> int | None:
        """The exit status, negative after a signal; None while it runs."""
        return self._process.exitcode

    def finish(self, seconds: float = 600) -> int:
        """Wait for its end; return its exit status."""
        self._process.join(seconds)
        late = self.status is None
        status = self.kill()
        assert not late, f"still running after {seconds} s"
        return status

    def kill(self) -> int:
        """Kill it if it still runs; return its exit status. A test that fails shows its output."""
        self._process.kill()
        self._process.join()
        self.stdout, stderr = (
            (self._logs / name).read_text("utf-8", "replace") for name in STREAMS
        )
        shutil.rmtree(self._logs)
        print(self.stdout, stderr)
        assert self.status is not None
        return self.status


def execute(program: str, *arguments: object) -> int:
    """Run Python code to its end; return its exit status."""
    return Forked(program, *arguments).finish()
