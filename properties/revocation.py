"""What a task's end revokes: the rights that go with it, and those of others that die."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sendright.mach.rights import SlotKind
from sendright.mach.snapshot import Entry, Slot, Snapshot, entry_in_words, slots
from sendright.properties.origins import DESTINATION

_RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """What ``task_terminate`` of a task takes away."""

    task: int
    ports: tuple[int, ...]
    """The ports that die: its own, those that it receives from, and those whose receive rights wait in the queues of such."""
    own: dict[Slot, Entry]
    """What is in its names and places: released."""
    queued: dict[Slot, Entry]
    """What is in messages that are destroyed with the ports that they wait at: released."""
    others: dict[Slot, Entry]
    """Rights of others to ports that die: they become dead names and dead rights."""

    def in_words(self) -> dict[str, list[str]]:
        """All that, for readers."""
        return {
            "port that dies": [f"port {port}" for port in self.ports],
            "released": [f"{entry_in_words(entry)} at {slot}" for slot, entry in (self.own | self.queued).items()],
            "dies": [f"{entry_in_words(entry)} at {slot}" for slot, entry in self.others.items()],
        }


def revoked_by_end(snapshot: Snapshot, task: int) -> Revocation:
    """What the end of the live ``task`` revokes in the state ``snapshot``. Raises KeyError if there is no such task."""
    rights = slots(snapshot)
    own = {slot: entry for slot, entry in rights.items() if slot.where != "message" and slot.owner == task}
    dying = {snapshot.tasks[task].port, *_received(own.values())}
    while True:
        destroyed = {message.serial for port in dying if port in snapshot.ports for message in snapshot.ports[port].queue}
        queued = {slot: entry for slot, entry in rights.items() if slot.where == "message" and slot.owner in destroyed}
        more = _received(queued.values()) - dying
        if not more:
            break
        dying |= more
    others = {slot: entry for slot, entry in rights.items() if entry.port in dying and slot not in own and slot not in queued}
    return Revocation(
        task=task,
        ports=tuple(sorted(dying)),
        own=own,
        queued={slot: entry for slot, entry in queued.items() if slot.index != DESTINATION},
        others=others,
    )


def _received(entries: Iterable[Entry]) -> set[int]:
    return {entry.port for entry in entries if entry.kind in _RECEIVING and entry.port is not None}
