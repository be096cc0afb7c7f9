"""Where files that tests read are."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
SHARED = ROOT.parent / "shared"
"""Beside the project; a test that reads it skips where it is absent."""
