"""The host's special ports: rights that the kernel keeps for all tasks."""

from __future__ import annotations

from sendright.impl.reference.port import NULL_RIGHT, Right
from sendright.mach.abi.rights import SlotKind
from sendright.mach.state import snapshot

LAST_KERNEL_PORT = 7
"""``HOST_MAX_SPECIAL_KERNEL_PORT``: special ports up to this number are the kernel's own; no call sets them."""


class Host:
    """The one host and its special ports, by number."""

    __slots__ = ("ports", "shown")

    def __init__(self) -> None:
        self.ports: dict[int, Right] = {}
        """An empty place is absent. The host owns each right."""
        self.shown: dict[int, snapshot.Entry] | None = None

    def right_at(self, number: int) -> Right:
        """The right in a place; the host keeps it."""
        return self.ports.get(number, NULL_RIGHT)

    def put(self, number: int, right: Right) -> Right:
        """Put ``right`` into a place; the right that was there is returned, for the caller to release."""
        old = self.ports.pop(number, NULL_RIGHT)
        if right.kind is not SlotKind.NONE:
            self.ports[number] = right
        self.changed()
        return old

    def changed(self, place: int = 0) -> None:
        """Register that the special ports have changed since the last snapshot."""
        self.shown = None

    def show(self) -> dict[int, snapshot.Entry]:
        """The special ports as a snapshot has them."""
        if self.shown is None:
            self.shown = {number: right.show(self) for number, right in self.ports.items()}
        return self.shown
