"""Sequence numbers, which show the events that a recording lacks."""

from __future__ import annotations

from sendright.mach.results.facts import Record, SequenceGap

_STREAMS = 1 << 16
"""The number of streams that are tracked, so that a file can't exhaust memory."""


class Sequences:
    """The next number in each stream of a recording. A stream has all events of one client on a host, or those of
    one kind.
    """

    def __init__(self) -> None:
        self._next: dict[tuple[str, str], int] = {}

    def gap(self, record: Record, stream: str, number: int) -> SequenceGap | None:
        """Record that ``number`` came in ``stream``. Returns the fact of the events that are missing before it, if
        any.
        """
        key = (record.host, stream)
        expected = self._next.get(key)
        if expected == number:
            self._next[key] = number + 1
            return None
        if expected is None:
            if len(self._next) < _STREAMS:
                self._next[key] = number + 1
            return None
        if expected < 0:
            return None
        self._next[key] = number + 1 if number > expected or number == 0 else -1
        return SequenceGap(record, stream, expected, number)
