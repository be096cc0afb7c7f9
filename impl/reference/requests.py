"""A port's dead-name requests, in the order in which they fire (``ip_dnrequests``, ``ipc_port_request_grow``).

A kernel keeps them in a table, and when the port dies it goes through the table slot by slot. Slot 0 is the table's
own. A full table grows; its new slots are used from the highest to the lowest. A slot that was freed is used next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sendright.impl.reference.port import Right
    from sendright.impl.reference.space import Entry, Space

_PAGE, _SLOT = 4096, 8


def _table_sizes() -> tuple[int, ...]:
    """The sizes that a table can have, in slots: powers of two below a page, then 15 times a page more, and so on with
    two, four and eight pages. (``ipc_table_fill``, ``ipc_table_init``)
    """
    sizes = [16 << power for power in range(8)]
    size = step = _PAGE
    while len(sizes) < 63:
        sizes += range(size, size + 15 * step, step)
        size += 15 * step
        step = min(2 * step, 8 * _PAGE)
    return tuple([size // _SLOT for size in sizes[:63]])


TABLE_SIZES = _table_sizes()


class Request:
    """One dead-name request."""

    __slots__ = ("entry", "name", "right", "slot", "space")

    def __init__(self, right: Right, name: int, entry: Entry, space: Space) -> None:
        self.right = right
        """The send-once right for the notification."""
        self.name = name
        """The name that the notification will carry."""
        self.entry: Entry | None = entry
        """The entry of that name; None if it is a dead name already, since its receive right was given up."""
        self.space = space
        self.slot = 0


class RequestTable:
    """The requests of one port."""

    __slots__ = ("_by_half", "_free", "_size", "_slots")

    def __init__(self, grows_by_half: bool) -> None:
        self._by_half = grows_by_half
        self._size = 1
        self._free: list[int] = []
        """The free slots; the last is used next."""
        self._slots: dict[int, Request] = {}

    def add(self, request: Request) -> None:
        """Give ``request`` a slot."""
        if not self._free:
            self.grow(self._larger())
        request.slot = self._free.pop()
        self._slots[request.slot] = request

    def remove(self, request: Request) -> None:
        """Free the slot of ``request``."""
        del self._slots[request.slot]
        self._free.append(request.slot)

    def in_order(self) -> list[Request]:
        """All requests, in the order in which they fire."""
        return [self._slots[slot] for slot in sorted(self._slots)]

    @property
    def size(self) -> int:
        """The number of slots with slot 0; 0 if there is no table yet."""
        return self._size if self._size > 1 else 0

    @property
    def used(self) -> int:
        """The number of requests that have a right to fire over."""
        return sum(request.right is not None for request in self._slots.values())

    def grow(self, size: int) -> None:
        """Make the table so large."""
        self._free.extend(range(self._size, size))
        self._size = size

    def _larger(self) -> int:
        """The next size of the table, which is 2 at first. By profile it grows by half of the largest power of two in
        its size (``kalloc_next_good_size``).
        """
        if self._by_half and self._size > 1:
            return self._size + (1 << (self._size.bit_length() - 2))
        return next(size for size in TABLE_SIZES if size > self._size)
