"""What has changed since the last snapshot, so that the next one writes down only that anew.

Tasks and ports say by ``changed`` that they have. When a port dies, all that show a right to it show a dead name from then on: so a port knows who
has shown it (``Port.shown_by``), which is more than those who still do.
"""

from __future__ import annotations

from typing import Protocol


class Holder(Protocol):
    """Who shows rights: a task, a port in its queue and requests, a space under its names, the host."""

    def changed(self, place: int = 0) -> None:
        """What ``place`` (of a space, a name) shows is not as it was."""


class Changes:
    """The numbers of the tasks and ports that have changed since the last snapshot, new ones and those that are gone among them."""

    __slots__ = ("ports", "tasks")

    def __init__(self) -> None:
        self.tasks: set[int] = set()
        self.ports: set[int] = set()
