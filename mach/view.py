"""What an implementation shows that can't show all of a ``Snapshot``: spaces, name by name, as a task can ask about its own.

A part that it never shows (it declares which, ``Capabilities.shows``) is None, and isn't compared. Ports have no numbers of their own here: an
implementation that can tell which names denote one port gives these names one number, whichever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum

import msgspec

from sendright.mach.rights import NULL_NAME, SlotKind
from sendright.mach.snapshot import EMPTY, KIND_WORDS, Difference, Entry, Port, Slot, Snapshot, Task


class ViewPart(Enum):
    """A part of a view. What kinds of rights there are under which names is always shown."""

    SUSPEND_COUNT = "suspend_count"
    UREFS = "urefs"
    PORT = "port"
    REQUEST = "request"
    PSET = "pset"
    SEQUENCE_NUMBER = "sequence_number"
    MAKE_SEND_COUNT = "make_send_count"
    QUEUE_LIMIT = "queue_limit"
    MESSAGES = "messages"
    SEND_RIGHTS = "send_rights"
    SEND_ONCE_RIGHTS = "send_once_rights"
    PORT_DESTROYED = "port_destroyed"
    NO_SENDERS = "no_senders"


OF_A_TASK = (ViewPart.SUSPEND_COUNT,)
OF_A_NAME = (ViewPart.UREFS, ViewPart.PORT, ViewPart.REQUEST)
OF_A_RECEIVE_RIGHT = tuple(part for part in ViewPart if part not in (*OF_A_TASK, *OF_A_NAME))

IN_WORDS = {
    ViewPart.SUSPEND_COUNT: "suspend count",
    ViewPart.UREFS: "user references",
    ViewPart.PORT: "which port it is",
    ViewPart.REQUEST: "dead-name request",
    ViewPart.PSET: "port set",
    ViewPart.SEQUENCE_NUMBER: "sequence number",
    ViewPart.MAKE_SEND_COUNT: "make-send count",
    ViewPart.QUEUE_LIMIT: "queue limit",
    ViewPart.MESSAGES: "messages queued",
    ViewPart.SEND_RIGHTS: "send rights",
    ViewPart.SEND_ONCE_RIGHTS: "send-once rights",
    ViewPart.PORT_DESTROYED: "port-destroyed request",
    ViewPart.NO_SENDERS: "no-senders request",
}


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """The port of a receive right: what ``mach_port_get_receive_status`` tells, and how many send rights there are."""

    pset: int | None = None
    """The name of a set that it is in (where it can be in several, of the lowest), or 0."""
    sequence_number: int | None = None
    make_send_count: int | None = None
    queue_limit: int | None = None
    messages: int | None = None
    send_rights: int | None = None
    send_once_rights: int | None = None
    port_destroyed: bool | None = None
    """Whether such a request is registered."""
    no_senders: bool | None = None


class NamedRight(msgspec.Struct, frozen=True):
    """What a name denotes."""

    kind: SlotKind
    urefs: int | None = None
    """0 for what has no user references."""
    port: int | None = None
    """Names with one number denote one port, and names with another number another one; None: that isn't known of this name."""
    request: bool | None = None
    """Whether a dead-name request is registered."""
    receiver: Receiver | None = None
    """Of a receive right."""


class Space(msgspec.Struct, frozen=True):
    """A live task."""

    names: dict[int, NamedRight]
    suspend_count: int | None = None


class View(msgspec.Struct, frozen=True):
    """The live tasks, by the numbers that ``Snapshot`` has for them."""

    tasks: dict[int, Space]


def view_of(snapshot: Snapshot) -> View:
    """What an implementation that can show every part of a view shows of ``snapshot``."""
    return View({number: _space(snapshot, task) for number, task in snapshot.tasks.items()})


def _space(snapshot: Snapshot, task: Task) -> Space:
    psets: dict[int, int] = {}
    for pset, members in sorted(task.sets.items()):
        for member in members:
            psets.setdefault(member, pset)
    return Space({name: _named(snapshot, task, name, entry, psets) for name, entry in task.names.items()}, task.suspend_count)


def _named(snapshot: Snapshot, task: Task, name: int, entry: Entry, psets: dict[int, int]) -> NamedRight:
    port = snapshot.ports.get(-1 if entry.port is None else entry.port)
    receives = entry.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE) and port is not None
    receiver = _receiver(port, psets.get(name, NULL_NAME)) if receives and port is not None else None
    return NamedRight(entry.kind, entry.urefs, entry.port, name in task.requests, receiver)


def _receiver(port: Port, pset: int) -> Receiver:
    return Receiver(
        pset=pset,
        sequence_number=port.sequence_number,
        make_send_count=port.make_send_count,
        queue_limit=port.queue_limit,
        messages=len(port.queue),
        send_rights=port.send_rights,
        send_once_rights=port.send_once_rights,
        port_destroyed=port.port_destroyed != EMPTY,
        no_senders=port.no_senders != EMPTY,
    )


def missing_part(view: View, shows: frozenset[ViewPart]) -> str | None:
    """What ``view`` lacks that its implementation has declared to show, in words; None: nothing. (Which port a name denotes may be unknown.)"""
    for number, space in view.tasks.items():
        where = f"task {number}"
        for part in OF_A_TASK:
            if part in shows and getattr(space, part.value) is None:
                return f"{where}: the {IN_WORDS[part]} is missing, which it declared to show"
        for name, named in space.names.items():
            receives = named.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
            for part in (ViewPart.UREFS, ViewPart.REQUEST, *(OF_A_RECEIVE_RIGHT if receives else ())):
                holder = named.receiver if part in OF_A_RECEIVE_RIGHT else named
                if part in shows and getattr(holder, part.value, None) is None:
                    return f"{where}, name {name}: the {IN_WORDS[part]} is missing, which it declared to show"
    return None


def view_differences(expected: Snapshot, seen: View, shows: frozenset[ViewPart]) -> tuple[Difference, ...]:
    """Where ``seen`` isn't what the specification's state ``expected`` looks like, as far as it is shown."""
    return tuple(_differences(view_of(expected), seen, shows))


def _differences(expected: View, seen: View, shows: frozenset[ViewPart]) -> Iterator[Difference]:
    ports: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for number in sorted(expected.tasks.keys() | seen.tasks.keys()):
        space, other = expected.tasks.get(number), seen.tasks.get(number)
        if space is None or other is None:
            yield Difference(f"task {number}", "a live task" if space else "none", "a live task" if other else "none")
            continue
        yield from _parts(f"task {number}", space, other, OF_A_TASK, shows)
        for name in sorted(space.names.keys() | other.names.keys()):
            where = f"task {number}, name {name:#x}" if name > 0xFFFF else f"task {number}, name {name}"
            yield from _of_name(where, space.names.get(name), other.names.get(name), shows, ports)


def _of_name(
    where: str, expected: NamedRight | None, seen: NamedRight | None, shows: frozenset[ViewPart], ports: tuple[dict[int, int], dict[int, int]]
) -> Iterator[Difference]:
    if expected is None or seen is None or expected.kind is not seen.kind:
        yield Difference(where, _kind(expected), _kind(seen))
        return
    yield from _parts(where, expected, seen, (ViewPart.UREFS, ViewPart.REQUEST), shows)
    if ViewPart.PORT in shows and expected.port is not None and seen.port is not None:
        there, back = ports[0].setdefault(seen.port, expected.port), ports[1].setdefault(expected.port, seen.port)
        if there != expected.port or back != seen.port:
            other = f"port {there}" if there != expected.port else "another port"
            yield Difference(f"{where}, {IN_WORDS[ViewPart.PORT]}", f"port {expected.port}", other)
    if expected.receiver is not None and seen.receiver is not None:
        yield from _parts(where, expected.receiver, seen.receiver, OF_A_RECEIVE_RIGHT, shows)


def _parts(where: str, expected: object, seen: object, parts: tuple[ViewPart, ...], shows: frozenset[ViewPart]) -> Iterator[Difference]:
    for part in parts:
        one, other = getattr(expected, part.value), getattr(seen, part.value)
        if one != other and part in shows:
            yield Difference(f"{where}, {IN_WORDS[part]}", _value(one), _value(other))


def _value(value: object) -> str:
    return ("registered" if value else "none") if isinstance(value, bool) else str(value)


def _kind(named: NamedRight | None) -> str:
    return KIND_WORDS[SlotKind.NONE if named is None else named.kind]


NOT_SHOWN = "expected, not shown"
"""What reports say beside a part of a state that an implementation doesn't show: what stands there is what the specification expects."""


def hidden_in_words(slot: Slot, before: Entry, after: Entry, shows: Collection[ViewPart] | None) -> str:
    """What of the change of a slot from ``before`` to ``after`` (which may be the same) the implementation doesn't show, in words.

    Empty: it shows all of it. ``shows`` is what it shows of its state; None: everything.
    """
    if shows is None:
        return ""
    if slot.where == "message" and slot.owner < 0:
        return "only that it is there is shown"
    if slot.where != "name":
        part = {"request": ViewPart.REQUEST, "no-senders": ViewPart.NO_SENDERS, "port-destroyed": ViewPart.PORT_DESTROYED}.get(slot.where)
        return NOT_SHOWN if part not in shows else "" if not after.kind else f"which right it is: {NOT_SHOWN}"
    same_kind = before.kind is after.kind
    if before != after and same_kind and not (before.urefs != after.urefs and ViewPart.UREFS in shows):
        return NOT_SHOWN if before.port == after.port or ViewPart.PORT not in shows else ""
    hidden = [part for part, told in ((ViewPart.PORT, after.port), (ViewPart.UREFS, after.urefs)) if part not in shows and told]
    return f"{' and '.join(IN_WORDS[part] for part in hidden)}: {NOT_SHOWN}" if hidden else ""


def is_shown(slot: Slot, shows: Collection[ViewPart] | None) -> bool:
    """Whether the implementation shows itself that there is a right in ``slot``, and of which kind it is."""
    return shows is None or slot.where == "name"


def ports_in_view(snapshot: Snapshot) -> frozenset[int]:
    """The ports of which a view tells the state: those whose receive rights are in name spaces."""
    receives = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
    return frozenset(
        entry.port for task in snapshot.tasks.values() for entry in task.names.values() if entry.kind in receives and entry.port is not None
    )
