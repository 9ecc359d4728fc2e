"""Lets the tests of the report import their made-up sample."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
