"""The `groundtune` command, also as `python -m groundtune`."""

import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    from groundtune.cli.app import run

    sys.argv[0] = "groundtune"  # runs write down their command: as one types it, without a path
    status = run(sys.argv[1:])
    if "--json" in sys.argv:  # what libraries print as they end is no part of the object
        sys.stdout = sys.stderr
    sys.exit(status)


if __name__ == "__main__":
    main()
