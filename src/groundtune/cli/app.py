"""The `groundtune` command: its help page, its exit status, and what an error looks like.

A new command is one file and one line. The file `cli/sample.py` holds one function; its type hints
become the options, its docstring (first line, then Google's section of arguments) the help:

    def sample(prompts: Path, *, out: Path = Path("runs/sample"), json: bool = False) -> None:
        '''Sample answers. ... For example: ...'''
        from groundtune.pipeline.sample.run import run_sample  # what is heavy: inside the function

        with open_progress(silent=json) as progress:
            summary = run_sample(prompts, out, progress)
        following = ["groundtune", "label", "--answers", out]
        finish({"answers": summary}, path=out, next_command=following, json=json)

Its line goes into `commands.COMMANDS`; a name of two words ("bench run") belongs to a group there.
A command raises UserError for what a person can fix and lets every other error through; results go
to stdout (`finish`), progress to stderr (`open_progress`).
"""

import logging
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext

from cyclopts import App, CycloptsError, Group, Parameter

from groundtune import __version__
from groundtune.cli.commands import COMMANDS, GROUPS, Command
from groundtune.cli.exact_values import refuse_inexact
from groundtune.cli.help_page import HelpPage, usage
from groundtune.cli.output import discard_stdout, log_to_stderr, only_json, print_json
from groundtune.errors import UserError
from groundtune.store.files import is_utf8

EXIT_DONE, EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130
_HELP = ("--help", "-h")
HELP = """Train vision-language models to hallucinate less, and measure that they do.

Start with `groundtune demo`. `groundtune COMMAND --help` shows examples.
"""


def build_app(argv: Sequence[str] = ()) -> App:
    """The application with every command; none of their modules is imported yet.

    Args:
        argv: The command line. The help of the command that it names is its docstring, that of
            the others their line in the table.
    """
    options = Group("Options", sort_key=len(COMMANDS))
    app = App(
        name="groundtune",
        help=HELP,
        help_format="plaintext",
        help_formatter=HelpPage(),
        version=__version__,
        config=refuse_inexact,
        default_parameter=Parameter(negative=()),
        group_parameters=options,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    parents = {"": app}
    sections: dict[str, Group] = {}
    for place, (name, command) in enumerate(COMMANDS.items()):
        first = name.rpartition(" ")[0]
        title = GROUPS[first].section if first else command.section
        section = sections.setdefault(title, Group(title, sort_key=len(sections)))
        if first not in parents:
            parents[first] = App(name=first, help=GROUPS[first].help, group=section, sort_key=place)
            app.command(parents[first])
        _add(parents[first], name, command, argv, place=place, section=None if first else section)
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].group = options
    return app


def _add(
    parent: App,
    name: str,
    command: Command,
    argv: Sequence[str],
    *,
    place: int,
    section: Group | None,
) -> None:
    """Add a command to its group or to the application, imported only for its own help."""
    words = name.split()
    is_named = list(argv[: len(words)]) == words
    parent.command(
        command.target,
        name=words[-1],
        help=None if is_named else command.help,
        sort_key=place,
        group=section,
    )
    if is_named and any(flag in argv for flag in _HELP):
        group = parent[words[-1]]
        group.usage = usage(group, words)


def run(argv: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0 done, 1 failed, 2 the user's input, 130 Ctrl-C.

    A command may return its own, as `compare --fail-on regression` does. An input error is three
    lines on stderr, with `--json` also one object on stdout; `--debug`, anywhere, adds a traceback.
    """
    debug = "--debug" in argv
    argv = [token for token in argv if token != "--debug"]
    log_to_stderr(logging.INFO if debug else logging.WARNING)
    with only_json() if "--json" in argv else nullcontext():
        return _run(argv, debug)


def _run(argv: Sequence[str], debug: bool) -> int:
    try:
        _refuse_unreadable(argv)
        status: object = build_app(argv)(argv, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except UserError as error:
        return _input_error(error, argv, debug)
    except CycloptsError as error:
        from groundtune.cli.parse_errors import explain

        return _input_error(explain(error, COMMANDS), argv, debug)
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to resume.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        print("Stopped: nobody reads the output any more.", file=sys.stderr)
        return EXIT_FAILED
    except Exception:
        traceback.print_exc()
        return EXIT_FAILED
    return status if isinstance(status, int) else EXIT_DONE


def _refuse_unreadable(argv: Sequence[str]) -> None:
    """Refuse words that are not UTF-8: neither records nor the terminal can hold them."""
    for number, word in enumerate(argv, 1):
        if not is_utf8(word):
            raise UserError(
                f"Word {number} of the command is not UTF-8.",
                repr(word),
                "Write it in UTF-8; rename the file or folder that it names.",
            )


def _input_error(error: UserError, argv: Sequence[str], debug: bool) -> int:
    """Three lines on stderr, and with --json one object on stdout."""
    if debug:
        traceback.print_exc()
    parts = {name: " ".join(text.split()) for name, text in error.parts().items()}
    if "--json" in argv:
        print_json(parts)
    print(f"error: {UserError(**parts)}", file=sys.stderr)
    return EXIT_INPUT
