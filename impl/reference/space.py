"""Port name spaces: a task's small numbers for its rights.

In a space, the send and receive rights to one port share one name. Each send-once right has a name of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sendright.impl.reference.failure import Failure
from sendright.impl.reference.notifications import Due, release_send
from sendright.impl.reference.port import NO_PORT, Port, Right
from sendright.impl.reference.port_set import PortSets
from sendright.impl.reference.requests import Request
from sendright.impl.reference.waiting import BlockedReceive
from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Notification, SlotKind
from sendright.mach.state import snapshot
from sendright.mach.state.sharing import Parts, updated_parts

if TYPE_CHECKING:
    from sendright.impl.reference.task import Task

GENERATIONS = 256
"""The names with one index differ in their lowest byte, the generation."""

HAS_SEND = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
HAS_RECEIVE = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


class Entry:
    """The entry of one name. In SEND and SEND_RECEIVE, ``urefs`` counts the send right's references; in RECEIVE and
    PORT_SET it is 0.
    """

    __slots__ = ("kind", "port", "request", "told", "urefs")

    def __init__(self, kind: SlotKind, port: Port, urefs: int) -> None:
        self.kind = kind
        self.port = port
        self.urefs = urefs
        self.request: Request | None = None
        """The dead-name request, which the port has in its table. It moves with the entry."""
        self.told = False
        """Whether a dead-name notification was sent for it that isn't in ``urefs`` yet."""

    @property
    def unlooked(self) -> bool:
        """Whether the port has died, and the entry isn't a dead name yet."""
        return not self.port.alive and self.port is not NO_PORT

    def show(self, space: Space, name: int) -> snapshot.Entry:
        """This entry as a snapshot has it."""
        if self.port.alive:
            self.port.shown_by.add((space, name))
            return snapshot.Entry(self.kind, self.port.number, self.urefs)
        if self.unlooked and space.lazy:
            return snapshot.Entry(self.kind, None, self.urefs, self.told)
        return snapshot.Entry(SlotKind.PORT_SET if self.kind is SlotKind.PORT_SET else SlotKind.DEAD_NAME, None, self.urefs)


class Space:
    """One task's names. Entries change only through the methods here, which keep the index by port."""

    __slots__ = (
        "changed_names",
        "entries",
        "lazy",
        "lowest_free",
        "names_by_port",
        "pegged_at",
        "send_urefs_max",
        "sets",
        "shown",
        "shown_requests",
        "task",
    )

    task: Task
    """The task that has this space."""

    def __init__(self, send_urefs_max: int, pegged_at: int | None = None, lazy: bool = False) -> None:
        self.send_urefs_max = send_urefs_max
        self.lazy = lazy
        """Whether a name whose port died stays as it is until a call looks at it."""
        self.pegged_at = pegged_at
        """At this many user references the count is pegged: it doesn't change by single references. None: counts are
        never pegged.
        """
        self.entries: dict[int, Entry] = {}
        self.names_by_port: dict[Port, int] = {}
        """Port -> the name under which this space has SEND or RECEIVE for it. Some of these ports may have died."""
        self.sets = PortSets()
        self.lowest_free = 1
        """All names below this one are in use."""
        self.changed_names: set[int] = set()
        """The names whose entries have changed since the last snapshot."""
        self.shown: Parts[snapshot.Entry] = Parts()
        self.shown_requests: Parts[snapshot.Entry] = Parts()

    def changed(self, place: int = 0) -> None:
        """Register that the name ``place``, or a set that it is in, has changed since the last snapshot."""
        self.changed_names.add(place)
        self.task.changed()

    def lookup(self, name: int) -> Entry | None:
        """The entry of ``name``, or None. A right whose port has died becomes a dead name here, with the same user
        references, or one more for the notification. (``ipc_right_check``)
        """
        entry = self.entries.get(name)
        if entry is not None and entry.unlooked:
            self._bury(entry)
            self.changed(name)
        return entry

    def entry(self, name: int) -> Entry | None:
        """The entry of ``name``, or None. In lazy spaces a right whose port has died stays as it is.
        (``ipc_entry_lookup``)
        """
        return self.entries.get(name) if self.lazy else self.lookup(name)

    def _bury(self, entry: Entry) -> None:
        self.names_by_port.pop(entry.port, None)
        entry.kind = SlotKind.DEAD_NAME
        entry.port = NO_PORT
        if entry.told:
            entry.told = False
            self._add_reference(entry)

    def _add_reference(self, entry: Entry) -> None:
        if entry.urefs != self.pegged_at:
            entry.urefs += 1

    def name_of(self, port: Port) -> int | None:
        """The name under which the space has SEND or RECEIVE for the live ``port``."""
        return self.names_by_port.get(port)

    def fresh_name(self) -> int:
        """The lowest free name."""
        while self.lowest_free in self.entries:
            self.lowest_free += 1
        return self.lowest_free

    def check_form(self, name: int, index_max: int) -> None:
        """Check that a task can choose ``name``, which is in use or has the form of a name in a table of ``index_max``
        entries. Raises KERN_NO_SPACE, KERN_INVALID_VALUE, KERN_FAILURE. (``ipc_entry_alloc_name``)
        """
        if name in self.entries:
            return
        index, generation = divmod(name, GENERATIONS)
        if index > index_max:
            raise Failure(ReturnCode.KERN_NO_SPACE)
        if generation & 3 != 3:
            raise Failure(ReturnCode.KERN_INVALID_VALUE)
        if index == 0 or any(other // GENERATIONS == index for other in self.entries):
            raise Failure(ReturnCode.KERN_FAILURE)

    def enter(self, name: int, kind: SlotKind, port: Port = NO_PORT) -> None:
        """Enter a right under the free ``name``. Unless it is a send-once right, the space must not have a name for
        ``port`` yet.
        """
        urefs = 0 if kind in (SlotKind.RECEIVE, SlotKind.PORT_SET) else 1
        self.entries[name] = Entry(kind, port, urefs)
        if kind is SlotKind.SEND or kind is SlotKind.RECEIVE:
            self.names_by_port[port] = name
        self.changed(name)

    def rename(self, old: int, new: int) -> None:
        """Rename ``old`` to the free name ``new``, with its references and its membership in port sets."""
        entry = self.entries[new] = self.entries.pop(old)
        if self.names_by_port.get(entry.port) == old:
            self.names_by_port[entry.port] = new
        if entry.request is not None:
            entry.request.name = new
        self.sets.rename(old, new)
        waiting = self.task.waiting
        if isinstance(waiting, BlockedReceive) and waiting.name == old:
            waiting.name = new
        self.lowest_free = min(self.lowest_free, old)
        self.changed(old)
        self.changed(new)

    def join(self, name: int, right: Right) -> None:
        """Add a send or receive right to ``name``, which has a right to the same port.

        A second send right becomes a user reference: the port counts an entry once, whatever its number of references.
        """
        entry = self.entries[name]
        if right.kind is SlotKind.RECEIVE:
            entry.kind = SlotKind.SEND_RECEIVE
        elif entry.kind is SlotKind.RECEIVE:
            entry.kind = SlotKind.SEND_RECEIVE
            entry.urefs = 1
        else:
            entry.urefs += 1
            release_send(right.port)
        self.changed(name)

    def at_limit(self, name: int) -> bool:
        """Whether the send right under ``name`` can take no more user references."""
        return self.entries[name].urefs >= self.send_urefs_max

    def set_references(self, name: int, urefs: int) -> None:
        """Set the user references of a send right or a dead name. At 0 the right is released; a receive right under
        the same name stays.
        """
        entry = self.entries[name]
        entry.urefs = urefs
        self.changed(name)
        if urefs == 0:
            if entry.kind is not SlotKind.DEAD_NAME:
                release_send(entry.port)
            if entry.kind is SlotKind.SEND_RECEIVE:
                entry.kind = SlotKind.RECEIVE
            else:
                self.free(name)

    def give_up_reference(self, name: int) -> None:
        """Give up one user reference of a send right or a dead name, unless the count is pegged."""
        urefs = self.entries[name].urefs
        if urefs != self.pegged_at:
            self.set_references(name, urefs - 1)

    def leave_receive(self, name: int) -> None:
        """Remove the receive right under ``name``. A send right under the same name stays."""
        entry = self.entries[name]
        if entry.kind is SlotKind.SEND_RECEIVE:
            entry.kind = SlotKind.SEND
            self.sets.extract_from_all(name)
            self.changed(name)
        else:
            self.free(name)

    def remove(self, name: int) -> tuple[Entry, Due | None]:
        """Free ``name``. Returns its entry, whose rights the caller must release, and the port-deleted notification
        that is due if it had a dead-name request.
        """
        entry = self.entries.pop(name)
        right = self._cancel_request(entry)
        if entry.kind is not SlotKind.SEND_ONCE:
            self.names_by_port.pop(entry.port, None)
        self.sets.forget(name)
        self.lowest_free = min(self.lowest_free, name)
        self.changed(name)
        return entry, None if right is None else Due(right, Notification.PORT_DELETED, name)

    def free(self, name: int) -> None:
        """Free ``name``, whose rights have been released or moved, and tell the holder of its dead-name request."""
        _, due = self.remove(name)
        if due is not None:
            due.send()

    def set_request(self, name: int, right: Right | None) -> Right | None:
        """Register ``right`` as the dead-name request of ``name``, or with None remove the request. Returns the
        right registered before, which the caller now owns.
        """
        entry = self.entries[name]
        previous = self._cancel_request(entry)
        if right is not None:
            entry.request = Request(right, name, entry, self)
            entry.port.requests.add(entry.request)
            entry.port.changed()
        self.changed(name)
        return previous

    def _cancel_request(self, entry: Entry) -> Right | None:
        if entry.request is None:
            return None
        request, entry.request = entry.request, None
        entry.port.requests.remove(request)
        return request.right

    def count_notification(self, name: int, entry: Entry) -> None:
        """End the dead-name request of ``entry``, if there is one, and add a user reference for its notification, which
        the port sends; in lazy spaces at the next look.

        Without that reference the name could be reused before the notification is received.
        """
        if entry.request is not None:
            entry.request = None
            entry.told = True
            self.changed(name)
            if not self.lazy:
                self.lookup(name)

    def strand(self, name: int) -> None:
        """Turn the send right under ``name``, which loses its receive right, into a dead name before its port dies. Its
        dead-name request stays with the port, which dies at once. (``ipc_right_delta``)
        """
        entry = self.entries[name]
        if entry.request is not None:
            entry.request.entry = None
            entry.request = None
            entry.told = True
        self._strand(name, entry)

    def strand_from_live(self, name: int) -> Due | None:
        """As ``strand``, of a port that may be redirected, and then lives on and still counts the send right (hazard
        H-8). Returns the dead-name notification that is due if the name had a request.

        We decide that it is due at once. Those kernels leave the request with the port, until that dies.
        """
        entry = self.entries[name]
        right = self._cancel_request(entry)
        entry.told = right is not None
        self._strand(name, entry)
        return None if right is None else Due(right, Notification.DEAD_NAME, name)

    def _strand(self, name: int, entry: Entry) -> None:
        self.sets.extract_from_all(name)
        self._bury(entry)
        self.changed(name)

    def show(self) -> dict[int, snapshot.Entry]:
        """All names as a snapshot has them. Afterwards ``shown_requests`` has their requests."""
        self.shown = updated_parts(self.shown, self.changed_names, self._show_name)
        self.shown_requests = updated_parts(self.shown_requests, self.changed_names, self._show_request)
        self.changed_names.clear()
        return self.shown

    def _show_name(self, name: int) -> snapshot.Entry | None:
        return self.entries[name].show(self, name) if name in self.entries else None

    def _show_request(self, name: int) -> snapshot.Entry | None:
        request = self.entries[name].request if name in self.entries else None
        return None if request is None else request.right.show(self, name)
