"""What ends a command before it has a result: bad input, and what isn't there."""

from __future__ import annotations


class BadInput(Exception):
    """One line that says what is wrong, where, and what to do. The command exits with status 2."""


class NotThere(Exception):
    """One line that says what the command needs and can't reach: a cluster, its workers. It exits with status 3."""
