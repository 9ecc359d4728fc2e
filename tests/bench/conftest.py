"""Lets the tests of the benchmarks import their scripted writers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
