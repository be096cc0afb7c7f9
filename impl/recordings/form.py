"""The interface of readers, each for one recorded form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sendright.impl.recordings.source import Source
from sendright.mach.results.facts import Fact


class RecordingError(ValueError):
    """A recording can't be read at all. The message is one line: what is wrong, where, and what to do."""


class Form(Protocol):
    """A recorded form: recognizes and reads it."""

    name: str
    """Its name for ``--log-format``."""
    about: str
    """Its description in a list of forms, one line."""
    versions: bool
    """Whether it has pid versions."""

    def recognizes(self, head: bytes) -> bool:
        """Whether a file with the first bytes ``head`` looks like this form. ``head`` can end anywhere, and isn't
        empty.
        """
        ...

    def read(self, source: Source) -> Iterator[Fact]:
        """Yields the facts of ``source`` in its order, in bounded memory. The file's content never causes an
        exception.
        """
        ...
