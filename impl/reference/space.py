"""Port name spaces: a task's small numbers for its rights.

All send and receive rights of a space to one port share one name; each send-once right has its own (semantics 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sendright.impl.reference.notifications import Notification, notify, release_send
from sendright.impl.reference.port import NO_PORT, Port, Right
from sendright.impl.reference.port_set import PortSets
from sendright.impl.reference.waiting import Receiving
from sendright.mach import snapshot
from sendright.mach.parts import Parts, updated_parts
from sendright.mach.rights import SlotKind

if TYPE_CHECKING:
    from sendright.impl.reference.task import Task

HAS_SEND = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
HAS_RECEIVE = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


class Entry:
    """What one name denotes: SEND and SEND_RECEIVE count ``urefs`` for the send part, RECEIVE and PORT_SET have none."""

    __slots__ = ("kind", "port", "request", "urefs")

    def __init__(self, kind: SlotKind, port: Port, urefs: int) -> None:
        self.kind = kind
        self.port = port
        self.urefs = urefs
        self.request: Right | None = None
        """The send-once right over which the end of what the name denotes is to be told. It is here, so it goes where the entry goes."""

    def rights(self) -> tuple[Right, ...]:
        """The rights here, each of which somebody must release when the name goes."""
        if self.kind is SlotKind.SEND_RECEIVE:
            return Right(SlotKind.SEND, self.port), Right(SlotKind.RECEIVE, self.port)
        return (Right(self.kind, self.port),)

    def show(self, space: Space, name: int) -> snapshot.Entry:
        """This entry as a snapshot has it."""
        if self.port.alive:
            self.port.shown_by.add((space, name))
            return snapshot.Entry(self.kind, self.port.number, self.urefs)
        return snapshot.Entry(SlotKind.PORT_SET if self.kind is SlotKind.PORT_SET else SlotKind.DEAD_NAME, None, self.urefs)


class Space:
    """One task's names. Entries change only through the methods here, which keep the index by port."""

    __slots__ = ("changed_names", "entries", "lowest_free", "names_by_port", "pegged_at", "send_urefs_max", "sets", "shown", "shown_requests", "task")

    task: Task
    """The task whose space it is."""

    def __init__(self, send_urefs_max: int, pegged_at: int | None = None) -> None:
        self.send_urefs_max = send_urefs_max
        self.pegged_at = pegged_at
        """So many user references stay as they are when one is added or given up; None: references are never pegged."""
        self.entries: dict[int, Entry] = {}
        self.names_by_port: dict[Port, int] = {}
        """The name of each port that has SEND or RECEIVE here (and of some that have died since)."""
        self.sets = PortSets()
        self.lowest_free = 1
        """No name below this one is free."""
        self.changed_names: set[int] = set()
        """The names that are no more as the last snapshot shows them."""
        self.shown: Parts[snapshot.Entry] = Parts()
        self.shown_requests: Parts[snapshot.Entry] = Parts()

    def changed(self, place: int = 0) -> None:
        """The name ``place``, or a set in which it is, is no more as the last snapshot shows it."""
        self.changed_names.add(place)
        self.task.changed()

    def lookup(self, name: int) -> Entry | None:
        """What ``name`` denotes now: a right whose port has died is found a dead name, with the same user references."""
        entry = self.entries.get(name)
        if entry is not None and not entry.port.alive and entry.port is not NO_PORT:
            self._bury(entry)
        return entry

    def _bury(self, entry: Entry) -> None:
        self.names_by_port.pop(entry.port, None)
        entry.kind = SlotKind.DEAD_NAME
        entry.port = NO_PORT

    def name_of(self, port: Port) -> int | None:
        """The name under which the space has SEND or RECEIVE for the live ``port``."""
        return self.names_by_port.get(port)

    def fresh_name(self) -> int:
        """The lowest name that denotes nothing."""
        while self.lowest_free in self.entries:
            self.lowest_free += 1
        return self.lowest_free

    def enter(self, name: int, kind: SlotKind, port: Port = NO_PORT) -> None:
        """Let the unused ``name`` denote a right; ``port`` must not be known here already, unless the right is send-once."""
        urefs = 0 if kind in (SlotKind.RECEIVE, SlotKind.PORT_SET) else 1
        self.entries[name] = Entry(kind, port, urefs)
        if kind is SlotKind.SEND or kind is SlotKind.RECEIVE:
            self.names_by_port[port] = name
        self.changed(name)

    def rename(self, old: int, new: int) -> None:
        """Let the unused name ``new`` denote what ``old`` does; its references and its place in port sets stay."""
        entry = self.entries[new] = self.entries.pop(old)
        if self.names_by_port.get(entry.port) == old:
            self.names_by_port[entry.port] = new
        self.sets.rename(old, new)
        waiting = self.task.waiting
        if isinstance(waiting, Receiving) and waiting.name == old:
            waiting.name = new
        self.lowest_free = min(self.lowest_free, old)
        self.changed(old)
        self.changed(new)

    def join(self, name: int, right: Right) -> None:
        """Let a send or receive right join what ``name`` already has for the same port.

        A second send right becomes a user reference: however many references an entry has, its port counts it once.
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
        """Change the user references of a send right or a dead name; at 0 it goes, and what it shared the name with stays."""
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
        """One user reference fewer of a send right or a dead name, unless they are pegged."""
        urefs = self.entries[name].urefs
        if urefs != self.pegged_at:
            self.set_references(name, urefs - 1)

    def leave_receive(self, name: int) -> None:
        """The receive right under ``name`` goes elsewhere; a send right stays there, under the same name."""
        entry = self.entries[name]
        if entry.kind is SlotKind.SEND_RECEIVE:
            entry.kind = SlotKind.SEND
            self.sets.extract_from_all(name)
            self.changed(name)
        else:
            self.free(name)

    def free(self, name: int) -> None:
        """Let ``name`` denote nothing. The rights that it had are the caller's now; who asked about it is told that the name is gone."""
        entry = self.entries.pop(name)
        if entry.request is not None:
            del entry.port.watchers[entry]
            notify(entry.request, Notification.PORT_DELETED, name)
        if entry.kind is not SlotKind.SEND_ONCE:
            self.names_by_port.pop(entry.port, None)
        self.sets.forget(name)
        self.lowest_free = min(self.lowest_free, name)
        self.changed(name)

    def clear(self) -> list[Right]:
        """Let no name denote anything; all the rights there were, by ascending names, for the caller to release."""
        rights: list[Right] = []
        for name, entry in sorted(self.entries.items()):
            rights += entry.rights()
            self.free(name)
        return rights

    def set_request(self, name: int, right: Right | None) -> Right | None:
        """Keep ``right``, or none, until ``name`` ceases to denote its right to a live port; the one kept so far is the caller's."""
        entry = self.entries[name]
        previous, entry.request = entry.request, right
        if right is None:
            entry.port.watchers.pop(entry, None)
        else:
            entry.port.watchers[entry] = self
        self.changed(name)
        return previous

    def tell_dead(self, entry: Entry) -> None:
        """The right in ``entry`` becomes a dead name: who asked about it is told, and is given a user reference.

        Without that the name could denote something else before the message is read.
        """
        if entry.request is not None:
            name = next(name for name, other in self.entries.items() if other is entry)
            if entry.urefs != self.pegged_at:
                entry.urefs += 1
            waiting, entry.request = entry.request, None
            self.changed(name)
            notify(waiting, Notification.DEAD_NAME, name)

    def strand(self, name: int) -> None:
        """Let the send right under ``name`` become a dead name although its port lives, and goes on counting it (hazard H-8)."""
        entry = self.entries[name]
        entry.port.watchers.pop(entry, None)
        self.tell_dead(entry)
        self._bury(entry)
        self.changed(name)

    def show(self) -> dict[int, snapshot.Entry]:
        """All names as a snapshot has them; ``shown_requests`` then has the requests about them."""
        self.shown = updated_parts(self.shown, self.changed_names, self._show_name)
        self.shown_requests = updated_parts(self.shown_requests, self.changed_names, self._show_request)
        self.changed_names.clear()
        return self.shown

    def _show_name(self, name: int) -> snapshot.Entry | None:
        return self.entries[name].show(self, name) if name in self.entries else None

    def _show_request(self, name: int) -> snapshot.Entry | None:
        request = self.entries[name].request if name in self.entries else None
        return None if request is None else request.show(self, name)
