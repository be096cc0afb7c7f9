"""The state of an implementation according to its view, for a view that differs from what the specification expects.

A view (``view.py``) doesn't show everything. So this state starts as the expected one, and everything that the view
shows differently replaces it. Reports then say what the implementation showed, and never the opposite.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import msgspec

from sendright.mach.abi.rights import SlotKind
from sendright.mach.state.snapshot import EMPTY, Descriptor, Entry, Message, Port, Snapshot, Task
from sendright.mach.state.view import OF_A_RECEIVE_RIGHT, NamedRight, Receiver, Space, View, ViewPart

NO_PORT = -1
"""The port of a task that is only known to be alive."""
_RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
_PORTLESS = (SlotKind.NONE, SlotKind.DEAD_NAME, SlotKind.PORT_SET)
_COUNTED = (SlotKind.SEND, SlotKind.SEND_RECEIVE, SlotKind.SEND_ONCE, SlotKind.DEAD_NAME)
_COUNTS = (ViewPart.SEQUENCE_NUMBER, ViewPart.MAKE_SEND_COUNT, ViewPart.QUEUE_LIMIT, ViewPart.SEND_RIGHTS, ViewPart.SEND_ONCE_RIGHTS)


def seen_state(expected: Snapshot, before: Snapshot, seen: View, shows: frozenset[ViewPart]) -> Snapshot:
    """``expected``, corrected by everything in ``seen`` that the implementation declares to show (``shows``).

    What a view doesn't show of an unexpected right is taken from ``before``, if the right was there then: a right that
    should be gone and isn't is still to its old port. If it wasn't there, its ``Entry.port`` is None: unknown.
    """
    return _StateFromView(expected, before, seen, shows).state()


class _StateFromView:
    """One state while it is built."""

    def __init__(self, expected: Snapshot, before: Snapshot, seen: View, shows: frozenset[ViewPart]) -> None:
        self.expected, self.before, self.seen, self.shows = expected, before, seen, shows
        self.numbers: dict[int, int] = {}
        """A port's number in the view -> its number in snapshots."""
        self.taken: dict[int, int] = {}
        """A port's number in snapshots -> its number in the view."""
        self.ports = dict(expected.ports)
        self.serials = count(-1, -1)
        """Serials for unknown messages."""

    def state(self) -> Snapshot:
        for task, name, named in self._names():
            entry = self._entry(self.expected, task, name)
            if entry.kind is named.kind:
                self._same(named.port, entry.port)
        tasks = {number: self._task(number, space) for number, space in sorted(self.seen.tasks.items())}
        for task, name, named in self._names():
            port = tasks[task].names[name].port
            if named.receiver is not None and port in self.ports and named.kind in _RECEIVES:
                self.ports[port] = self._port(port, named.receiver)
        return msgspec.structs.replace(self.expected, tasks=tasks, ports=self.ports)

    def _names(self) -> Iterator[tuple[int, int, NamedRight]]:
        for task, space in sorted(self.seen.tasks.items()):
            yield from ((task, name, named) for name, named in sorted(space.names.items()) if named.kind)

    @staticmethod
    def _entry(snapshot: Snapshot, task: int, name: int) -> Entry:
        return snapshot.tasks[task].names.get(name, EMPTY) if task in snapshot.tasks else EMPTY

    # ---- ports

    def _same(self, number: int | None, port: int | None) -> bool:
        """Identify ``number`` in the view with ``port``, unless one of them is already identified otherwise; returns
        whether it did."""
        if port is None or number is None or ViewPart.PORT not in self.shows:
            return port is not None
        if self.numbers.get(number, port) != port or self.taken.get(port, number) != number:
            return False
        self.numbers[number], self.taken[port] = port, number
        return True

    def _port_of(self, task: int, name: int, named: NamedRight) -> int | None:
        """The port that the name denotes; None: unknown, or it denotes no port."""
        if named.kind in _PORTLESS:
            return None
        if ViewPart.PORT in self.shows and named.port in self.numbers:
            return self.numbers[named.port]
        for snapshot in (self.expected, self.before):
            port = self._entry(snapshot, task, name).port
            if (named.port is None or port not in self.taken) and self._same(named.port, port):
                return port
        return None

    def _port(self, number: int, receiver: Receiver) -> Port:
        port = self.ports[number]
        told = {part: getattr(receiver, part.value) for part in OF_A_RECEIVE_RIGHT if part in self.shows}
        told = {part: value for part, value in told.items() if value is not None}
        was = self.before.ports.get(number, port)
        changed = {part.value: told[part] for part in _COUNTS if part in told}
        for part in (ViewPart.PORT_DESTROYED, ViewPart.NO_SENDERS):
            if part in told:
                changed[part.value] = _request(told[part], getattr(port, part.value), getattr(was, part.value))
        if ViewPart.MESSAGES in told:
            changed["queue"] = self._queue(number, told[ViewPart.MESSAGES], port.queue, was.queue)
        return msgspec.structs.replace(port, **changed)

    def _queue(self, port: int, number: int, expected: tuple[Message, ...], before: tuple[Message, ...]) -> tuple[Message, ...]:
        """A queue of this ``number`` of messages: expected ones, earlier ones, and then unknown ones with only a
        destination."""
        found = expected if len(expected) == number else before if len(before) == number else expected[:number]
        more = min(number, len(found) + MOST_MESSAGES) - len(found)
        return (*found, *(_unknown_message(next(self.serials), port) for _ in range(more)))

    # ---- tasks

    def _task(self, number: int, space: Space) -> Task:
        task = self.expected.tasks.get(number) or self.before.tasks.get(number) or _UNKNOWN
        self._keep(task.port)
        names = {name: self._right(number, name, named) for name, named in sorted(space.names.items()) if named.kind}
        return msgspec.structs.replace(
            task,
            names=names,
            sets=self._sets(task, space, names),
            requests=dict(self._requests(number, task, space)),
            suspend_count=space.suspend_count if ViewPart.SUSPEND_COUNT in self.shows and space.suspend_count is not None else task.suspend_count,
        )

    def _right(self, task: int, name: int, named: NamedRight) -> Entry:
        expected, before = self._entry(self.expected, task, name), self._entry(self.before, task, name)
        port = self._port_of(task, name, named)
        self._keep(port)
        urefs = named.urefs if ViewPart.UREFS in self.shows else None
        if urefs is None:
            known = [entry.urefs for entry in (expected, before) if entry.kind is named.kind]
            urefs = known[0] if known else int(named.kind in _COUNTED)
        return Entry(named.kind, port, urefs)

    def _keep(self, port: int | None) -> None:
        """Keep a port to which a right exists, even if it should have died."""
        if port is not None and port not in self.ports and port in self.before.ports:
            self.ports[port] = self.before.ports[port]

    def _requests(self, number: int, task: Task, space: Space) -> Iterator[tuple[int, Entry]]:
        was = self.before.tasks[number].requests if number in self.before.tasks else {}
        for name, named in sorted(space.names.items()):
            expected = task.requests.get(name, EMPTY)
            told = named.request if ViewPart.REQUEST in self.shows else None
            entry = expected if told is None else _request(told, expected, was.get(name, EMPTY))
            if entry.kind:
                yield name, entry

    def _sets(self, task: Task, space: Space, names: dict[int, Entry]) -> dict[int, tuple[int, ...]]:
        """Port set -> its members' names: a view shows the lowest set of each member."""
        sets = {pset: set(members) for pset, members in task.sets.items()}
        for name, named in space.names.items():
            told = named.receiver.pset if named.receiver is not None and ViewPart.PSET in self.shows else None
            among = sorted(pset for pset, members in sets.items() if name in members)
            if told is None or told == (among[0] if among else 0):
                continue
            for pset in among:
                sets[pset].discard(name)
            if told:
                sets.setdefault(told, set()).add(name)
        of_receivers = {name for name, entry in names.items() if entry.kind in _RECEIVES}
        kept = {pset: tuple(sorted(members & of_receivers)) for pset, members in sorted(sets.items()) if pset in names}
        return {pset: members for pset, members in kept.items() if members}


MOST_MESSAGES = 64
"""The most unknown messages put into a queue: a view may show any number."""

_SECURITY, _AUDIT = (-1, -1), (-1, -1, -1, -1, -1, -1, -1, -1)
"""Stand-ins for unknown tokens: no task has them."""
_UNKNOWN = Task(port=NO_PORT, security_token=_SECURITY, audit_token=_AUDIT, names={}, places={}, ledgers=None, memory={})
"""A task of which no creation is known."""


def _unknown_message(serial: int, port: int) -> Message:
    """A message with only a known destination."""
    destination = Entry(SlotKind.SEND, port)
    return Message(
        serial=serial,
        id=0,
        destination=destination,
        reply=Descriptor(EMPTY, 0),
        body=(),
        security_token=_SECURITY,
        audit_token=_AUDIT,
    )


def _request(there: bool, *known: Entry) -> Entry:
    """The right of a request, EMPTY if it isn't ``there``: the first ``known`` one, or one to an unknown port."""
    if not there:
        return EMPTY
    return next((entry for entry in known if entry.kind), Entry(SlotKind.SEND_ONCE))
