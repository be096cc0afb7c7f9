"""The whole state of a system of tasks and ports between two calls, independent of any implementation.

Tasks and ports are numbered in the order of their creation (the bootstrap task is 0; ``boot.py`` numbers the ports of
the boot state), so two implementations with the same history give equal snapshots. Memory objects have no numbers: a
page names the first page, by task and address, with which it shares its object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from sendright.mach.abi.descriptors import Layout
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.mach.abi.rights import NULL_NAME, Place, PortObject, SlotKind
from sendright.mach.abi.tokens import UNSET, AuditToken, SecurityToken
from sendright.mach.state.process import Process, Zombie
from sendright.mach.state.sharing import changed_keys


class Entry(msgspec.Struct, frozen=True):
    """A right in a slot. ``port`` is None for a dead name and a port set; ``urefs`` is 0 outside port name spaces.

    In a kernel that shows a view only, the port of a right may be unknown: it is None, too."""

    kind: SlotKind
    port: int | None = None
    urefs: int = 0
    told: bool | None = None
    """Of a name whose port died, and at which no call has looked since (where ``dead_names_are_lazy``): whether its
    dead-name request has fired, so that it gets one more reference when a call looks at it. None: it isn't such a name.
    """

    @property
    def is_unlooked(self) -> bool:
        """A name whose port died, and at which no call has looked since."""
        return self.told is not None

    @property
    def type_kind(self) -> SlotKind:
        """What the kernel tells of the name."""
        return SlotKind.DEAD_NAME if self.is_unlooked else self.kind


EMPTY = Entry(SlotKind.NONE)


class Descriptor(msgspec.Struct, frozen=True):
    """A place of a message: its right, and the form (PORT_SEND 17 …) in which a receiver will see it."""

    entry: Entry
    form: int


class Message(msgspec.Struct, frozen=True):
    """A queued message. ``serial`` identifies it within one implementation, and is not compared between two. It is
    negative for a message that is only known to exist."""

    serial: int
    id: int
    destination: Entry
    reply: Descriptor
    body: tuple[Descriptor, ...]
    security_token: SecurityToken
    audit_token: AuditToken
    data: int = 0
    """The first word of the body's inline data; in a notification, its content."""
    from_kernel: bool | None = None
    """Whether the kernel made it; None: the implementation can't say, and it isn't compared."""
    layout: Layout = ()
    """Assigns the body's rights and pages to its descriptors."""
    memory: tuple[int, ...] = ()
    """The contents of the body's pages, in order."""
    size: int = 0
    """``msgh_size`` as the receiver will see it, in bytes."""


class Ledger(msgspec.Struct, frozen=True):
    """The ledger behind a ledger port. Amounts are whole numbers; a limit of -1 is LEDGER_ITEM_INFINITY."""

    limit: int
    balance: int
    parent: int | None
    """The port of the ledger that gave the limit; None for the roots."""
    ledger_ledger: int | None
    """The port of the ledger that pays for the ledger itself; None for the roots."""


class Port(msgspec.Struct, frozen=True):
    """A live port."""

    object: PortObject
    task: int | None
    """The task to which this port belongs, if it is a task's port, or a further one (``FURTHER_TASK_PORTS``). Of a task
    identity token: the task of which it was made, also when that has ended."""
    make_send_count: int
    sequence_number: int
    send_rights: int
    send_once_rights: int
    queue_limit: int
    queue: tuple[Message, ...]
    """Oldest first."""
    no_senders: Entry = EMPTY
    """The send-once right of the no-senders request."""
    port_destroyed: Entry = EMPTY
    """The send-once right of the port-destroyed request."""
    ledger: Ledger | None = None
    context: int = 0
    """A word that the receiver stored in the port; for a guarded port, the guard."""
    guarded: bool = False
    """Whether destroying the receive right requires the guard."""
    strict: bool = False
    """Whether the kernel hides the guard from a task that reads the context; only for a guarded port."""
    immovable: bool = False
    """Whether the receive right can't leave its space in a message, guarded or not."""
    lost_send_rights: int = 0
    """Those of ``send_rights`` that the kernel has lost: no slot has them (where ``kernel_reply_needs_room``)."""
    imp_donation: bool = False
    """Whether messages to the port lend importance to its receiver. It stays so."""
    temp_owner: bool = False
    """Whether its receiver owns it for a time only, so that they don't. It ends when the receive right moves."""
    purpose: PortPurpose = PortPurpose.NONE
    """What ``mach_port_construct`` made it for."""
    service: bool = False
    """Whether it was made as a service port."""
    throttled: bool = False
    """Whether a service port is marked as throttled."""
    request_slots: int = 0
    """How large the kernel's table of dead-name requests is, with its slot 0; 0: there is none. It grows when it is
    full, and never shrinks."""
    image: tuple[int, int] | None = None
    """Of a task identity token (``TASK_ID_TOKEN``): the pid and the pid version of the image that it names."""


class PendingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that hasn't ended. Its task makes no other call until then."""

    call: str
    message: Message | None = None
    """For a send: the message that waits for room in a queue."""
    has_room: bool = False
    """For a send, where ``room_is_given``: the queue has room that is this message's, also if it is full otherwise."""
    name: int = NULL_NAME
    """For a receive: the current name, in the task's space, of what it receives from."""
    port: int | None = None
    """For a receive from a receive right: the port that the name denoted when the call began; None: it waits at a
    port set."""
    limit: int = -1
    large: bool = False
    trailer: int = 0
    """For a receive: the arguments of these names; ``trailer`` is 0 where the call doesn't have it."""
    receive_wait: bool = False
    """For a ``mach_msg``: the argument of this name. It waits to send, and its ``name``, ``limit``, ``large`` and
    ``trailer`` are those with which it will receive. Once it has sent, it waits as a ``mach_msg_receive``."""
    child: int | None = None
    """For a stopped creation or exec: the new task, as long as it lives."""
    security_token: tuple[int, ...] = ()
    audit_token: tuple[int, ...] = ()
    """For a stopped creation: the tokens that the child will get; otherwise empty."""
    privileged: bool = False
    """For a stopped creation: whether the child will get the privileged host port."""
    pid: int = 0
    """For a ``wait4``: the argument of this name."""
    phase: int = 0
    """For a stopped ``execve``: how many of its phases are over (1: the new task is made; 2: it has its new ids; 3: its
    process is switched to it)."""
    set_user: int = UNSET
    set_group: int = UNSET
    """For an ``execve`` that is stopped after its first phase: the arguments of these names."""
    held: Entry = EMPTY
    """For a stopped ``task_set_special_port``: the replaced right, which the call still has to release."""
    carries: tuple[Message, ...] = ()
    """Between two rules of a call, as counterexamples of proofs show it: the messages that the call sends or
    receives.
    """


class Page(msgspec.Struct, frozen=True):
    """A mapped page of memory."""

    value: int
    inheritance: int
    shares_with: tuple[int, int]
    """The lowest (task, page) with the same memory object; the page itself if no lower page shares it."""


class Task(msgspec.Struct, frozen=True):
    """A live task."""

    port: int
    security_token: SecurityToken
    audit_token: AuditToken
    names: dict[int, Entry]
    """Its port name space; no EMPTY entries."""
    places: dict[Place, Entry]
    """Its special and registered ports; no EMPTY entries."""
    ledgers: tuple[int, int] | None
    """The wired and the paged ledger that it draws on, as ports; None in kernels without ledgers."""
    memory: dict[int, Page]
    suspend_count: int = 0
    sets: dict[int, tuple[int, ...]] = {}
    """Port set -> the names of its members, ascending; no empty sets."""
    exceptions: dict[Place, tuple[int, int]] = {}
    """Exception place -> behaviour and flavour; no (0, 0)."""
    set_by_root: tuple[Place, ...] = ()
    """The exception places that root has set, ascending, in kernels with processes."""
    died: dict[Place, int] = {}
    """Exception place whose port has died since it was set -> the number of that port. (What was set to DEAD isn't
    here.)"""
    requests: dict[int, Entry] = {}
    """Name -> the send-once right of its dead-name request; no EMPTY entries."""
    send_possible: dict[int, bool] = {}
    """Name -> whether its request is armed, for those names whose request is also for send-possible. The request of a
    name that is here and not in ``requests`` has fired: the kernel keeps its place until the name gets another or ends.
    """
    waiting: PendingCall | None = None
    """The task's pending call."""
    process: Process | None = None
    """The process behind the task; None: there is none, or the kernel has no processes."""


class Snapshot(msgspec.Struct, frozen=True):
    """The live tasks and ports."""

    tasks: dict[int, Task]
    ports: dict[int, Port]
    host_ports: dict[int, Entry] = {}
    """The host's special ports, by number; no EMPTY entries."""
    zombies: dict[int, Zombie] = {}
    """The processes that have ended and aren't forgotten, by the numbers that their last tasks had."""
    sessions: dict[int, int] = {}
    """The audit sessions that processes are in, zombies too, each with its audit user or ``UNSET``."""


class Slot(msgspec.Struct, frozen=True, order=True):
    """Where a right is: ``("name", task, name)``, ``("place", task, Place)``, ``("message", serial, place)`` with
    place -2 for the destination, -1 for the reply and 0… for the body; ``("request", task, name)``, ``("no-senders",
    port, 0)`` and ``("port-destroyed", port, 0)`` for rights of requests; ``("host", 0, number)``; ``("held", task,
    0)`` for a right that a pending call still has to release."""

    where: str
    owner: int
    index: int

    @property
    def task(self) -> int | None:
        """The task that the slot belongs to; None: it belongs to a message, a port or the host."""
        return self.owner if self.where in ("name", "place", "request", "held") else None

    def __str__(self) -> str:
        if self.where == "name":
            return f"task {self.owner}, name {_name(self.index)}"
        if self.where == "place":
            return f"task {self.owner}, {Place(self.index).name.lower().replace('_', ' ')} port"
        if self.where == "request":
            return f"task {self.owner}, dead-name request of name {_name(self.index)}"
        if self.where in ("no-senders", "port-destroyed"):
            return f"port {self.owner}, {self.where} request"
        if self.where == "host":
            return f"host, special port {self.index}"
        if self.where == "held":
            return f"task {self.owner}, right held by its pending call"
        part = {-2: "destination", -1: "reply"}.get(self.index, f"descriptor {self.index}")
        return f"{message_in_words(self.owner)}, {part}"


def message_in_words(serial: int) -> str:
    """A message's name for readers. A negative serial is of a message that is only known to exist."""
    return f"message {serial}" if serial >= 0 else f"unknown message {-serial}"


class Change(msgspec.Struct, frozen=True):
    """The change of one slot by one call."""

    slot: Slot
    before: Entry
    after: Entry


SLOTS_OF_TASKS = {"name": "names", "place": "places", "request": "requests"}
"""``Slot.where`` -> the field of ``Task`` with these slots."""


def slots(snapshot: Snapshot) -> dict[Slot, Entry]:
    """Every slot of ``snapshot`` that is not empty."""
    found: dict[Slot, Entry] = {}
    for number, task in snapshot.tasks.items():
        for where, part in SLOTS_OF_TASKS.items():
            found |= {Slot(where, number, int(index)): entry for index, entry in getattr(task, part).items()}
        found.update(_slots_of_waiting(number, task.waiting))
    found |= {Slot("host", 0, special): entry for special, entry in snapshot.host_ports.items()}
    for number, port in snapshot.ports.items():
        found.update(_slots_of_port(number, port))
    return {slot: entry for slot, entry in found.items() if entry.kind}


def _slots_of_waiting(number: int, waiting: PendingCall | None) -> Iterator[tuple[Slot, Entry]]:
    if waiting is not None:
        if waiting.held.kind:
            yield Slot("held", number, 0), waiting.held
        for message in (*waiting.carries, *([] if waiting.message is None else [waiting.message])):
            yield from _slots_of_message(message)


def _slots_of_port(number: int, port: Port) -> Iterator[tuple[Slot, Entry]]:
    if port.no_senders.kind:
        yield Slot("no-senders", number, 0), port.no_senders
    if port.port_destroyed.kind:
        yield Slot("port-destroyed", number, 0), port.port_destroyed
    for message in port.queue:
        yield from _slots_of_message(message)


def _slots_of_message(message: Message) -> Iterator[tuple[Slot, Entry]]:
    yield Slot("message", message.serial, -2), message.destination
    if message.reply.entry.kind:
        yield Slot("message", message.serial, -1), message.reply.entry
    for index, descriptor in enumerate(message.body):
        if descriptor.entry.kind:
            yield Slot("message", message.serial, index), descriptor.entry


def messages(snapshot: Snapshot) -> Iterator[tuple[int, Message]]:
    """Every message in transit, in a queue or waiting for room in one, with its destination port.

    A message that waits for room in the queue of a dead port has no destination, and is left out.
    """
    for number, port in snapshot.ports.items():
        yield from ((number, message) for message in port.queue)
    for task in snapshot.tasks.values():
        message = task.waiting.message if task.waiting is not None else None
        if message is not None and message.destination.port is not None:
            yield message.destination.port, message


def changes(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """The slots that differ between two snapshots of one implementation, in slot order.

    Parts that are the same object in both are skipped, so sharing unchanged parts saves time. (If two messages have one
    serial, which a sound kernel never shows, this may miss changes that ``all_changes`` finds.)
    """
    old: dict[Slot, Entry] = {}
    new: dict[Slot, Entry] = {}

    def note(where: str, owner: int, entries: Mapping[int, Entry], others: Mapping[int, Entry]) -> None:
        for index in changed_keys(entries, others):
            slot = Slot(where, owner, int(index))
            old[slot], new[slot] = entries.get(index, EMPTY), others.get(index, EMPTY)

    for number in changed_keys(before.tasks, after.tasks):
        task, other = before.tasks.get(number), after.tasks.get(number)
        for where, part in SLOTS_OF_TASKS.items():
            note(where, number, getattr(task, part, {}), getattr(other, part, {}))
        for found, one in ((old, task), (new, other)):
            found.update(_slots_of_waiting(number, None if one is None else one.waiting))
    note("host", 0, before.host_ports, after.host_ports)
    for number in changed_keys(before.ports, after.ports):
        for found, ports in ((old, before.ports), (new, after.ports)):
            if number in ports:
                found.update(_slots_of_port(number, ports[number]))
    return _between(old, new)


def all_changes(before: Snapshot, after: Snapshot) -> tuple[Change, ...]:
    """Like ``changes``, but compares everything: ``slots(before)`` with these changes applied is ``slots(after)``."""
    return _between(slots(before), slots(after))


def _between(old: Mapping[Slot, Entry], new: Mapping[Slot, Entry]) -> tuple[Change, ...]:
    differ = [slot for slot in old.keys() | new.keys() if old.get(slot, EMPTY) != new.get(slot, EMPTY)]
    return tuple(Change(slot, old.get(slot, EMPTY), new.get(slot, EMPTY)) for slot in sorted(differ))


class Difference(msgspec.Struct, frozen=True):
    """One place where an implementation differs from the specification."""

    where: str
    """In words: "task 1, name 3", "port 7, make-send count"."""
    expected: str
    seen: str

    def of(self, slot: Slot) -> bool:
        """Whether this difference is in the contents of ``slot``."""
        return f"{self.where}, ".startswith(f"{slot}, ")

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, seen {self.seen}"


def differences(expected: Snapshot, seen: Snapshot) -> tuple[Difference, ...]:
    """The differences between the specification's state and an implementation's; empty when they agree.

    Message serials are not compared: a message is identified by its place in its queue.
    """
    if expected == seen:
        return ()
    return tuple(_differences(msgspec.to_builtins(expected, str_keys=True), msgspec.to_builtins(seen, str_keys=True), ()))


def _differences(expected: object, seen: object, path: tuple[str, ...]) -> Iterator[Difference]:
    if path and (path[-1] == "serial" or (path[-1] == "from_kernel" and seen is None)):
        return
    if isinstance(expected, dict) and isinstance(seen, dict) and not _is_entry(expected):
        for key in sorted(expected.keys() | seen.keys(), key=_numeric_first):
            yield from _differences(expected.get(key), seen.get(key), (*path, key))
    elif isinstance(expected, (list, tuple)) and isinstance(seen, (list, tuple)) and path[-1] in ("queue", "body") and len(expected) == len(seen):
        for index, (one, other) in enumerate(zip(expected, seen, strict=True)):
            yield from _differences(one, other, (*path, str(index)))
    elif expected != seen:
        yield Difference(_where(path), _words(expected, path), _words(seen, path))


def _numeric_first(key: str) -> tuple[int, int, str]:
    return (0, int(key), "") if key.isdigit() else (1, 0, key)


def _is_entry(value: dict[str, object]) -> bool:
    return value.keys() == {"kind", "port", "urefs", "told"}


_PATH_WORDS: dict[str, str] = {
    "tasks": "task {}",
    "ports": "port {}",
    "names": "name {}",
    "places": "{} port",
    "requests": "dead-name request of name {}",
    "sets": "members of port set {}",
    "exceptions": "behaviour and flavour of {}",
    "memory": "page {}",
    "queue": "message {}",
    "body": "descriptor {}",
    "host_ports": "host, special port {}",
    "zombies": "zombie of task {}",
    "sessions": "audit session {}",
}
"""Descriptions of the elements of each collection; for slots the same as ``str(Slot)``."""
_THING_WORDS = {"tasks": "a live task", "ports": "a live port", "memory": "a page", "zombies": "a zombie", "sessions": "a session"}
"""What is in each collection."""
_FIELD_WORDS = {
    "waiting": "call that hasn't ended",
    "held": "right held by its pending call",
    "no_senders": "no-senders request",
    "port_destroyed": "port-destroyed request",
}


def _where(path: tuple[str, ...]) -> str:
    words: list[str] = []
    for parent, part in zip(("", *path), path, strict=False):
        if part in _PATH_WORDS and part != path[-1]:
            continue
        if parent in ("places", "exceptions"):
            part = Place(int(part)).name.lower().replace("_", " ")
        elif parent in ("names", "requests"):
            part = _name(int(part))
        words.append(_PATH_WORDS[parent].format(part) if parent in _PATH_WORDS else _FIELD_WORDS.get(part, part.replace("_", " ")))
    return ", ".join(words)


def _name(name: int) -> str:
    return f"{name:#x}" if name > 0xFFFF else str(name)


def _words(value: object, path: tuple[str, ...]) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict) and _is_entry(value):
        return entry_in_words(msgspec.convert(value, Entry))
    if isinstance(value, dict) and "call" in value:
        return f"blocked in {value['call']}"
    if isinstance(value, dict):
        return _THING_WORDS.get(path[-2] if len(path) > 1 else "", str(value))
    if isinstance(value, (list, tuple)) and path[-1] == "queue":
        return f"{len(value)} messages"
    return str(value)


KIND_WORDS = {
    SlotKind.NONE: "nothing",
    SlotKind.SEND: "send right",
    SlotKind.RECEIVE: "receive right",
    SlotKind.SEND_RECEIVE: "send and receive right",
    SlotKind.SEND_ONCE: "send-once right",
    SlotKind.DEAD_NAME: "dead name",
    SlotKind.PORT_SET: "port set",
}
"""Names of the kinds of rights, for readers."""


def entry_in_words(entry: Entry) -> str:
    """``entry`` for readers: "send right to port 7, 2 user references"."""
    words = KIND_WORDS[entry.kind]
    if entry.is_unlooked:
        words += " to a port that has died" + (", its request has fired" if entry.told else "")
    elif entry.port is not None:
        words += f" to port {entry.port}" if entry.kind != SlotKind.RECEIVE else f" of port {entry.port}"
    if entry.urefs:
        words += f", {entry.urefs} user reference" + ("s" if entry.urefs != 1 else "")
    return words
