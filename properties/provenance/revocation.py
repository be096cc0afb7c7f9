"""What a task's termination revokes: its own rights, other tasks' rights that die, and the notifications that it
triggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from sendright.mach.abi.rights import SlotKind
from sendright.mach.state.snapshot import Entry, Slot, Snapshot, entry_in_words, messages, slots
from sendright.properties.provenance.carried import DESTINATION

_RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
_SENDING = (SlotKind.SEND, SlotKind.SEND_RECEIVE)


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of ``task_terminate`` of a task on rights."""

    task: int
    ports: tuple[int, ...]
    """The ports that die: its own, those that it receives from, and those whose receive rights are in the queues of
    dying ports."""
    redirected: tuple[int, ...]
    """The ports whose receive rights are redirected by port-destroyed requests."""
    own: dict[Slot, Entry]
    """The rights in its names, places and dead-name requests, and held by its pending call: released, or used for
    notifications."""
    queued: dict[Slot, Entry]
    """The rights in messages that are destroyed with their port or with the call that sends them: released."""
    fired: dict[Slot, Entry]
    """Requests for notifications that fire, or that can never fire: of ports that die, whose receive right is
    redirected or that have no senders left, and of other tasks' names for ports that die."""
    others: dict[Slot, Entry]
    """Other holders' rights to ports that die: they become dead names and dead rights."""

    def in_words(self) -> dict[str, list[str]]:
        """Heading -> list of effects, for readers."""
        return {
            "port that dies": [f"port {port}" for port in self.ports],
            "receive right that goes to the destination of its port-destroyed request": [f"receive right of port {port}" for port in self.redirected],
            "released": [f"{entry_in_words(entry)} at {slot}" for slot, entry in (self.own | self.queued).items()],
            "request that ends": [f"{entry_in_words(entry)} at {slot}" for slot, entry in self.fired.items()],
            "dies": [f"{entry_in_words(entry)} at {slot}" for slot, entry in self.others.items()],
        }


def revoked_by_end(snapshot: Snapshot, task: int) -> Revocation:
    """What the termination of the live ``task`` revokes in the state ``snapshot``. Raises KeyError if there is no
    such task."""
    rights = slots(snapshot)
    own = {slot: entry for slot, entry in rights.items() if slot.task == task}
    waits_in = snapshot.tasks[task].waiting
    unsent = {waits_in.message.serial} if waits_in is not None and waits_in.message is not None else set()
    """The message that the task is blocked with: it is destroyed, with its destination right."""
    dying = {snapshot.tasks[task].port}
    while True:
        destroyed = unsent | {message.serial for port in dying if port in snapshot.ports for message in snapshot.ports[port].queue}
        queued = {slot: entry for slot, entry in rights.items() if slot.where == "message" and slot.owner in destroyed}
        lost = _received([*own.values(), *queued.values()])
        more = {port for port in lost if not _is_redirected(snapshot, port, lost, dying)} - dying
        if not more:
            break
        dying |= more
    fired = _fired(snapshot, rights, own.keys() | queued.keys(), dying, lost)
    gone = own.keys() | queued.keys() | fired.keys()
    return Revocation(
        task=task,
        ports=tuple(sorted(dying)),
        redirected=tuple(sorted(lost - dying)),
        own=own,
        queued={slot: entry for slot, entry in queued.items() if slot.index != DESTINATION or slot.owner in unsent},
        fired=fired,
        others={slot: entry for slot, entry in rights.items() if entry.port in dying and slot not in gone},
    )


def _is_redirected(snapshot: Snapshot, port: int, lost: Collection[int], dying: Collection[int]) -> bool:
    """Whether the receive right of ``port``, one of the ``lost`` ports, is redirected to a port that stays alive,
    directly or inside other messages."""
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
            if at in dying and message not in snapshot.ports[at].queue:  # it waits for room, so it isn't destroyed with the port
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
