"""What happens on a machine, as a recorder sees it: before anything is written in any form."""

from __future__ import annotations

from typing import Any

import msgspec

from sendright.impl.synthesis.machine import Process
from sendright.mach.tokens import AuditToken


class Shown(msgspec.Struct, frozen=True, eq=False):
    """A process at one moment."""

    token: AuditToken
    parent: AuditToken
    program: str
    mode: int
    owner: tuple[int, int]
    platform: bool
    group: int


class Occurrence(msgspec.Struct, eq=False):
    """One event. ``actor`` is as it was before it, ``other`` is who it is about: the child, the process after it got its image, the target."""

    kind: str
    """Named as Endpoint Security does."""
    actor: Shown
    other: Shown | None = None
    detail: Any = None
    """What else the kind of event tells: an exit status, a user id, a file, a kind of task port."""
    planted: bool = False
    """It belongs to a planted violation, so it is never dropped."""


class Gallery:
    """The moments of processes: one that has not changed is shown by the same object."""

    def __init__(self) -> None:
        self._last: dict[int, Shown] = {}

    def show(self, process: Process) -> Shown:
        """``process`` as it is now."""
        last = self._last.get(process.task)
        if last is None or last.token is not process.token or last.group != process.group:
            last = Shown(process.token, process.parent, process.program, process.mode, process.owner, process.platform, process.group)
            self._last[process.task] = last
        return last

    def forget(self, process: Process) -> None:
        """It has ended."""
        self._last.pop(process.task, None)
