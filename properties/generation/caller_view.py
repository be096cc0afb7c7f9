"""The state as a generator of calls needs it: the caller's names, the rights they denote, and free names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, PortObject, SlotKind
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures.messages import MESSAGE_CALLS
from sendright.mach.state.process import Process
from sendright.mach.state.snapshot import EMPTY, Entry, Message, Port, Snapshot, messages
from sendright.properties.generation.choices import Choices

SENDING = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
RECEIVING = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)

UNKNOWN_NAMES = (77, 0x1000, 0xFFFFFFFE)
FEW = 12
"""Generated calls put rights under names below this."""


def can_go_on(snapshot: Snapshot, task: int) -> bool:
    """Whether the pending call of ``task`` would probably end, if resumed. (This only affects which call is tried
    next.)"""
    shown = snapshot.tasks[task]
    waiting = shown.waiting
    if waiting is not None and waiting.call == "wait4" and shown.process is not None:
        return _has_ended_child(snapshot, shown.process.pid, waiting.pid)
    if waiting is None or waiting.call not in MESSAGE_CALLS:
        return waiting is not None
    if waiting.message is not None:
        port = snapshot.ports.get(-1 if waiting.message.destination.port is None else waiting.message.destination.port)
        return port is None or len(port.queue) < port.queue_limit
    entry = shown.names.get(waiting.name, EMPTY)
    if waiting.port is not None and entry.port != waiting.port:
        return True
    names = shown.sets.get(waiting.name, ()) if waiting.port is None else (waiting.name,)
    ports = (snapshot.ports.get(-1 if entry.port is None else entry.port) for entry in (shown.names.get(name, EMPTY) for name in names))
    return any(port is not None and port.queue for port in ports) or (waiting.port is None and entry.kind is not SlotKind.PORT_SET)


def living(snapshot: Snapshot) -> list[Process]:
    """The processes that live, each once."""
    processes = (task.process for task in snapshot.tasks.values())
    return [each for each in processes if each is not None and not each.is_shadow]


def _has_ended_child(snapshot: Snapshot, parent: int, pid: int) -> bool:
    """Whether a child of the process ``parent`` with this ``pid`` (-1: any) has ended, or there is no such child."""
    alive, ended = [
        [each for each in found if each.parent == parent and pid in (-1, each.pid)] for found in (living(snapshot), snapshot.zombies.values())
    ]
    return bool(ended) or not alive


class Situation:
    """The state from the point of view of the next caller."""

    def __init__(self, profile: Profile, snapshot: Snapshot, caller: int, names_seen: Mapping[int, set[int]]) -> None:
        self.profile = profile
        self.snapshot = snapshot
        self.caller = caller
        self.entries: dict[int, Entry] = snapshot.tasks[caller].names
        self._names_seen = names_seen
        self.process = snapshot.tasks[caller].process
        """The process that makes the call; None: there is none."""

    @cached_property
    def living(self) -> list[Process]:
        """The processes that live, each once."""
        return living(self.snapshot)

    @cached_property
    def children(self) -> list[int]:
        """The pids of the caller's children, first of those that have ended."""
        own = None if self.process is None else self.process.pid
        zombies = [zombie.pid for zombie in self.snapshot.zombies.values() if zombie.parent == own]
        return zombies + [child.pid for child in self.living if child.parent == own]

    @cached_property
    def names(self) -> list[int]:
        """The caller's names, ascending."""
        return sorted(self.entries)

    def entry(self, name: int, task: int | None = None) -> Entry:
        """What ``name`` denotes in the space of ``task`` (None: the caller)."""
        names = self.entries if task is None else self.space(task)
        return names.get(name, EMPTY)

    def space(self, task: int) -> dict[int, Entry]:
        """All names of ``task``; none if it isn't live."""
        shown = self.snapshot.tasks.get(task)
        return {} if shown is None else shown.names

    def object_of(self, name: int) -> PortObject | None:
        """The kernel object of the port that the caller's ``name`` denotes; None: it denotes no live port."""
        number = self.entry(name).port
        port = None if number is None else self.snapshot.ports.get(number)
        return None if port is None else port.object

    def senders(self, wanted: PortObject | None) -> list[int]:
        """The caller's names with a send right to a kernel object of this kind (None: of any)."""
        return self._senders.get(wanted, [])

    @cached_property
    def _senders(self) -> dict[PortObject | None, list[int]]:
        found: dict[PortObject | None, list[int]] = {None: [name for name in self.names if self.entries[name].kind in SENDING]}
        for name in found[None]:
            if (object_ := self.object_of(name)) is not None:
                found.setdefault(object_, []).append(name)
        return found

    @cached_property
    def user_ports(self) -> list[int]:
        """The caller's names with any right to a port that a user made."""
        return [name for name in self.names if self.object_of(name) is PortObject.NONE]

    def joins(self, name: int) -> bool:
        """Whether the caller's send right ``name`` connects it with another task: it is to that task's port, or to a
        user's port."""
        task = self.task_behind(name)
        return self.object_of(name) is PortObject.NONE if task < 0 else task != self.caller

    @cached_property
    def with_messages(self) -> list[int]:
        """The caller's names of ports with messages for it, and of port sets with such members."""
        direct = [name for name in self.user_ports if self.entries[name].kind in RECEIVING and self.queue(name)]
        sets = [pset for pset, members in sorted(self.sets(self.caller).items()) if any(name in direct for name in members)]
        return direct + sets

    def queue(self, name: int) -> tuple[Message, ...]:
        """The messages in the queue of the port that the caller's ``name`` denotes."""
        port = self.snapshot.ports.get(self._port(name))
        return () if port is None else port.queue

    def is_full(self, name: int) -> bool:
        """Whether the port that the caller's ``name`` denotes has no room for more messages."""
        port = self.snapshot.ports.get(self._port(name))
        return port is not None and len(port.queue) >= port.queue_limit

    @cached_property
    def can_wait(self) -> bool:
        """Whether another task can make calls if the caller is blocked."""
        others = [
            task
            for number, task in self.snapshot.tasks.items()
            if number != self.caller and task.suspend_count == 0 and (task.process is None or task.process.has_begun)
        ]
        return sum(task.waiting is None for task in others) >= max(1, sum(task.waiting is not None for task in others))

    def is_known_elsewhere(self, name: int) -> bool:
        """Whether another task has a right to the port that the caller's ``name`` denotes, or to a member of that
        set."""
        members = self.sets(self.caller).get(name, (name,))
        ports = {self.entry(member).port for member in members} - {None}
        others = (shown for number, shown in self.snapshot.tasks.items() if number != self.caller)
        return any(entry.port in ports for shown in others for entry in shown.names.values())

    @cached_property
    def worth_waiting_at(self) -> list[int]:
        """The caller's names of ports without messages that another task can send to, and of sets of such ports."""
        receiving = [name for name in self.names if self.entries[name].kind in (*RECEIVING, SlotKind.PORT_SET)]
        return [name for name in receiving if name not in self.with_messages and self.is_known_elsewhere(name)]

    @cached_property
    def awaited(self) -> list[int]:
        """The caller's names with send rights to ports from which a blocked task receives."""
        at = {task.waiting.port for task in self.snapshot.tasks.values() if task.waiting is not None and task.waiting.port is not None}
        return [name for name in self.senders(None) if self.entries[name].port in at]

    def sets(self, task: int) -> dict[int, tuple[int, ...]]:
        """The non-empty port sets of ``task``, and their members' names."""
        shown = self.snapshot.tasks.get(task)
        return {} if shown is None else shown.sets

    def watched(self, task: int) -> list[int]:
        """The names of ``task`` with a request for a notification on the name or its port, ascending."""
        watching = {shown.names[name].port for shown in self.snapshot.tasks.values() for name in shown.requests if name in shown.names} | {
            number for number, port in self.snapshot.ports.items() if port.no_senders.kind or port.port_destroyed.kind
        }
        return sorted(name for name, entry in self.space(task).items() if entry.port in watching and entry.port is not None)

    def names_of(self, task: int, kinds: Collection[SlotKind]) -> list[int]:
        """The names of ``task`` that denote rights of these kinds, ascending."""
        return sorted(name for name, entry in self.space(task).items() if entry.kind in kinds)

    def port_behind(self, name: int, task: int) -> Port | None:
        """The live port that ``name`` of ``task`` denotes."""
        number = self.entry(name, task).port
        return None if number is None else self.snapshot.ports.get(number)

    def guarded(self, task: int) -> list[int]:
        """The names of ``task`` for receive rights of guarded ports, ascending."""
        return [name for name in self.names_of(task, RECEIVING) if (port := self.port_behind(name, task)) is not None and port.guarded]

    def is_suspended(self, name: int) -> bool:
        """Whether the caller's ``name`` denotes the port of a suspended task."""
        task = self.snapshot.tasks.get(self.task_behind(name))
        return task is not None and task.suspend_count > 0

    def is_ledger_below(self, name: int, parent: int | None = None) -> bool:
        """Whether the caller's ``name`` denotes a child ledger of ``parent`` (None: of any ledger)."""
        port = self.snapshot.ports.get(self._port(name))
        if port is None or port.ledger is None or port.ledger.parent is None:
            return False
        return parent is None or port.ledger.parent == self._port(parent)

    def _port(self, name: int) -> int:
        port = self.entry(name).port
        return -1 if port is None else port

    def task_behind(self, name: int) -> int:
        """The task whose port the caller's ``name`` denotes; -1 if none."""
        number = self.entry(name).port
        port = None if number is None else self.snapshot.ports.get(number)
        return -1 if port is None or port.task is None else port.task

    def known_as(self, task: int, port: int | None) -> int | None:
        """The name under which ``task`` has SEND or RECEIVE for ``port``."""
        for name, entry in self.space(task).items():
            if entry.port == port and port is not None and entry.kind in (*SENDING, SlotKind.RECEIVE):
                return name
        return None

    def shared_with(self, task: int) -> list[int]:
        """The names of another task for ports that the caller also has rights to."""
        if task == self.caller:
            return []
        known = {entry.port for entry in self.entries.values() if entry.port is not None}
        return sorted(name for name, entry in self.space(task).items() if entry.port in known)

    @cached_property
    def has_strangers(self) -> bool:
        """Whether the caller has the port of a task without a right to any of the caller's user ports."""
        known = {self.entries[name].port for name in self.user_ports}
        others = {task for name in self.senders(PortObject.TASK) if (task := self.task_behind(name)) != self.caller}
        return any(known.isdisjoint(entry.port for entry in self.space(task).values()) for task in others)

    def unused(self, task: int) -> list[int]:
        """Small free names in the space of ``task``, where names have a form mostly with it."""
        space = self.space(task)
        chosen = [self.profile.chosen_name(index) for index in range(1, FEW + 1)]
        if self.profile.name_index_max:  # and another generation, none, and indexes that no name has
            chosen += [self.profile.chosen_name(index) + odd for index, odd in ((1, 4), (2, 4), (3, 1), (0, 0), (self.profile.name_index_max + 1, 0))]
        return [name for name in chosen if name not in space] or [self.profile.chosen_name(len(space) + FEW)]

    @cached_property
    def carriers(self) -> dict[int, int]:
        """Port -> the port to which its receive right is in transit."""
        return {
            descriptor.entry.port: port
            for port, message in messages(self.snapshot)
            for descriptor in message.body
            if descriptor.entry.kind is SlotKind.RECEIVE and descriptor.entry.port is not None
        }

    @cached_property
    def carrying(self) -> list[int]:
        """The caller's names of ports to which receive rights are in transit."""
        to = set(self.carriers.values())
        return [name for name in self.user_ports if self.entries[name].kind in RECEIVING and self.entries[name].port in to]

    def loops(self, dest: int) -> list[int]:
        """The caller's names of receive rights that would make a circle of ports if sent to ``dest``."""
        on_the_way: list[int] = []
        port = self.entry(dest).port
        while port is not None and port not in on_the_way:
            on_the_way.append(port)
            port = self.carriers.get(port)
        return [name for name in self.user_ports if self.entries[name].port in on_the_way and self.entries[name].kind in RECEIVING]

    def any_name(self, choices: Choices, task: int) -> int | None:
        """A name of ``task``: all kinds of rights are equally likely, regardless of their numbers of names. None: it
        has no names."""
        by_kind: dict[SlotKind, list[int]] = {}
        for name, entry in sorted(self.space(task).items()):
            by_kind.setdefault(entry.kind, []).append(name)
        return choices.pick(by_kind[choices.pick(sorted(by_kind))]) if by_kind else None

    def hostile_name(self, choices: Choices) -> int:
        """A name that is probably wrong: of the wrong kind, reserved, unknown, freed, or valid in another space
        only."""
        kind = choices.below(14)
        if kind < 5 and self.names:
            return choices.pick(self.names)
        if kind < 8:
            stale = sorted(self._names_seen.get(self.caller, set()) - self.entries.keys())
            if stale:
                return choices.pick(stale)
        if kind < 10:
            foreign = sorted({name for task in self.snapshot.tasks.values() for name in task.names} - self.entries.keys())
            if foreign:
                return choices.pick(foreign)
        return choices.pick((NULL_NAME, DEAD_NAME, *UNKNOWN_NAMES))
