"""The common part of lsmp(1)'s text and JSON: the rights in a row, and the tasks that it names."""

from __future__ import annotations

import re

from sendright.impl.recordings.source import Source
from sendright.mach.abi.rights import SlotKind
from sendright.mach.results.facts import Record, Task, TaskRight, Token

KINDS = {
    "recv": SlotKind.RECEIVE,
    "recv,send": SlotKind.SEND_RECEIVE,
    "send": SlotKind.SEND,
    "send-once": SlotKind.SEND_ONCE,
    "port-set": SlotKind.PORT_SET,
    "dead-name": SlotKind.DEAD_NAME,
}
"""The spellings of ``rights`` in the text."""

_TASK = re.compile(r"TASK(?:-(CONTROL|READ|INSPECT|NAME))?(?![\w-])")
_SNAPSHOT_PIDS = 1 << 20


def right_to_task(kernel_object: str) -> TaskRight | None:
    """Kernel object -> the flavour of task port; None if the port isn't a task's. Before flavours existed, ``TASK``
    was the control port.
    """
    found = _TASK.match(kernel_object)
    return None if found is None else TaskRight((found[1] or "CONTROL").lower())


def task(pid: int, name: str = "") -> Task:
    """A task in a listing, which has neither its version nor its token."""
    return Task(pid, None, 0, False, Token(pid=pid), name)


class Listings:
    """The processes of a file with one or more listings. The next listing begins where a process occurs again."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pids: set[int] = set()
        self.number = 0

    def process(self, place: int, pid: int) -> Record:
        """Begin a process's part of a listing. Returns its record."""
        if pid in self._pids or len(self._pids) >= _SNAPSHOT_PIDS:
            self._pids.clear()
            self.number += 1
        self._pids.add(pid)
        self._source.read("process")
        return self._source.record(place, "process")
