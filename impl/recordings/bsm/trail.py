"""BSM audit trails as the kernels of macOS and FreeBSD write them: binary records, each with its size before and
after it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from sendright.impl.recordings.bsm.record import AuditFacts, AuditRecord
from sendright.impl.recordings.bsm.tokens import FILE, HEADERS, READERS, TRAILER_BYTES, TRAILER_MAGIC, read_tokens
from sendright.impl.recordings.source import Source
from sendright.mach.results.facts import Fact

_RECORD_BYTES = 1 << 20
"""The longest record that is accepted. Kernels limit records to 32 KiB, but an exec's arguments can exceed that."""
_CHUNK = 1 << 16
_HEADER = re.compile(rb"[\x14\x15\x74\x79]\x00[\x00-\x10][\x00-\xff]{2}[\x01-\x0b]")
"""A header's kind, its size up to _RECORD_BYTES, its version: 1 of Sun, 2 of Solaris, 10 of Darwin, 11 of OpenBSM."""


class BsmTrail:
    """Binary audit trails."""

    name = "bsm"
    about = "BSM audit trails, binary, as macOS and FreeBSD write them"
    versions = False

    def recognizes(self, head: bytes) -> bool:
        if head[0] == FILE:  # a trail begins with a token that has its name
            return len(head) > 11 and bool(_HEADER.match(head, 11 + int.from_bytes(head[9:11], "big")) or _token_end(head, 0) == len(head))
        return bool(_HEADER.match(head)) or (head[0] in READERS and len(head) < _CHUNK and _bare(head))

    def read(self, source: Source) -> Iterator[Fact]:
        source.binary = True
        facts = AuditFacts(source)
        window = _Window(source)
        head = source.head()
        bare = head[0] not in (FILE, *HEADERS) or _token_end(head, 0) == len(head)
        while window.have(1):
            kind = window.data[window.at]
            if end := window.record_end():
                audited = AuditRecord(window.offset)
                read_tokens(audited, window.data, window.at, end - TRAILER_BYTES)
                yield from facts.of(audited)
                window.at = end
            elif (bare or kind == FILE) and window.have(_RECORD_BYTES, or_all=True) and (end := _token_end(window.data, window.at)):
                audited = AuditRecord(window.offset, "file" if kind == FILE else "")
                read_tokens(audited, window.data, window.at, end)
                yield from facts.of(audited)
                window.at = end
            else:
                begins = window.offset
                ends = window.to_next_record()
                why = "the file ends in the middle of a record" if ends else f"{window.offset - begins} bytes that aren't a record"
                yield source.cannot_read(begins, why)
        source.place = window.offset


def _token_end(data: bytes, at: int) -> int:
    """Where the token at ``at`` ends; 0 if there is none."""
    reader = READERS.get(data[at])
    try:
        end = reader(AuditRecord(0), data, at + 1) if reader else 0
    except (IndexError, struct.error, ValueError):
        return 0
    return end if end <= len(data) else 0


def _bare(head: bytes) -> bool:
    """Whether the file consists of tokens without records around them."""
    at = 0
    while at < len(head):
        end = _token_end(head, at)
        if not end:
            return False
        at = end
    return True


class _Window:
    """The part of a trail that is in memory."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._base = 0
        self.data = b""
        self.at = 0

    @property
    def offset(self) -> int:
        return self._base + self.at

    def have(self, size: int, *, or_all: bool = False) -> bool:
        """Read until ``size`` bytes are there, or the file ends."""
        while len(self.data) - self.at < size:
            self._base += self.at
            self.data, self.at = self.data[self.at :], 0
            chunk = self._source.stream.read(max(_CHUNK, size - len(self.data)))
            if not chunk:
                return or_all
            self.data += chunk
            self._source.place = self._base
        return True

    def record_end(self) -> int:
        """The end of the record that begins here; 0 if no complete record does."""
        if not self.have(6, or_all=True) or not _HEADER.match(self.data, self.at):
            return 0
        size = int.from_bytes(self.data[self.at + 1 : self.at + 5], "big")
        if size < 18 + TRAILER_BYTES or not self.have(size):
            return 0
        end = self.at + size
        trailer = TRAILER_MAGIC + size.to_bytes(4, "big")
        return end if self.data[end - TRAILER_BYTES : end] == trailer else 0

    def to_next_record(self) -> bool:
        """Go to the beginning of the next complete record. True if there is none, and the file ends."""
        self.at += 1
        while True:
            found = _HEADER.search(self.data, self.at)
            if found is not None:
                self.at = found.start()
                if self.record_end():
                    return False
                self.at += 1
                continue
            self.at = max(self.at, len(self.data) - 5)
            if not self.have(len(self.data) - self.at + 1):
                self.at = len(self.data)
                return True
