"""The `groundtune` command, also as `python -m groundtune`."""

import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    from groundtune.cli.app import run

    sys.argv[0] = "groundtune"  # runs write down their command: as one types it, without a path
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
