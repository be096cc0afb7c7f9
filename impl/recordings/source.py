"""A recording as bytes: opened once, looked at from its beginning, read in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

HEAD_BYTES = 1 << 16
"""How much of a file is looked at to recognize its form."""
LINE_BYTES = 1 << 24
"""The longest line that is read, 16 MiB: an exec event has at most 1 MiB of arguments and environment, which JSON may write six times as long."""


@dataclass
class Source:
    """An open recording."""

    name: str
    """What messages call it."""
    stream: BinaryIO
    records: int = 0
    """Readers count here what they read …"""
    unreadable: int = 0
    """… and what they couldn't."""
    kinds: dict[str, int] = field(default_factory=dict)
    """Records by kind."""
    place: int = 0
    """How far the reader is: the line or the offset."""

    def lines(self) -> Iterator[tuple[int, bytes, bool]]:
        """Every line with its number, from 1, without its end: (number, line, whole).

        A line longer than LINE_BYTES isn't whole: it is cut, and its rest is passed over. The last line may lack its newline.
        """
        read = self.stream.readline
        number = 0
        while line := read(LINE_BYTES):
            number += 1
            self.place = number
            if line[-1] == 10 or len(line) < LINE_BYTES:
                yield number, line, True
                continue
            while (rest := read(LINE_BYTES)) and rest[-1] != 10:
                pass
            yield number, line, False
