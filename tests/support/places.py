"""Where what tests read and run is."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SHARED = ROOT.parent / "shared"
"""Beside the project; a test that reads it skips where it is absent."""
SENDRIGHT = [sys.executable, "-c", "import sys; from sendright.cli.main import run; sys.argv[0] = 'sendright'; run()"]
"""The command in a process of its own: its arguments follow."""
