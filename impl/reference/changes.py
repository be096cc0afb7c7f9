"""What has changed since the last snapshot, so that the next one writes down only that anew.

Tasks and ports say by ``changed`` that they have. When a port dies, all that show a right to it show a dead name from then on: so a port knows who
has shown it (``Port.shown_by``), which is more than those who still do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sendright.impl.reference.port import Port
    from sendright.impl.reference.task import Task


class Holder(Protocol):
    """Who shows rights: a task, a port in its queue and requests, a space under its names, the host."""

    def changed(self, place: int = 0) -> None:
        """What ``place`` (of a space, a name) shows is not as it was."""


class Changes:
    """The tasks and ports that have changed since the last snapshot, those that are new and those that are gone among them."""

    __slots__ = ("ports", "tasks")

    def __init__(self) -> None:
        self.tasks: set[Task] = set()
        self.ports: set[Port] = set()


def shown_anew(shown: dict[int, Any], living: Mapping[int, Task | Port], changed: Iterable[Task | Port]) -> dict[int, Any]:
    """What the last snapshot showed, with all that has changed since written down anew. (The last snapshot stays as it was.)"""
    if not changed:
        return shown
    shown = dict(shown)
    for each in sorted(changed, key=lambda each: each.number):
        if each.number in living:
            shown[each.number] = each.show()
        else:
            shown.pop(each.number, None)
    return shown
