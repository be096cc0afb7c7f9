"""What a reader of one recorded form is, and what a file is to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sendright.impl.recordings.source import Source
from sendright.mach.facts import Fact


class RecordingError(ValueError):
    """A recording can't be read at all. The message is one line: what, where, what to do."""


class Form(Protocol):
    """A recorded form: how to recognize it, how to read it."""

    name: str
    """What ``--format`` calls it."""
    about: str
    """One line for a list of forms."""
    versions: bool
    """It carries pid versions."""

    def recognizes(self, head: bytes) -> bool:
        """The first bytes of a file look like this form. ``head`` may end anywhere, and is never empty."""
        ...

    def read(self, source: Source) -> Iterator[Fact]:
        """The facts of ``source``, in its order, in memory that doesn't grow with it. Raises nothing because of what the file contains."""
        ...
