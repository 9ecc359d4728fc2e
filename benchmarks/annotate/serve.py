"""The app of a project on a port, for people who have sessions.

python -m benchmarks.annotate.serve PROJECT PORT
"""

import sys
from contextlib import suppress

from groundtune.pipeline.annotate.project import open_project
from groundtune.web.access import Door
from groundtune.web.server import listen, run

if __name__ == "__main__":
    with listen(int(sys.argv[2])) as listening, suppress(KeyboardInterrupt):
        run(open_project(sys.argv[1]), Door(), listening)
