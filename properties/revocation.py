"""What a task's end revokes: the rights that go with it, those of others that die, and who is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from sendright.mach.rights import SlotKind
from sendright.mach.snapshot import Entry, Slot, Snapshot, entry_in_words, messages, slots
from sendright.properties.carried import DESTINATION

_RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
_SENDING = (SlotKind.SEND, SlotKind.SEND_RECEIVE)


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """What ``task_terminate`` of a task takes away."""

    task: int
    ports: tuple[int, ...]
    """The ports that die: its own, those that it receives from, and those whose receive rights wait in the queues of such."""
    rescued: tuple[int, ...]
    """The ports whose receive rights go to who asked for them instead."""
    own: dict[Slot, Entry]
    """What is in its names, places and dead-name requests, and what a call of its still holds: released, or used to tell."""
    queued: dict[Slot, Entry]
    """What is in messages that are destroyed, with the ports that they wait at or with the call that sends them: released."""
    fired: dict[Slot, Entry]
    """Requests for notifications that come true, or never can: of ports that die, that are rescued or that nobody can send to any more, and
    of other tasks' names for ports that die."""
    others: dict[Slot, Entry]
    """Rights of others to ports that die: they become dead names and dead rights."""

    def in_words(self) -> dict[str, list[str]]:
        """All that, for readers."""
        return {
            "port that dies": [f"port {port}" for port in self.ports],
            "receive right that goes to who asked for it": [f"receive right of port {port}" for port in self.rescued],
            "released": [f"{entry_in_words(entry)} at {slot}" for slot, entry in (self.own | self.queued).items()],
            "request that ends": [f"{entry_in_words(entry)} at {slot}" for slot, entry in self.fired.items()],
            "dies": [f"{entry_in_words(entry)} at {slot}" for slot, entry in self.others.items()],
        }


def revoked_by_end(snapshot: Snapshot, task: int) -> Revocation:
    """What the end of the live ``task`` revokes in the state ``snapshot``. Raises KeyError if there is no such task."""
    rights = slots(snapshot)
    own = {slot: entry for slot, entry in rights.items() if slot.task == task}
    waits_in = snapshot.tasks[task].waiting
    unsent = {waits_in.message.serial} if waits_in is not None and waits_in.message is not None else set()
    """The message that the task waits with: it is destroyed, its destination right too."""
    dying = {snapshot.tasks[task].port}
    while True:
        destroyed = unsent | {message.serial for port in dying if port in snapshot.ports for message in snapshot.ports[port].queue}
        queued = {slot: entry for slot, entry in rights.items() if slot.where == "message" and slot.owner in destroyed}
        lost = _received([*own.values(), *queued.values()])
        more = {port for port in lost if not _is_rescued(snapshot, port, lost, dying)} - dying
        if not more:
            break
        dying |= more
    fired = _fired(snapshot, rights, own.keys() | queued.keys(), dying, lost)
    gone = own.keys() | queued.keys() | fired.keys()
    return Revocation(
        task=task,
        ports=tuple(sorted(dying)),
        rescued=tuple(sorted(lost - dying)),
        own=own,
        queued={slot: entry for slot, entry in queued.items() if slot.index != DESTINATION or slot.owner in unsent},
        fired=fired,
        others={slot: entry for slot, entry in rights.items() if entry.port in dying and slot not in gone},
    )


def _is_rescued(snapshot: Snapshot, port: int, lost: Collection[int], dying: Collection[int]) -> bool:
    """Whether the receive right of ``port``, one of those that are ``lost``, goes to a port that lives on, over however many messages."""
    on_the_way = {
        descriptor.entry.port: (number, message)
        for number, message in messages(snapshot)
        for descriptor in message.body
        if descriptor.entry.kind is SlotKind.RECEIVE
    }
    passed: set[int] = set()
    at: int | None = port
    while at is not None and at not in passed and at not in dying and at in snapshot.ports:
        passed.add(at)
        if at in lost:
            at = snapshot.ports[at].port_destroyed.port
        elif at not in on_the_way:
            return True
        else:
            at, message = on_the_way[at]
            if at in dying and message not in snapshot.ports[at].queue:  # it waits for room, and isn't destroyed with the port
                return True
    return False


def _fired(
    snapshot: Snapshot, rights: dict[Slot, Entry], released: Collection[Slot], dying: Collection[int], lost: Collection[int]
) -> dict[Slot, Entry]:
    before, after = (Counter(entry.port for slot, entry in rights.items() if entry.kind in _SENDING and slot not in gone) for gone in ((), released))

    def ends(slot: Slot) -> bool:
        if slot.where == "request":
            named = snapshot.tasks[slot.owner].names.get(slot.index)
            return named is not None and named.port in dying
        if slot.where == "no-senders":
            return slot.owner in dying or (before[slot.owner] > 0 and after[slot.owner] == 0)
        return slot.where == "port-destroyed" and slot.owner in lost

    return {slot: entry for slot, entry in rights.items() if slot not in released and ends(slot)}


def _received(entries: Iterable[Entry]) -> set[int]:
    return {entry.port for entry in entries if entry.kind in _RECEIVING and entry.port is not None}
