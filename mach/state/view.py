"""The state shown by an implementation that can't show a whole ``Snapshot``: spaces, name by name, as a task can read
its own.

The implementation declares which parts it shows (``Capabilities.shows``). The other parts are None, and aren't
compared. Ports have no fixed numbers here: an implementation that knows which names denote the same port gives these
names the same number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum

import msgspec

from sendright.mach.abi.rights import NULL_NAME, SlotKind
from sendright.mach.state.snapshot import EMPTY, KIND_WORDS, Difference, Entry, Port, Slot, Snapshot, Task


class ViewPart(Enum):
    """A part of a view. (The names and their kinds of rights are always shown.)"""

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
    """The port of a receive right: its ``mach_port_get_receive_status``, and its number of send rights."""

    pset: int | None = None
    """The name of its port set (the lowest, if it can be in several), or 0."""
    sequence_number: int | None = None
    make_send_count: int | None = None
    queue_limit: int | None = None
    messages: int | None = None
    send_rights: int | None = None
    send_once_rights: int | None = None
    port_destroyed: bool | None = None
    """Whether a port-destroyed request is registered."""
    no_senders: bool | None = None


class NamedRight(msgspec.Struct, frozen=True):
    """What a name denotes."""

    kind: SlotKind
    urefs: int | None = None
    """0 if it has no user references."""
    port: int | None = None
    """Names with the same number denote the same port, names with different numbers different ports; None: unknown."""
    request: bool | None = None
    """Whether a dead-name request is registered."""
    receiver: Receiver | None = None
    """For a receive right: its port."""


class Space(msgspec.Struct, frozen=True):
    """A live task."""

    names: dict[int, NamedRight]
    suspend_count: int | None = None


class View(msgspec.Struct, frozen=True):
    """The live tasks, by the numbers that ``Snapshot`` has for them."""

    tasks: dict[int, Space]


def view_of(snapshot: Snapshot) -> View:
    """``snapshot`` as a view with all its parts."""
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
    return NamedRight(entry.type_kind, entry.urefs, entry.port, name in task.requests, receiver)


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
    """The first declared part that is missing in ``view``, in words; None: none. (Which port a name denotes may be
    unknown.)"""
    for number, space in view.tasks.items():
        where = f"task {number}"
        for part in OF_A_TASK:
            if part in shows and getattr(space, part.value) is None:
                return f"{where}: the {IN_WORDS[part]} is missing, although it is declared in shows"
        for name, named in space.names.items():
            receives = named.kind in (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
            for part in (ViewPart.UREFS, ViewPart.REQUEST, *(OF_A_RECEIVE_RIGHT if receives else ())):
                holder = named.receiver if part in OF_A_RECEIVE_RIGHT else named
                if part in shows and getattr(holder, part.value, None) is None:
                    return f"{where}, name {name}: the {IN_WORDS[part]} is missing, although it is declared in shows"
    return None


def view_differences(expected: Snapshot, seen: View, shows: frozenset[ViewPart]) -> tuple[Difference, ...]:
    """The differences between ``seen`` and the specification's state ``expected`` in the parts that ``shows`` names."""
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
            one, two = space.names.get(name), other.names.get(name)
            if one is None or two is None or _look_different(one, two, ports):
                where = f"task {number}, name {name:#x}" if name > 0xFFFF else f"task {number}, name {name}"
                yield from _of_name(where, one, two, shows, ports)


def _look_different(expected: NamedRight, seen: NamedRight, ports: tuple[dict[int, int], dict[int, int]]) -> bool:
    """Whether two rights may differ: quickly, as nearly all are equal. Notes in ``ports`` which port is which."""
    return (
        expected.kind is not seen.kind
        or expected.urefs != seen.urefs
        or expected.request != seen.request
        or expected.receiver != seen.receiver
        or (expected.port is not None and seen.port is not None and not _is_same_port(expected.port, seen.port, ports))
    )


def _is_same_port(expected: int, seen: int, ports: tuple[dict[int, int], dict[int, int]]) -> bool:
    """Whether two numbers denote one port, as far as ``ports`` knows: numbers that it doesn't know yet do."""
    there, back = ports[0].setdefault(seen, expected), ports[1].setdefault(expected, seen)
    return there == expected and back == seen


def _of_name(
    where: str, expected: NamedRight | None, seen: NamedRight | None, shows: frozenset[ViewPart], ports: tuple[dict[int, int], dict[int, int]]
) -> Iterator[Difference]:
    if expected is None or seen is None or expected.kind is not seen.kind:
        yield Difference(where, _kind(expected), _kind(seen))
        return
    yield from _parts(where, expected, seen, (ViewPart.UREFS, ViewPart.REQUEST), shows)
    if ViewPart.PORT in shows and expected.port is not None and seen.port is not None and not _is_same_port(expected.port, seen.port, ports):
        other = f"port {ports[0][seen.port]}" if ports[0][seen.port] != expected.port else "another port"
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
"""The note in reports on a part of a state that the implementation doesn't show: the value is the specification's."""


def hidden_in_words(slot: Slot, before: Entry, after: Entry, shows: Collection[ViewPart] | None) -> str:
    """The parts that the implementation doesn't show of a slot's change from ``before`` to ``after``, in words; empty:
    none.

    ``before`` and ``after`` may be equal. ``shows``: the parts of its state that it shows; None: everything.
    """
    if shows is None:
        return ""
    if slot.where == "message" and slot.owner < 0:
        return "only its existence is shown"
    if slot.where != "name":
        part = {"request": ViewPart.REQUEST, "no-senders": ViewPart.NO_SENDERS, "port-destroyed": ViewPart.PORT_DESTROYED}.get(slot.where)
        return NOT_SHOWN if part not in shows else "" if not after.kind else f"which right it is: {NOT_SHOWN}"
    same_kind = before.kind is after.kind
    if before != after and same_kind and not (before.urefs != after.urefs and ViewPart.UREFS in shows):
        return NOT_SHOWN if before.port == after.port or ViewPart.PORT not in shows else ""
    hidden = [part for part, told in ((ViewPart.PORT, after.port), (ViewPart.UREFS, after.urefs)) if part not in shows and told]
    return f"{' and '.join(IN_WORDS[part] for part in hidden)}: {NOT_SHOWN}" if hidden else ""


def is_shown(slot: Slot, shows: Collection[ViewPart] | None) -> bool:
    """Whether the implementation itself shows the existence and the kind of a right in ``slot``."""
    return shows is None or slot.where == "name"


def ports_in_view(snapshot: Snapshot) -> frozenset[int]:
    """The ports whose state a view shows: those whose receive rights are in name spaces."""
    receives = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
    return frozenset(
        entry.port for task in snapshot.tasks.values() for entry in task.names.values() if entry.kind in receives and entry.port is not None
    )
