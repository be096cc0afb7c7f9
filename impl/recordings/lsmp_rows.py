"""What lsmp(1)'s text and JSON have in common: the rights that a row tells of, and the tasks that it names."""

from __future__ import annotations

import re

from sendright.impl.recordings.source import Source
from sendright.mach.facts import Record, Task, TaskRight, Token
from sendright.mach.rights import SlotKind

KINDS = {
    "recv": SlotKind.RECEIVE,
    "recv,send": SlotKind.SEND_RECEIVE,
    "send": SlotKind.SEND,
    "send-once": SlotKind.SEND_ONCE,
    "port-set": SlotKind.PORT_SET,
    "dead-name": SlotKind.DEAD_NAME,
}
"""``rights``, as the text has them."""

_TASK = re.compile(r"TASK(?:-(CONTROL|READ|INSPECT|NAME))?(?![\w-])")
_SNAPSHOT_PIDS = 1 << 20


def right_to_task(kernel_object: str) -> TaskRight | None:
    """What the port of such a kernel object allows; None: it isn't a task's. Before there were flavours, ``TASK`` was the control port."""
    found = _TASK.match(kernel_object)
    return None if found is None else TaskRight((found[1] or "CONTROL").lower())


def task(pid: int, name: str = "") -> Task:
    """A task that a listing shows: it has neither its version nor its token."""
    return Task(pid, None, 0, False, Token(pid=pid), name)


class Listings:
    """The processes of a file, in one or more listings: the second begins where a process comes again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pids: set[int] = set()
        self.number = 0

    def process(self, place: int, pid: int) -> Record:
        """A process's part of a listing begins; its record."""
        if pid in self._pids or len(self._pids) >= _SNAPSHOT_PIDS:
            self._pids.clear()
            self.number += 1
        self._pids.add(pid)
        self._source.read("process")
        return self._source.record(place, "process")
