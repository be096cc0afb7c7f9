"""What has changed since the last snapshot, so that the next one rebuilds only that.

Tasks and ports register a change by ``changed``. When a port dies, every right to it becomes a dead name in the
snapshot. So a port records the holders of rights to it that were in a snapshot (``Port.shown_by``); some of them may no
longer have such a right.
"""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """A holder of rights that a snapshot contains: a task, a port (in its queue and requests), a space (under its
    names), the host.
    """

    def changed(self, place: int = 0) -> None:
        """Register that the content of ``place`` has changed. In a space, a place is a name."""


class Changes:
    """The numbers of the tasks and ports that have changed since the last snapshot, including new and ended ones."""

    __slots__ = ("ports", "tasks")

    def __init__(self) -> None:
        self.tasks: set[int] = set()
        self.ports: set[int] = set()
