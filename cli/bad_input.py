"""Bad input: what a user can put right."""

from __future__ import annotations


class BadInput(Exception):
    """One line: what is wrong, where, and what to do. The command ends with exit status 2."""
