"""A recording as bytes: opened once, looked at from its beginning, read in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader

from sendright.mach.facts import Record, Unreadable

HEAD_BYTES = 1 << 16
"""How much of a file is looked at to recognize its form."""
LINE_BYTES = 1 << 23
"""The longest line that is read, 8 MiB: an exec event has at most 1 MiB of arguments and environment, which JSON may write six times as long."""
KIND_LENGTH, HOST_LENGTH = 80, 255
_KINDS = 1 << 10
"""How many kinds of records are counted apart, so that a file can't take all memory."""


@dataclass
class Source:
    """An open recording, and the count of what was read of it."""

    name: str
    """What messages call it."""
    stream: BufferedReader
    records: int = 0
    unreadable: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    """Records by kind."""
    place: int = 0
    """How far the reader is: the line, or the offset in a binary recording."""
    binary: bool = False

    def head(self) -> bytes:
        """The first bytes, HEAD_BYTES at most; only before anything is read."""
        return self.stream.peek(HEAD_BYTES)[:HEAD_BYTES]

    def lines(self) -> Iterator[tuple[int, bytes, bool]]:
        """Every line with its number, from 1, and its end: (number, line, whole).

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
            yield number, line, not self.stream.peek(1)
            while (rest := read(LINE_BYTES)) and rest[-1] != 10:
                pass

    def record(
        self, place: int, kind: str = "", time: datetime | None = None, order: int | None = None, host: str = "", sequence: int | None = None
    ) -> Record:
        """A record of this recording. What the recording calls its kind and its host is kept, and so cut to a usual length."""
        return Record(self.name, place, kind[:KIND_LENGTH], time, order, host[:HOST_LENGTH], sequence, self.binary)

    def read(self, kind: str) -> None:
        """A record of ``kind`` was read."""
        kind = kind[:KIND_LENGTH]
        self.records += 1
        count = self.kinds.get(kind)
        if count is None and len(self.kinds) >= _KINDS:
            kind = "other"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def cannot_read(self, record: Record | int, why: str) -> Unreadable:
        """A record, or what is at this line or offset, wasn't read."""
        self.unreadable += 1
        return Unreadable(record if isinstance(record, Record) else self.record(record), why)
