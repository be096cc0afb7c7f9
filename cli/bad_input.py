"""Bad input: errors that a user can correct."""

from __future__ import annotations


class BadInput(Exception):
    """One line that says what is wrong, where, and what to do. The command exits with status 2."""
