"""`groundtune completion`."""

import sys
from typing import Literal


def completion(
    shell: Literal["bash", "zsh", "fish"], /, *, install: bool = False, json: bool = False
) -> None:
    """Set up tab completion in your shell.

    Prints the completion script. With --install, writes it to the shell's own folder, and for bash
    and zsh adds a line to ~/.bashrc or ~/.zshrc that loads it.

    For example:

        groundtune completion bash --install

    Args:
        shell: Your shell.
        install: Write the script to the place from which your shell loads it.
        json: Print the result as one JSON object.
    """
    from groundtune.cli.app import build_app
    from groundtune.cli.finish import finish

    app = build_app()
    if install:
        path = app.install_completion(shell=shell)
        finish({"shell": shell}, path=path, next_command=["exec", shell], json=json)
    elif json:
        finish({"shell": shell, "script": app.generate_completion(shell=shell)}, json=True)
    else:
        sys.stdout.write(app.generate_completion(shell=shell))
