"""Occurrences on a machine, as a recorder sees them, before they are written in some form."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.impl.synthesis.machine import Process
from sendright.mach.abi.tokens import AuditToken


class Sighting(msgspec.Struct, frozen=True, eq=False):
    """A process at one moment."""

    token: AuditToken
    parent: AuditToken
    program: str
    mode: int
    owner: tuple[int, int]
    platform: bool
    group: int


class Occurrence(msgspec.Struct, eq=False):
    """One event. ``actor`` is the process before the event. ``other`` is the process that it is about: the child,
    the process with its new image, the target.
    """

    kind: str
    """The name in Endpoint Security."""
    actor: Sighting
    other: Sighting | None = None
    detail: Any = None
    """Further content of this kind of event: an exit status, a user id, a file, a kind of task port."""
    planted: bool = False
    """Whether it belongs to a planted violation. Such events are never dropped."""


class Sightings:
    """The current sighting of each process. While a process doesn't change, it is the same object."""

    def __init__(self) -> None:
        self._last: dict[int, Sighting] = {}

    def show(self, process: Process) -> Sighting:
        """The sighting of ``process`` now."""
        last = self._last.get(process.task)
        if last is None or last.token is not process.token or last.group != process.group:
            last = Sighting(process.token, process.parent, process.program, process.mode, process.owner, process.platform, process.group)
            self._last[process.task] = last
        return last

    def forget(self, process: Process) -> None:
        """Forget a process that has ended."""
        self._last.pop(process.task, None)
