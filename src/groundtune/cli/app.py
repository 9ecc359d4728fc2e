"""The `groundtune` command: its table of commands, and what an error looks like.

A new command is one file and one line. The file `cli/sample.py` holds one function; its type hints
become the options, its docstring (first line, then Google's section of arguments) the help:

    def sample(prompts: Path, *, out: Path = Path("runs/sample"), json: bool = False) -> None:
        '''Draw answers to prompts. ...'''
        from groundtune.pipeline.sample.run import run_sample  # what is heavy: inside the function

        with open_progress(silent=json) as progress:
            drawn = run_sample(prompts, out, progress)
        finish({"answers": drawn}, wrote=out, next_command=f"groundtune label {out}", json=json)

Its line goes into COMMANDS; a name of two words ("bench run") belongs to a group, which GROUPS
describes. Commands whose module isn't there are not offered. A command raises UserError for what a
person can mend and lets every other error through; results go to stdout (`finish`), progress to
stderr (`open_progress`).
"""

import importlib.util
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from cyclopts import App, CycloptsError

from groundtune import __version__
from groundtune.cli.exact_values import refuse_inexact
from groundtune.errors import UserError


class Command(NamedTuple):
    """Where a command's function is, and its line in `groundtune --help`."""

    target: str
    help: str


COMMANDS: dict[str, Command] = {
    "demo": Command("groundtune.cli.demo:demo", "The whole loop on the embedded world."),
    "sample": Command("groundtune.cli.sample:sample", "Draw answers to prompts."),
    "label": Command("groundtune.cli.label:label", "Correct answers, or check their claims."),
    "pairs": Command("groundtune.cli.pairs:pairs", "Make preference pairs of feedback."),
    "train": Command("groundtune.cli.train:train", "Train on pairs, as a recipe says."),
    "align": Command("groundtune.cli.align:align", "Rounds of AI feedback, from a recipe."),
    "rounds": Command("groundtune.cli.rounds:rounds", "Set runs of align side by side."),
    "best-of": Command("groundtune.cli.best_of:best_of", "Keep the best of several answers."),
    "check": Command("groundtune.cli.check:check", "Check answers on your own pictures."),
    "bench run": Command("groundtune.cli.bench.run:run", "Generate answers and score them."),
    "bench score": Command("groundtune.cli.bench.run:score", "Score answers that exist."),
    "bench data": Command("groundtune.cli.bench.data:data", "Fetch a benchmark's own data."),
    "bench export": Command(
        "groundtune.cli.bench.export:export", "Write scores as another evaluator's logs."
    ),
    "bench calibrate": Command(
        "groundtune.cli.bench.calibrate:calibrate", "Hold a judge against another's verdicts."
    ),
    "bench list": Command("groundtune.cli.bench.run:list_", "Name the benchmarks."),
    "compare": Command("groundtune.cli.compare:compare", "Compare models item by item."),
    "report": Command("groundtune.cli.report:report", "Write a run's report as one HTML page."),
    "serve": Command("groundtune.cli.serve:serve", "Serve a model, under the OpenAI API."),
    "import": Command("groundtune.cli.import_:import_", "Read a published data set's layout."),
    "export": Command("groundtune.cli.export:export", "Write a published data set's layout."),
    "world show": Command("groundtune.cli.world:show", "Draw scenes with their truth."),
    "world train": Command("groundtune.cli.world:train", "Train a world model from nothing."),
    "world claims": Command(
        "groundtune.cli.world_claims:claims", "Measure feedback by claims against the truth."
    ),
    "splitter lessons": Command(
        "groundtune.cli.splitter:lessons", "Make lessons for a splitter of claims."
    ),
    "splitter score": Command(
        "groundtune.cli.splitter:score", "Measure a splitter against recorded claims."
    ),
    "study": Command("groundtune.cli.study:study", "Many runs of the loop, pooled, with curves."),
    "recipes list": Command("groundtune.cli.recipes:list_", "Name the recipes."),
    "recipes show": Command("groundtune.cli.recipes:show", "Print a recipe."),
    "recipes copy": Command("groundtune.cli.recipes:copy", "Copy a recipe, to change it."),
}
GROUPS: dict[str, str] = {
    "bench": "Benchmarks: run, score, data, export, calibrate, list.",
    "world": "The embedded world: scenes whose whole truth is known.",
    "splitter": "A splitter of one's own, that divides answers into claims: lessons, score.",
    "recipes": "Recipes that come with Groundtune: list, show, copy.",
}
EXIT_DONE, EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def build_app(argv: Sequence[str] = ()) -> App:
    """The application with every command that exists; none of their modules is imported yet.

    `argv` tells which command is meant: its help is its docstring, the others' is their line.
    """
    app = App(
        name="groundtune",
        help="Make a vision-language model say what is in the picture, and show that it does.",
        version=__version__,
        result_action="return_value",
        config=refuse_inexact,
        suppress_keyboard_interrupt=False,
    )
    groups: dict[str, App] = {}
    for words, command in COMMANDS.items():
        group, _, name = words.rpartition(" ")
        if not is_there(command):
            continue
        if group and group not in groups:
            groups[group] = App(name=group, help=GROUPS[group])
            app.command(groups[group])
        meant = list(argv[: words.count(" ") + 1]) == words.split()
        parent = groups[group] if group else app
        parent.command(command.target, name=name, help=None if meant else command.help)
    return app


def is_there(command: Command) -> bool:
    """Whether the command's module exists; it is not imported."""
    return importlib.util.find_spec(command.target.partition(":")[0]) is not None


def run(argv: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed, 2 the user's input, 130 Ctrl-C.

    A command may return its own, as `compare --fail-on regression` does. An input error is three
    lines on stderr, with `--json` also one object on stdout; `--debug`, anywhere, adds a traceback.
    """
    debug = "--debug" in argv
    argv = [token for token in argv if token != "--debug"]
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING, stream=sys.stderr)
    try:
        status: object = build_app(argv)(argv, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except UserError as error:
        return _input_error(error, argv, debug)
    except CycloptsError as error:
        from groundtune.cli.parse_errors import explain

        return _input_error(explain(error, COMMANDS), argv, debug)
    except KeyboardInterrupt:
        print("\nStopped. What is done is kept: the same command continues.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more as it leaves; that must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("Stopped: nobody reads the output any more.", file=sys.stderr)
        return EXIT_FAILED
    except Exception:
        traceback.print_exc()
        return EXIT_FAILED
    return status if isinstance(status, int) else EXIT_DONE


def _input_error(error: UserError, argv: Sequence[str], debug: bool) -> int:
    """Three lines on stderr, and with --json one object on stdout."""
    if debug:
        traceback.print_exc()
    shown = {name: " ".join(text.split()) for name, text in error.parts().items()}
    if "--json" in argv:
        print(json.dumps(shown, ensure_ascii=False), flush=True)
    print(f"error: {UserError(**shown)}", file=sys.stderr)
    return EXIT_INPUT
