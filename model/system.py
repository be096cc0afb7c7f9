"""A concrete system that behaves as the specification says: its state, and the rules run on it one by one.

What the kernel may choose freely is given by the caller of ``run`` or, where the rule leaves one thing only (which ports die, which messages
are made), computed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from sendright.mach.boot import BOOT_HOST_PORTS, BOOT_PORTS, BOOTSTRAP_TASK, BOOTSTRAP_TASK_PORT, HOST_PORT, ROOT_LEDGERS, WELL_KNOWN_PORTS
from sendright.mach.descriptors import page_count, right_count
from sendright.mach.profiles import LedgerRule, Profile
from sendright.mach.rights import Notification, Place, PortObject, SlotKind
from sendright.mach.signatures import SIGNATURES
from sendright.mach.snapshot import EMPTY, Descriptor, Entry, Ledger, Message, Page, Port, Snapshot, Task, Waiting
from sendright.mach.tokens import BOOTSTRAP_AUDIT_TOKEN, BOOTSTRAP_SECURITY_TOKEN
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.concrete import (
    BODY_SLOT,
    DESTINATION_SLOT,
    HOST_SLOT,
    KERNEL_SLOT,
    LIMBO_SLOT,
    NAME_SLOT,
    NO_OBJECT,
    NO_PORT,
    NO_SENDERS_SLOT,
    PLACE_SLOT,
    PORT_DESTROYED_SLOT,
    REPLY_SLOT,
    REQUEST_SLOT,
    CompiledCase,
    CompiledRule,
    ConcreteState,
    SlotTuple,
    environment,
)
from sendright.model.rules import PENDING_RULES, RULES, Context, rules_of
from sendright.model.sorts import UNBOUNDED
from sendright.model.state import State

ALIVE, ENDED = 1, 2
IN_KERNEL, QUEUED, WAITING = 1, 2, 3
NOTHING, SENDING, RECEIVING = 0, 1, 2


_GONE = (SlotKind.NONE, SlotKind.DEAD_NAME)


class NotAllowed(Exception):
    """The kernel chose what it may not choose."""


_compiled: dict[str, dict[str, CompiledRule]] = {}


def compiled_rules(profile: Profile) -> dict[str, CompiledRule]:
    """All rules that ``profile`` serves, as Python. Profiles that differ in limits only share them."""
    switches = repr(msgspec.structs.replace(profile, urefs_max=0, queue_limit=0, queue_limit_max=0, pages=0))
    if switches not in _compiled:
        before = State.arbitrary(UNBOUNDED)
        served = dict.fromkeys([rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call)] + list(PENDING_RULES))
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
        self.left: list[tuple[str, dict[str, Any]]] = []
        """Rules of ``PENDING_RULES`` that are still to be run, with their arguments."""
        self.shown: Snapshot | None = None
        """What the implementation shows after the call that is being judged: where the kernel may choose, it says what was chosen."""
        self.told: list[int] = []
        """Notifications made in the call that is being judged."""
        self.env: dict[str, Any] = environment(profile)
        self.env["indices"] = range(max(profile.pages, 8))
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
        self._count(declared.parameters, given)
        fields, env = self.state.fields, self.env
        env["set_names"] = {name for _, name in fields["member"]}
        assert rule.requires(fields, env, *values), f"{name} was run where it doesn't belong"
        index = rule.applies(fields, env, *values)
        assert index >= 0, f"no case of {name} applies"
        case = rule.cases[index]
        env["slots"] = list(fields["kind"])
        env["ports"] = list(fields["port_life"])
        env["known_pairs"] = list(fields["known_as"])
        env["messages"] = list(fields["stage"])
        renamed = [(port, given["new_name"]) for port, _ in fields["member"]] if "new_name" in given else []
        env["memory_pairs"] = list(fields["memory"])
        env["members_pairs"] = [*fields["member"], *renamed]
        child, copied = given.get("child"), given.get("copied")
        env["pages_pairs"] = [*fields["mapped"], *[(child, page) for page in range(self.profile.pages)]]
        env["copied_objects"] = list(copied.values()) if copied else []
        for release, (slot_root, port_root) in zip(case.releases, case.roots, strict=True):
            values = [*values, *self._solve(release, values, slot_root, port_root)]
        if not case.check(fields, env, *values):
            raise NotAllowed(f"{case.id}: the kernel's choice isn't allowed: {choices}")
        outputs = case.outputs(fields, env, *values)
        for field, writes in case.effect(fields, env, *values).items():
            self.state.write(field, writes)
            self._note_what_is_left(field, writes)
        return Applied(case, outputs)

    def _count(self, parameters: Iterable[str], given: dict[str, Any]) -> None:
        """Bound numbers run over all pages, and over as many indices as any array or body has had."""
        lengths = [given.get(parameter, 0) for parameter in parameters if parameter.endswith("_length")]
        lengths.append(right_count(given.get("layout", ())))
        if max(lengths) > len(self.env["indices"]):
            self.env["indices"] = range(max(lengths))

    def _note_what_is_left(self, field: str, writes: dict[Any, Any]) -> None:
        """Remember what a rule left to do: names that are free or dead beside a request, receive rights in limbo, last send rights."""
        if field == "kind":
            for slot, value in writes.items():
                where, owner, index = slot
                if where == LIMBO_SLOT and value == SlotKind.RECEIVE:
                    self.left.append(("a receive right is rescued", {"of": owner}))
                elif where == NAME_SLOT and value in _GONE and (REQUEST_SLOT, owner, index) in self.state["kind"]:
                    self.left.append(("a dead-name request fires", {"space": owner, "name": index}))
        elif field == "no_senders_due":
            self.left += [("no senders are left", {"of": port}) for port, due in writes.items() if due]

    def _solve(self, release: object, values: list[Any], slot_root: Callable[..., bool], port_root: Callable[..., bool]) -> list[Any]:
        """The least set of dying ports for a release, and fresh messages for the send-once rights that it gives up."""
        fields, env = self.state.fields, self.env
        kind, port, stage, queue = fields["kind"], fields["port"], fields["stage"], fields["queue"]
        released = [slot for slot in env["slots"] if slot_root(fields, env, *values, slot)]
        dying = {p for p, life in fields["port_life"].items() if life == ALIVE and port_root(fields, env, *values, p)}
        todo = [*dying]
        receiving = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)
        limbo: list[SlotTuple] = []

        def dies_with(slots: list[SlotTuple]) -> Iterator[int]:
            for slot in slots:
                if kind[slot] not in receiving or port[slot] in dying:
                    continue
                if kind.get((PORT_DESTROYED_SLOT, port[slot], 0)) == SlotKind.SEND_ONCE:
                    limbo.append((LIMBO_SLOT, port[slot], 0))
                else:
                    dying.add(port[slot])
                    yield port[slot]

        todo += dies_with(released)
        while todo:
            current = todo.pop()
            destroyed = {m for m, where in queue.items() if where == current and stage.get(m) == QUEUED}
            slots = [slot for slot in env["slots"] if slot[0] in (DESTINATION_SLOT, REPLY_SLOT, BODY_SLOT) and slot[1] in destroyed]
            slots += [slot for slot in ((NO_SENDERS_SLOT, current, 0), (PORT_DESTROYED_SLOT, current, 0)) if slot in kind]
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
        env["limbo"] = limbo
        self.told += notified
        sends = Counter(port[slot] for slot in released if kind[slot] in (SlotKind.SEND, SlotKind.SEND_RECEIVE))
        return [dying.__contains__, notification.get, notified.get, arrival.get, clock + len(arrival), sends.__getitem__, self._shows_no_senders]

    def _shows_no_senders(self, port: int) -> bool:
        """Whether the implementation shows that it told no-senders of a ``port`` that died: then it ended the last send right before."""
        fields = self.state.fields
        home = fields["port"].get((NO_SENDERS_SLOT, port, 0), NO_PORT)
        if self.shown is None or home not in self.shown.ports:
            return False
        new = self.shown.ports[home].queue[fields["msgcount"].get(home, 0) :]
        return any((message.id, message.data) == (Notification.NO_SENDERS, fields["mscount"].get(port, 0)) for message in new)

    def finish_what_is_left(self, caller: int) -> Iterator[Applied]:
        """Run what the last rule left to do, until nothing is left."""
        while self.left:
            name, arguments = self.left.pop(0)
            rule = self.rules[name]
            message = self.fresh_message()
            given = {**arguments, "notification": message}
            if "reaches" in rule.context.rule.choices:
                given["reaches"] = self.reached_from(self.state["port"].get((PORT_DESTROYED_SLOT, arguments["of"], 0), NO_PORT)).__contains__
            values = [caller, *[given.get(parameter) for parameter in (*rule.context.rule.parameters, *rule.context.rule.choices)]]
            if rule.requires(self.state.fields, self.env, *values):
                yield self.run(name, caller, given)
                if self.state["stage"].get(message) == QUEUED:
                    self.told.append(message)

    def settle(self) -> None:
        """In which order the notifications of one call arrive is the kernel's choice: take over what the implementation shows."""
        if self.shown is None or len(self.told) < 2:
            return
        fields = self.state.fields
        for port in {fields["queue"][message] for message in self.told if fields["stage"].get(message) == QUEUED}:
            self._settle_queue(port)

    def _settle_queue(self, port: int) -> None:
        fields = self.state.fields
        assert self.shown is not None
        queued = [m for m, where in fields["queue"].items() if where == port and fields["stage"].get(m) == QUEUED]
        waiting = sorted(queued, key=lambda m: fields["arrival"].get(m, 0))
        shown = self.shown.ports[port].queue if port in self.shown.ports else ()
        if len(shown) != len(waiting):
            return
        places = [index for index, message in enumerate(waiting) if message in self.told]
        free = {index: waiting[index] for index in places}
        arrivals = [fields["arrival"].get(waiting[index], 0) for index in places]
        for index, arrival in zip(places, arrivals, strict=True):
            wanted = shown[index]
            body = tuple(descriptor.entry.port for descriptor in wanted.body)
            fitting = (place for place, message in free.items() if self._tells(message) == (wanted.id, wanted.data, body))
            place = next(fitting, None)
            if place is None:
                return
            fields["arrival"][free.pop(place)] = arrival

    def _tells(self, message: int) -> tuple[int, int, tuple[int | None, ...]]:
        fields = self.state.fields
        body = tuple(fields["port"].get((BODY_SLOT, message, index)) for index in range(fields["body_count"].get(message, 0)))
        return fields["id"].get(message, 0), fields["data"].get(message, 0), body

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

    def members(self, pset: SlotTuple) -> dict[int, int]:
        """The members of a port set: the names of their receive rights, ascending, with their ports."""
        receiver = self.state.fields["receiver"]
        inside = [(receiver[port], port) for port, name in self.state.fields["member"] if name == pset[2]]
        return dict(sorted((place[2], port) for place, port in inside if place[1] == pset[1]))

    def sets_of(self, port: int) -> list[int]:
        """The names of the port sets in which ``port`` is."""
        return [name for member, name in self.state.fields["member"] if member == port]

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
            if receiver is not None and receiver[0] == BODY_SLOT and fields["stage"].get(receiver[1]) in (QUEUED, WAITING):
                port = fields["port"].get((DESTINATION_SLOT, receiver[1], 0), NO_PORT)
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
        f["qlimit"][port] = profile.queue_limit
        f["kind"][kernel], f["port"][kernel] = int(SlotKind.RECEIVE), port

    def make_send(slot: SlotTuple, port: int, urefs: int) -> None:
        f["kind"][slot], f["port"][slot] = int(SlotKind.SEND), port
        if urefs:
            f["urefs"][slot] = urefs
            f["known_as"][task, port] = slot[2]
        for count in ("srights", "mscount"):
            f[count][port] = f[count].get(port, 0) + 1

    for ledger in ROOT_LEDGERS:
        f["ledger_limit"][ledger] = -1
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
    if profile.host_special_ports:
        for number, port in BOOT_HOST_PORTS.items():
            make_send((HOST_SLOT, number, 0), port, 0)


def _snapshot(system: System) -> Snapshot:
    f = system.state.fields
    entries = {slot: system.entry(slot) for slot in f["kind"]}
    # who lives, and (if a rule is wrong) who is gone and still holds rights: an implementation won't show the same
    shown = {task for task, life in f["task_life"].items() if life == ALIVE}
    shown |= {slot[1] for slot in entries if slot[0] in (NAME_SLOT, PLACE_SLOT, REQUEST_SLOT)}
    tasks: dict[int, dict[str, Any]] = {task: {"names": {}, "places": {}, "requests": {}, "memory": {}} for task in shown}
    for slot, entry in entries.items():
        if slot[0] == NAME_SLOT:
            tasks[slot[1]]["names"][slot[2]] = entry
        elif slot[0] == PLACE_SLOT:
            tasks[slot[1]]["places"][Place(slot[2])] = entry
        elif slot[0] == REQUEST_SLOT:
            tasks[slot[1]]["requests"][slot[2]] = entry
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

    def shown_message(message: int) -> Message:
        layout = f["layout"].get(message, ())
        pages = [f["memory"].get((message, index), NO_OBJECT) for index in range(page_count(layout))]
        return Message(
            serial=message,
            id=f["id"].get(message, 0),
            destination=entries.get((DESTINATION_SLOT, message, 0), nothing),
            reply=descriptor((REPLY_SLOT, message, 0)),
            body=tuple(descriptor((BODY_SLOT, message, index)) for index in range(f["body_count"].get(message, 0))),
            security_token=f["sender_security"].get(message, ()),
            audit_token=f["sender_audit"].get(message, ()),
            data=f["data"].get(message, 0),
            from_kernel=f["from_kernel"].get(message, False),
            layout=layout,
            memory=tuple(f["content"].get(page, 0) for page in pages),
            size=f["size"].get(message, 0),
        )

    def queue(port: int) -> tuple[Message, ...]:
        return tuple(shown_message(message) for message in sorted(queues.get(port, ()), key=lambda m: (f["arrival"].get(m, 0), m)))

    def waiting(task: int) -> Waiting | None:
        match f["wait"].get(task, NOTHING):
            case value if value == SENDING:
                return Waiting(call="mach_msg_send", message=shown_message(f["waits_with"][task]))
            case value if value == RECEIVING:
                return Waiting(
                    call="mach_msg_receive",
                    name=f["waits_at"][task],
                    port=number_or_none(f["waits_for"].get(task, NO_PORT)),
                    limit=f["waits_limit"].get(task, 0),
                    large=f["waits_large"].get(task, False),
                    trailer=f["waits_trailer"].get(task, 0),
                )
            case _:
                return None

    def number_or_none(port: int) -> int | None:
        return None if port == NO_PORT else port

    def ledger(port: int) -> Ledger | None:
        if f["object"].get(port, 0) != PortObject.LEDGER:
            return None
        parent, payer = (number_or_none(f[name].get(port, NO_PORT)) for name in ("ledger_parent", "ledger_payer"))
        return Ledger(f["ledger_limit"].get(port, 0), f["ledger_balance"].get(port, 0), parent, payer)

    sets: dict[int, dict[int, list[int]]] = {}
    for (port, set_name), inside in f["member"].items():
        if inside:
            _, task, name = f["receiver"][port]
            sets.setdefault(task, {}).setdefault(set_name, []).append(name)
    exceptions: dict[int, dict[Place, tuple[int, int]]] = {}
    for task, place in f["exception_behaviour"].keys() | f["exception_flavour"].keys():
        told = f["exception_behaviour"].get((task, place), 0), f["exception_flavour"].get((task, place), 0)
        exceptions.setdefault(task, {})[Place(place)] = told
    ports = {
        port: Port(
            object=PortObject(f["object"].get(port, 0)),
            task=f["object_task"].get(port) if f["object"].get(port, 0) == PortObject.TASK else None,
            make_send_count=f["mscount"].get(port, 0),
            sequence_number=f["seqno"].get(port, 0),
            send_rights=f["srights"].get(port, 0),
            send_once_rights=f["sorights"].get(port, 0),
            queue_limit=f["qlimit"].get(port, 0),
            queue=queue(port),
            no_senders=entries.get((NO_SENDERS_SLOT, port, 0), EMPTY),
            port_destroyed=entries.get((PORT_DESTROYED_SLOT, port, 0), EMPTY),
            ledger=ledger(port),
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
                suspend_count=f["suspend_count"].get(task, 0),
                sets={name: tuple(sorted(members)) for name, members in sets.get(task, {}).items()},
                exceptions=exceptions.get(task, {}),
                requests=parts["requests"],
                waiting=waiting(task),
            )
            for task, parts in sorted(tasks.items())
        },
        ports,
        {slot[1]: entry for slot, entry in entries.items() if slot[0] == HOST_SLOT},
    )
