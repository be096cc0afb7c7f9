"""Infers where each new right of a step came from, from the call and the rights before it, for any implementation.

Nothing here depends on a kernel. ``properties/provenance/call_flows.py`` says which slots a call reads and which it
fills. A new right in a slot must come from one of the slots that the call reads, in a form that gives this right. A
right without a source is a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from sendright.mach.abi.codes import IN_PROGRESS
from sendright.mach.abi.rights import Disposition, Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import PROFILES, Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.signatures.processes import BY_TOKEN, kind_of_port_found
from sendright.mach.state.process_history import ProcessHistory
from sendright.mach.state.snapshot import EMPTY, Entry, Slot, Snapshot, slots
from sendright.mach.state.trace import Step
from sendright.properties.provenance.carried import DESTINATION, carried_by

How = Literal[
    "granted at boot",
    "made",
    "copied",
    "moved",
    "inherited",
    "extracted",
    "given by pid",
    "given by token",
    "received",
    "handed back",
    "counted",
    "kept",
    "notified",
    "died",
    "not shown",
]
"""How a right came into a slot: the kinds of edges of the derivation graph."""


class HeldRight(NamedTuple):
    """One right of a slot; a SEND_RECEIVE entry has two. ``port`` is None for dead names and port sets."""

    kind: SlotKind
    port: int | None


class Gain(NamedTuple):
    """A right, or more user references to one, that a step added to a slot."""

    slot: Slot
    kind: SlotKind
    port: int | None

    @property
    def part(self) -> HeldRight:
        return HeldRight(self.kind, self.port)


class Origin(NamedTuple):
    """One source of a gain: a right in a slot before the step, or the port (or the task) from which the kernel made
    the right."""

    how: How
    slot: Slot | None = None
    part: HeldRight | None = None


class Flow(NamedTuple):
    """A call passes the right in ``source`` (None: the kernel's own) to ``target``.

    ``disposition``: how it is carried; None: unchanged. ``made_from``: the ports from which the kernel makes a send
    right.
    """

    target: Slot
    how: How
    source: Slot | None = None
    disposition: int | None = None
    made_from: frozenset[int] | None = None
    kind: SlotKind = SlotKind.SEND
    """The kind of the new right, if there is no source."""


def parts(entry: Entry) -> tuple[tuple[HeldRight, int], ...]:
    """The rights in ``entry``, each with its user references, also one that a dead-name notification has announced."""
    if entry.kind is SlotKind.SEND_RECEIVE:
        return (HeldRight(SlotKind.SEND, entry.port), entry.urefs), (HeldRight(SlotKind.RECEIVE, entry.port), 0)
    return ((HeldRight(entry.type_kind, entry.port), entry.urefs + bool(entry.told)),) if entry.kind is not SlotKind.NONE else ()


class UnfinishedCall(NamedTuple):
    """A pending call of a task."""

    step: Step
    """The step in which it began."""
    named: dict[str, int]
    """The ports that its port arguments denoted at that time."""
    messages: tuple[int, ...]
    """The messages that it is blocked with, if it sends."""


class Rights:
    """All rights between two steps of a trace, as far as the trace shows them."""

    def __init__(self, initial: Snapshot, profile_name: str) -> None:
        self.slots: dict[Slot, Entry] = slots(initial)
        self.profile: Profile | None = PROFILES.get(profile_name)
        self.objects: dict[int, PortObject] = {number: port.object for number, port in initial.ports.items() if port.object is not PortObject.NONE}
        """Port -> kernel object, for the kernel's own ports."""
        self.task_of = {number: port.task for number, port in initial.ports.items() if port.task is not None}
        self.known_ports = set(initial.ports)
        self.unfinished: dict[int, UnfinishedCall] = {}
        """Task -> its pending call."""
        self.processes = ProcessHistory(initial)
        self.holders: Counter[int | None] = Counter(entry.port for entry in self.slots.values() if entry.port is not None)

    def at(self, slot: Slot) -> Entry:
        return self.slots.get(slot, EMPTY)

    def slots_of(self, message: int) -> list[Slot]:
        """The non-empty places of a message."""
        return [slot for slot in self.slots if slot.where == "message" and slot.owner == message]

    def ports_of(self, *objects: PortObject) -> frozenset[int]:
        """The kernel's ports for objects of these kinds."""
        return frozenset(number for number, object_ in self.objects.items() if object_ in objects)

    def advance(self, step: Step) -> None:
        """Advance to the state after ``step``."""
        further, owner = further_port(step, self.known_ports), self.target_task(step)
        self.processes.advance(step)
        self._follow_waiting(step)
        for change in step.changes:
            if change.before.port is not None:
                self.holders[change.before.port] -= 1
            if change.after.port is not None:
                self.holders[change.after.port] += 1
                self.known_ports.add(change.after.port)
            if change.after.kind is SlotKind.NONE:
                self.slots.pop(change.slot, None)
            else:
                self.slots[change.slot] = change.after
        ledger = new_ledger(step)
        if ledger is not None:
            self.objects[ledger] = PortObject.LEDGER
        if further is not None:
            self.objects[further] = _further_object(step, self.profile)
            self.task_of[further] = owner
        for port, task in control_ports(step).items():
            for old in [each for each, of in self.task_of.items() if of == task and self.objects[each] is PortObject.TASK]:
                del self.task_of[old], self.objects[old]
            self.objects[port], self.task_of[port] = PortObject.TASK, task

    def target_task(self, step: Step) -> int:
        """The task that ``step`` asks for: by a name for its port or for a token of it, or by the pid of its process;
        -1: none."""
        if "pid" in step.arguments:
            return self.processes.task_of(step.arguments["pid"])
        named = step.arguments.get("token" if step.call == BY_TOKEN else "task", -1)
        port = self.at(Slot("name", step.task, named)).port
        return -1 if port is None else self.task_of.get(port, -1)

    def _follow_waiting(self, step: Step) -> None:
        if step.code not in IN_PROGRESS:
            self.unfinished.pop(step.task, None)
        elif not step.resume:
            ports = {name: self.at(Slot("name", step.task, value)).port for name, value in step.arguments.items() if isinstance(value, int)}
            named = {name: port for name, port in ports.items() if port is not None}
            self.unfinished[step.task] = UnfinishedCall(step, named, tuple(new_messages(step)))


def new_messages(step: Step) -> list[int]:
    """The messages that ``step`` created: in a queue, or waiting for room in one."""
    return [
        change.slot.owner for change in step.changes if change.slot.where == "message" and change.slot.index == DESTINATION and not change.before.kind
    ]


def child_port(step: Step) -> int | None:
    """The port of the task that ``step`` created, from the right that the caller gets."""
    if step.code not in IN_PROGRESS:
        return _port_returned(step, "child_task")
    kernel = Slot("place", -1 if step.created_task is None else step.created_task, Place.KERNEL)
    return next((change.after.port for change in step.changes if change.slot == kernel), None)


def control_ports(step: Step) -> dict[int, int]:
    """The ports that stand for tasks since ``step``, with these tasks: for one that it created, or an exec gave another
    port.
    """
    if SIGNATURES[step.call].of_processes:
        kernel = (change for change in step.changes if change.slot.where == "place" and change.slot.index == Place.KERNEL)
        return {change.after.port: change.slot.owner for change in kernel if change.after.port is not None}
    port = None if step.created_task is None else child_port(step)
    return {} if port is None or step.created_task is None else {port: step.created_task}


def new_ledger(step: Step) -> int | None:
    """The port of the ledger that ``step`` made, from the right that the caller got."""
    return _port_returned(step, "new_ledger") if step.call == "ledger_create" else None


def further_port(step: Step, known_ports: Collection[int]) -> int | None:
    """The further port of a task that the kernel made in ``step``, from the right that the caller got: its name,
    inspect, read or resume port, or an identity token of it."""
    gives = kind_of_port_found(step.call, step.arguments) or step.call in ("task_get_special_port", "task_suspend")
    if not gives:
        return None
    given = (change.after.port for change in step.changes if (change.slot.where, change.slot.owner) == ("name", step.task))
    return next((port for port in given if port is not None and port not in known_ports), None)


def _further_object(step: Step, profile: Profile | None) -> PortObject:
    """What the port is that the kernel made in such a step."""
    if step.call == "task_suspend":
        return PortObject.TASK_RESUME
    found = kind_of_port_found(step.call, step.arguments)
    if found is not None:
        return found
    flavours = {} if profile is None else profile.flavour_ports
    return flavours.get(step.arguments.get("which", -1), PortObject.TASK_NAME)


def _port_returned(step: Step, output: str) -> int | None:
    slot = Slot("name", step.task, step.outputs.get(output, -1))
    return next((change.after.port for change in step.changes if change.slot == slot), None)


def gains(step: Step) -> Iterator[Gain]:
    """The gains of ``step``: rights that weren't in their slots before, and added user references."""
    for change in step.changes:
        before = dict(parts(change.before))
        for part, references in parts(change.after):
            if references > before.get(part, -1):
                yield Gain(change.slot, *part)


class Origins:
    """The origins of one step's gains. ``rights`` is the state before the step, and is not changed."""

    def __init__(self, rights: Rights, step: Step, flows: list[Flow]) -> None:
        self.rights = rights
        self.step = step
        self.flows: dict[Slot, list[Flow]] = {}
        for flow in flows:
            self.flows.setdefault(flow.target, []).append(flow)
        after: Counter[int | None] = Counter(rights.holders)
        for change in step.changes:
            after[change.before.port] -= 1
            after[change.after.port] += 1
        self._holders_after = after
        # A receive consumes the destination's right, and releases none.
        received = SIGNATURES[step.call].receives_message
        self._lost_once = [
            change.slot
            for change in step.changes
            if change.before.kind is SlotKind.SEND_ONCE
            and change.after != change.before
            and not (received and (change.slot.where, change.slot.index) == ("message", DESTINATION))
        ]

    def of_gains(self) -> list[tuple[Gain, tuple[Origin, ...]]]:
        """Every gain of the step with its origins; no origins: it has no explanation."""
        explained = []
        late = []
        for gain in gains(self.step):
            origins = tuple(self._origins(gain))
            for origin in origins:
                if origin.slot in self._lost_once and origin.how in ("moved", "extracted", "received", "handed back"):
                    self._lost_once.remove(origin.slot)
            if origins:
                explained.append((gain, origins))
            else:
                late.append(gain)
        # Unused send-once rights, and those of requests, send notifications: each remaining one explains one notification.
        explained += [(gain, tuple(self._notification(gain))) for gain in late]
        return explained

    def _origins(self, gain: Gain) -> Iterator[Origin]:
        for flow in self.flows.get(gain.slot, ()):
            yield from self._by_flow(gain, flow)
        if gain.kind is SlotKind.DEAD_NAME:
            before = self.rights.at(gain.slot)
            # Its port died; no slot has a right to a dead port.
            if before.port is not None and self._holders_after[before.port] <= 0:
                yield from (Origin("died", gain.slot, part) for part, _ in parts(before))

    def _by_flow(self, gain: Gain, flow: Flow) -> Iterator[Origin]:
        if flow.source is None:
            if flow.kind is not gain.kind:
                return
            if flow.made_from is None or gain.port in flow.made_from:
                yield Origin(flow.how)
            return
        for part, _ in parts(self.rights.at(flow.source)):
            carried = carried_right(part, flow.disposition)
            if carried == gain.part or self._arrives_dead(carried, gain):
                made = flow.disposition in (Disposition.MAKE_SEND, Disposition.MAKE_SEND_ONCE)
                yield Origin("made" if made else flow.how, flow.source, part)

    def _arrives_dead(self, carried: HeldRight | None, gain: Gain) -> bool:
        """A right is carried to the gain's slot, and its port dies later in the step."""
        if carried is None or carried.kind not in (SlotKind.SEND, SlotKind.SEND_ONCE):
            return False
        return gain.kind is SlotKind.DEAD_NAME and self._holders_after[carried.port] <= 0

    def _notification(self, gain: Gain) -> Iterator[Origin]:
        if gain.slot.where != "message" or not self._is_new(gain.slot.owner):
            return
        if gain.kind is SlotKind.RECEIVE:
            yield from self._redirection(gain)
        if gain.kind is not SlotKind.SEND_ONCE or gain.slot.index != DESTINATION:
            return
        for slot in self._lost_once:
            if self.rights.at(slot).port == gain.port:
                self._lost_once.remove(slot)
                yield Origin("notified", slot, gain.part)
                return
        # Made for a message or an insertion that then failed.
        for name in carried_as(self.step, Disposition.MAKE_SEND_ONCE):
            slot = Slot("name", self.step.task, name)
            receive = HeldRight(SlotKind.RECEIVE, gain.port)
            if any(part == receive for part, _ in parts(self.rights.at(slot))):
                yield Origin("made", slot, receive)
                return

    def _is_new(self, message: int) -> bool:
        return not self.rights.at(Slot("message", message, DESTINATION)).kind

    def _redirection(self, gain: Gain) -> Iterator[Origin]:
        """A port-destroyed notification redirects a receive right that would have died to the port of the request."""
        request = self.rights.at(Slot("port-destroyed", gain.port if gain.port is not None else -1, 0))
        destination = self._after(Slot("message", gain.slot.owner, DESTINATION))
        if gain.slot.index == 0 and request.kind is SlotKind.SEND_ONCE and (destination.kind, destination.port) == (request.kind, request.port):
            for change in self.step.changes:
                if any(part == gain.part for part, _ in parts(change.before)):
                    yield Origin("notified", change.slot, gain.part)

    def _after(self, slot: Slot) -> Entry:
        return next((change.after for change in self.step.changes if change.slot == slot), self.rights.at(slot))


_SENDS = (Disposition.MOVE_SEND, Disposition.COPY_SEND)


def carried_right(part: HeldRight, disposition: int | None) -> HeldRight | None:
    """The right that results from carrying ``part`` with ``disposition``; None: that is impossible."""
    if disposition is None:
        return part
    dead = part.kind is SlotKind.DEAD_NAME
    if disposition in _SENDS:
        return part if part.kind is SlotKind.SEND or dead else None
    if disposition == Disposition.MOVE_SEND_ONCE:
        return part if part.kind is SlotKind.SEND_ONCE or dead else None
    if part.kind is not SlotKind.RECEIVE:
        return None
    made = {Disposition.MAKE_SEND: SlotKind.SEND, Disposition.MAKE_SEND_ONCE: SlotKind.SEND_ONCE, Disposition.MOVE_RECEIVE: SlotKind.RECEIVE}
    kind = made.get(Disposition(disposition)) if disposition in Disposition.__members__.values() else None
    return None if kind is None else HeldRight(kind, part.port)


def carried_as(step: Step, disposition: int) -> list[int]:
    """The caller's names that the call ``step`` carries rights from in this form."""
    own = (carried for carried in carried_by(step) if carried.control is None)
    return [carried.name for carried in own if carried.disposition == disposition and isinstance(carried.name, int)]
