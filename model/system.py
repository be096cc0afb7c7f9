"""A concrete system that behaves as the specification says: its state, and the rules run on it one by one.

What the kernel may choose freely is given by the caller of ``run`` or, where the rule leaves one thing only (which ports die, which messages
are made), computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from sendright.mach.boot import BOOT_PORTS, BOOTSTRAP_TASK, BOOTSTRAP_TASK_PORT, HOST_PORT, WELL_KNOWN_PORTS
from sendright.mach.profiles import LedgerRule, Profile
from sendright.mach.rights import Place, PortObject, SlotKind
from sendright.mach.signatures import SIGNATURES
from sendright.mach.snapshot import Descriptor, Entry, Message, Page, Port, Snapshot, Task
from sendright.mach.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.concrete import (
    BODY_SLOT,
    DESTINATION_SLOT,
    KERNEL_SLOT,
    NAME_SLOT,
    NO_OBJECT,
    NO_PORT,
    PLACE_SLOT,
    REPLY_SLOT,
    CompiledCase,
    CompiledRule,
    ConcreteState,
    SlotTuple,
)
from sendright.model.rules import RULES, Context, rules_of
from sendright.model.sorts import UNBOUNDED
from sendright.model.state import State

ALIVE, ENDED = 1, 2
IN_KERNEL, QUEUED = 1, 2


class NotAllowed(Exception):
    """The kernel chose what it may not choose."""


_compiled: dict[str, dict[str, CompiledRule]] = {}


def compiled_rules(profile: Profile) -> dict[str, CompiledRule]:
    """All rules that ``profile`` serves, as Python. Profiles that differ in limits only share them."""
    switches = repr(msgspec.structs.replace(profile, urefs_max=0, queue_limit=0, pages=0))
    if switches not in _compiled:
        before = State.arbitrary(UNBOUNDED)
        served = dict.fromkeys(rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call))
        _compiled[switches] = {name: CompiledRule(Context(RULES[name], before, profile)) for name in served}
    return _compiled[switches]


class Applied(msgspec.Struct):
    """What came of running one rule."""

    case: CompiledCase
    outputs: dict[str, Any]


class System:
    """A system in the boot state of ``profile``, ready to run rules."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.rules = compiled_rules(profile)
        self.state = ConcreteState()
        self.next_task = 1
        self.next_port = len(BOOT_PORTS)
        self.next_message = 0
        self.next_object = 0
        self.env: dict[str, Any] = {
            "host_port": HOST_PORT,
            "urefs_max": profile.urefs_max,
            "queue_limit": profile.queue_limit,
            "pages": profile.pages,
        }
        _boot(self.state, profile)

    # ---- running rules

    def run(self, name: str, caller: int, choices: dict[str, Any] | None = None, /, **arguments: Any) -> Applied:
        """Run the rule called ``name`` once: the first case that applies has its effect.

        Raises NotAllowed if a choice is not the kernel's to make.
        """
        rule = self.rules[name]
        given = {**arguments, **(choices or {})}
        declared = rule.context.rule
        values = [caller, *[given.get(parameter) for parameter in (*declared.parameters, *declared.choices)]]
        self.env["indices"] = range(max(self.profile.pages, 8, *[given.get(p, 0) for p in declared.parameters if p.endswith("_length")], 0))
        fields, env = self.state.fields, self.env
        assert rule.requires(fields, env, *values), f"{name} was run where it doesn't belong"
        index = rule.applies(fields, env, *values)
        assert index >= 0, f"no case of {name} applies"
        case = rule.cases[index]
        outputs = case.outputs(fields, env, *values, *[None] * (len(case.parameters) - len(values)))
        env["slots"] = list(fields["kind"])
        env["ports"] = list(fields["port_life"])
        env["ports_pairs"] = list(fields["known_as"])
        env["messages"] = list(fields["stage"])
        child, copied = given.get("child"), given.get("copied")
        env["pages_pairs"] = [*fields["mapped"], *[(child, page) for page in range(self.profile.pages)]]
        env["copied_objects"] = list(copied.values()) if copied else []
        for release, (slot_root, port_root) in zip(case.releases, case.roots, strict=True):
            values = [*values, *self._solve(release, values, slot_root, port_root)]
        if not case.check(fields, env, *values):
            raise NotAllowed(f"{case.id}: the kernel's choice isn't allowed: {choices}")
        for field, writes in case.effect(fields, env, *values).items():
            self.state.write(field, writes)
        return Applied(case, outputs)

    def _solve(self, release: object, values: list[Any], slot_root: Callable[..., bool], port_root: Callable[..., bool]) -> list[Any]:
        """The least set of dying ports for a release, and fresh messages for the send-once rights that it gives up."""
        fields, env = self.state.fields, self.env
        kind, port, stage, queue = fields["kind"], fields["port"], fields["stage"], fields["queue"]
        released = [slot for slot in env["slots"] if slot_root(fields, env, *values, slot)]
        dying = {p for p, life in fields["port_life"].items() if life == ALIVE and port_root(fields, env, *values, p)}
        todo = [*dying]
        receiving = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)

        def dies_with(slots: list[SlotTuple]) -> Iterator[int]:
            for slot in slots:
                if kind[slot] in receiving and port[slot] not in dying:
                    dying.add(port[slot])
                    yield port[slot]

        todo += dies_with(released)
        while todo:
            current = todo.pop()
            destroyed = {m for m, where in queue.items() if where == current and stage.get(m) == QUEUED}
            slots = [slot for slot in env["slots"] if slot[0] in (DESTINATION_SLOT, REPLY_SLOT, BODY_SLOT) and slot[1] in destroyed]
            released += slots
            todo += dies_with(slots)
        notification: dict[SlotTuple, int] = {}
        for slot in released:
            if kind[slot] == SlotKind.SEND_ONCE and port[slot] not in dying:
                notification[slot] = self.fresh_message()
        notified = {message: slot for slot, message in notification.items()}
        clock = fields["clock"].get((), 0)
        arrival = {message: clock + index for index, message in enumerate(notified)}
        env["notifications"] = list(notified)
        env["notification_destinations"] = [(DESTINATION_SLOT, message, 0) for message in notified]
        return [dying.__contains__, notification.get, notified.get, arrival.get, clock + len(arrival)]

    def fresh_message(self) -> int:
        """A message number never used before."""
        self.next_message += 1
        return self.next_message - 1

    def fresh_object(self) -> int:
        self.next_object += 1
        return self.next_object - 1

    # ---- looking

    def entry(self, slot: SlotTuple) -> Entry:
        """What ``slot`` contains, in the vocabulary's words."""
        fields = self.state.fields
        kind = SlotKind(fields["kind"].get(slot, 0))
        port = fields["port"].get(slot, NO_PORT)
        return Entry(kind, None if port == NO_PORT else port, fields["urefs"].get(slot, 0))

    def names(self, task: int) -> dict[int, int]:
        """The names of ``task``'s space, ascending, with the kind of each."""
        kind = self.state.fields["kind"]
        return dict(sorted((slot[2], value) for slot, value in kind.items() if slot[0] == NAME_SLOT and slot[1] == task))

    def oldest_message(self, port: int) -> int | None:
        """The message at the head of the port's queue."""
        fields = self.state.fields
        waiting = [m for m, where in fields["queue"].items() if where == port and fields["stage"].get(m) == QUEUED]
        return min(waiting, key=lambda m: fields["arrival"].get(m, 0), default=None)

    def reached_from(self, port: int) -> set[int]:
        """``port``, the port to which its receive right is on its way, and so on."""
        fields = self.state.fields
        reached: set[int] = set()
        while port not in reached:
            reached.add(port)
            receiver = fields["receiver"].get(port)
            if receiver is not None and receiver[0] == BODY_SLOT and fields["stage"].get(receiver[1]) == QUEUED:
                port = fields["queue"][receiver[1]]
        return reached

    def snapshot(self) -> Snapshot:
        """The whole state, in the vocabulary's words."""
        return _snapshot(self)


def _boot(state: ConcreteState, profile: Profile) -> None:
    """The boot state of ``mach/boot.py``."""
    f = state.fields
    task = BOOTSTRAP_TASK
    for port, object_ in BOOT_PORTS.items():
        f["port_life"][port] = ALIVE
        f["object"][port] = int(object_)
        kernel = (KERNEL_SLOT, port, 0)
        f["receiver"][port] = kernel
        f["kind"][kernel], f["port"][kernel] = int(SlotKind.RECEIVE), port

    def make_send(slot: SlotTuple, port: int, urefs: int) -> None:
        f["kind"][slot], f["port"][slot] = int(SlotKind.SEND), port
        if urefs:
            f["urefs"][slot] = urefs
            f["known_as"][task, port] = slot[2]
        for count in ("srights", "mscount"):
            f[count][port] = f[count].get(port, 0) + 1

    f["object_task"][BOOTSTRAP_TASK_PORT] = task
    f["task_life"][task] = ALIVE
    f["task_port"][task] = BOOTSTRAP_TASK_PORT
    f["security"][task], f["audit"][task] = BOOTSTRAP_SECURITY_TOKEN, BOOTSTRAP_AUDIT_TOKEN
    f["wired"][task] = WELL_KNOWN_PORTS["root_ledger_wired"]
    f["paged"][task] = WELL_KNOWN_PORTS["root_ledger_paged"]
    for index, name in enumerate(profile.bootstrap_names):
        make_send((NAME_SLOT, task, index + 1), WELL_KNOWN_PORTS[name], 1)
    held = {
        Place.KERNEL: BOOTSTRAP_TASK_PORT,
        Place.HOST: HOST_PORT,
        Place.WIRED_LEDGER: WELL_KNOWN_PORTS["root_ledger_wired"],
        Place.PAGED_LEDGER: WELL_KNOWN_PORTS["root_ledger_paged"],
    }
    for place, port in held.items():
        if place in profile.places:
            make_send((PLACE_SLOT, task, int(place)), port, 0)


def _snapshot(system: System) -> Snapshot:
    f = system.state.fields
    entries = {slot: system.entry(slot) for slot in f["kind"]}
    # who lives, and (if a rule is wrong) who is gone and still holds rights: an implementation won't show the same
    shown = {task for task, life in f["task_life"].items() if life == ALIVE} | {slot[1] for slot in entries if slot[0] in (NAME_SLOT, PLACE_SLOT)}
    tasks: dict[int, dict[str, Any]] = {task: {"names": {}, "places": {}, "memory": {}} for task in shown}
    for slot, entry in entries.items():
        if slot[0] == NAME_SLOT:
            tasks[slot[1]]["names"][slot[2]] = entry
        elif slot[0] == PLACE_SLOT:
            tasks[slot[1]]["places"][Place(slot[2])] = entry
    first: dict[int, tuple[int, int]] = {}
    for point in sorted(f["mapped"]):
        object_ = f["mapped"][point]
        if object_ != NO_OBJECT and point[0] in tasks:
            first.setdefault(object_, point)
            page = Page(f["content"].get(object_, 0), f["inheritance"].get(point, 0), first[object_])
            tasks[point[0]]["memory"][point[1]] = page
    nothing = Entry(SlotKind.NONE)

    def descriptor(slot: SlotTuple) -> Descriptor:
        return Descriptor(entries.get(slot, nothing), f["form"].get(slot, 0))

    queues: dict[int, list[int]] = {}
    for message, stage in f["stage"].items():
        if stage == QUEUED:
            queues.setdefault(f["queue"][message], []).append(message)

    def queue(port: int) -> tuple[Message, ...]:
        return tuple(
            Message(
                serial=message,
                id=f["id"].get(message, 0),
                destination=entries.get((DESTINATION_SLOT, message, 0), nothing),
                reply=descriptor((REPLY_SLOT, message, 0)),
                body=tuple(descriptor((BODY_SLOT, message, index)) for index in range(f["body_count"].get(message, 0))),
                security_token=f["sender_security"].get(message, ()),
                audit_token=f["sender_audit"].get(message, ()),
                from_kernel=f["from_kernel"].get(message, False),
            )
            for message in sorted(queues.get(port, ()), key=lambda m: (f["arrival"].get(m, 0), m))
        )

    ports = {
        port: Port(
            object=PortObject(f["object"].get(port, 0)),
            task=f["object_task"].get(port) if f["object"].get(port, 0) == PortObject.TASK else None,
            make_send_count=f["mscount"].get(port, 0),
            sequence_number=f["seqno"].get(port, 0),
            send_rights=f["srights"].get(port, 0),
            send_once_rights=f["sorights"].get(port, 0),
            queue_limit=system.profile.queue_limit,
            queue=queue(port),
        )
        for port, life in sorted(f["port_life"].items())
        if life == ALIVE
    }
    no_ledgers = system.profile.ledger_rule is LedgerRule.NONE
    return Snapshot(
        {
            task: Task(
                port=f["task_port"].get(task, 0),
                security_token=f["security"].get(task, ()),
                audit_token=f["audit"].get(task, ()),
                names=parts["names"],
                places=parts["places"],
                ledgers=None if no_ledgers else (f["wired"].get(task, NO_PORT), f["paged"].get(task, NO_PORT)),
                memory=parts["memory"],
            )
            for task, parts in sorted(tasks.items())
        },
        ports,
    )
