"""A recording as bytes: opened once, recognized by its beginning, read in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedReader

from sendright.mach.results.facts import Record, Unreadable

HEAD_BYTES = 1 << 16
"""The number of bytes by which a file's form is recognized."""
LINE_BYTES = 1 << 23
"""The longest line that is read, 8 MiB: an exec event has at most 1 MiB of arguments and environment, which JSON may
write six times as long.
"""
KIND_LENGTH, HOST_LENGTH = 80, 255
_KINDS = 1 << 10
"""The number of kinds of records that are counted separately, so that a file can't exhaust memory."""


@dataclass
class Source:
    """An open recording, and the counts of its records."""

    name: str
    """Its name in messages."""
    stream: BufferedReader
    records: int = 0
    unreadable: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    """Records by kind."""
    place: int = 0
    """The reader's position: the line, or in a binary recording the offset."""
    binary: bool = False

    def head(self) -> bytes:
        """The first bytes, HEAD_BYTES at most; only before anything is read."""
        return self.stream.peek(HEAD_BYTES)[:HEAD_BYTES]

    def lines(self) -> Iterator[tuple[int, bytes, bool]]:
        """Every line with its number, from 1, and its end: (number, line, whole).

        A line longer than LINE_BYTES isn't whole: it is cut off, and its rest is skipped. The last line may lack its
        newline.
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
        """A record of this recording. The kind and the host come from the recording and are kept, so they are cut to
        a usual length.
        """
        return Record(self.name, place, kind[:KIND_LENGTH], time, order, host[:HOST_LENGTH], sequence, self.binary)

    def read(self, kind: str) -> None:
        """Count a record of ``kind``."""
        kind = kind[:KIND_LENGTH]
        self.records += 1
        count = self.kinds.get(kind)
        if count is None and len(self.kinds) >= _KINDS:
            kind = "other"
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def cannot_read(self, record: Record | int, why: str) -> Unreadable:
        """The fact that a record, or the content at this line or offset, couldn't be read."""
        self.unreadable += 1
        return Unreadable(record if isinstance(record, Record) else self.record(record), why)
