"""A concrete system that behaves as the specification says: its state, and the rules run on it one by one.

What the kernel may choose freely is given by the caller of ``run`` or, where the rule leaves one thing only (which
ports die, which messages are made), computed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from sendright.mach.abi.descriptors import right_count
from sendright.mach.abi.rights import Place, PortObject, SlotKind
from sendright.mach.kernel.profiles import Profile
from sendright.mach.signatures import SIGNATURES
from sendright.mach.state.boot import (
    BOOT_HOST_PORTS,
    BOOTSTRAP_TASK,
    FIRST_PID_VERSION,
    HOST_PORT,
    HOST_PRIV_PORT,
    ROOT_LEDGERS,
    WELL_KNOWN_PORTS,
    boot_ports,
    boot_process,
    boot_tokens,
    task_port,
)
from sendright.mach.state.snapshot import Snapshot
from sendright.model import calls as _declared  # noqa: F401 - declares the rules
from sendright.model.execution.compiler import CompiledCase, CompiledRule, ReleaseShape
from sendright.model.execution.consequences import Consequences
from sendright.model.execution.encoding import (
    ALIVE,
    BODY_SLOT,
    DEFAULTS,
    DESTINATION_SLOT,
    DUE,
    ENDED,
    FREE,
    HOST_SLOT,
    KERNEL_SLOT,
    LIMBO_SLOT,
    NAME_SLOT,
    NO_PORT,
    NO_PROCESS,
    NO_SENDERS_SLOT,
    NO_SLOT,
    PLACE_SLOT,
    PORT_DESTROYED_SLOT,
    QUEUED,
    REQUEST_SLOT,
    WAITING,
    ZOMBIE,
    SlotTuple,
    environment,
)
from sendright.model.execution.kept import code_file, described
from sendright.model.execution.late_choices import LateChoices, interleaved
from sendright.model.execution.snapshots import SnapshotWriter, fields_of_process
from sendright.model.execution.state import LOOKUPS, ConcreteState
from sendright.model.language.rule import ANSWERING_RULES, FIRES_POSSIBLE, PENDING_RULES, RULES, SUSPENSIONS_END, Context
from sendright.model.language.sequences import rules_of
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import FIELDS, State

ENDS = {"task_life": ENDED, "process": NO_PROCESS, "port_life": ENDED, "stage": FREE}
"""The field and value that say that a task, its process, a port or a message has ended."""
_LEAVES_SOMETHING = {"kind", "no_senders_due", "send_possible", *ENDS}
"""The fields in which a rule may leave something to do, see ``System._note_what_is_left``."""
_ENDS_SUSPENSIONS = {"srights", "suspend_count", "flavour_port"}
"""The fields that decide whether a task's suspensions end, see ``System._note_resume_ports``."""
_GONE = (SlotKind.NONE, SlotKind.DEAD_NAME)
_ANSWERS = dict(zip(ANSWERING_RULES, (REQUEST_SLOT, NO_SENDERS_SLOT, PORT_DESTROYED_SLOT, REQUEST_SLOT), strict=True))
"""Where the request is that a rule for pending work answers."""


class Chosen(frozenset[int]):
    """A set of tasks, ports … that the kernel chose. As a function it says whether something is in the set."""

    __call__ = frozenset.__contains__


A_LARGE_NUMBER = 1 << 40
"""What is chosen for a number on which only ghosts depend: more than any number that it must exceed."""


class NotAllowed(Exception):
    """The kernel made a choice that the rule doesn't allow."""


_compiled: dict[str, dict[str, CompiledRule]] = {}


def compiled_rules(profile: Profile) -> dict[str, CompiledRule]:
    """All rules that ``profile`` serves, as Python. Profiles that differ in limits only share them."""
    without_limits = msgspec.structs.replace(profile, urefs_max=0, queue_limit=0, queue_limit_max=0, pages=0)
    switches = described(without_limits)
    if switches not in _compiled:
        before = State.arbitrary(UNBOUNDED)
        pending = [rule for rule in PENDING_RULES if RULES[rule].is_used(profile)]
        served = dict.fromkeys([rule for call in SIGNATURES if profile.serves(call) for rule in rules_of(call, profile)] + pending)
        kept = code_file(switches)
        _compiled[switches] = {name: CompiledRule(Context(RULES[name], before, profile), kept) for name in served}
    return _compiled[switches]


class Applied(msgspec.Struct):
    """The outcome of running one rule."""

    case: CompiledCase
    outputs: dict[str, Any]


class System:
    """A system in the boot state of ``profile``, ready to run rules."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.rules = compiled_rules(profile)
        self.state = ConcreteState()
        self.next_task = profile.boot_tasks
        self.next_port = len(boot_ports(profile.boot_tasks))
        self.next_message = 0
        self.next_object = 0
        self.left: list[tuple[str, dict[str, Any]]] = []
        """Rules of ``PENDING_RULES`` that are still to be run, with their arguments."""
        self.shown: Snapshot | None = None
        """What the implementation shows after the call that is being judged: where the kernel may choose, it says what
        was chosen.
        """
        self.late = LateChoices(self.state)
        """If the implementation doesn't show what is in queues: what will be known of them when messages are received.
        """
        self.together: list[tuple[tuple[SlotTuple, ...], ...]] = []
        """``Consequences.together`` of the call that is being judged."""
        self.told: dict[SlotTuple, int] = {}
        """The notification that a right became in that call."""
        self.before_effect: Callable[[System, CompiledCase, list[Any]], object] | None = None
        """Sees the case of each rule that is run, and its values, before the case has its effect."""
        self.ended: list[tuple[str, int]] = []
        """What ended in the call that is being judged: the field that says so, and the task, port or message."""
        self.env: dict[str, Any] = environment(profile) | {lookup: getattr(self.state, lookup) for lookup in LOOKUPS}
        self.showing = SnapshotWriter(self.state, profile)
        self.env["indices"] = range(max(profile.pages, 8))
        for name, values in _boot(profile).items():
            self.state.write(name, values)

    # ---- running rules

    def run(self, name: str, caller: int, given: dict[str, Any]) -> Applied:
        """Run the rule called ``name`` once: the first case that applies has its effect.

        ``given`` has the rule's arguments and what the kernel chose. Raises NotAllowed if a choice is not the kernel's
        to make.
        """
        rule = self.rules[name]
        values = [caller, *map(given.get, rule.takes)]
        self._count(rule.lengths, given)
        fields, env = self.state.fields, self.env
        assert rule.requires(fields, env, *values), f"{name} was run where it doesn't belong"
        index = rule.applies(fields, env, *values)
        assert index >= 0, f"no case of {name} applies"
        case = rule.cases[index]
        functions = case.functions
        env["born"] = [given["child"]] if "child" in given else []
        env["notifications"] = []
        env["copied objects"] = list(given["copied"].values()) if "copied" in given else []
        for release, (slot_root, port_root), earlier in zip(functions.releases, functions.roots, functions.earlier, strict=True):
            with self._after({} if earlier is None else earlier(fields, env, *values)):
                choices = self._solve(release, values, slot_root, port_root)
            values = [*values, *choices]
        if not functions.check(fields, env, *values):
            chosen = {choice: given[choice] for choice in rule.choices if choice in given and not callable(given[choice])}
            raise NotAllowed(f"{case.id}: the kernel's choice isn't allowed: {chosen}")
        if self.before_effect:
            self.before_effect(self, case, values)
        outputs = functions.outputs(fields, env, *values)
        for field, writes in functions.effect(fields, env, *values).items():
            if writes:
                self.state.write(field, writes)
                if field in _LEAVES_SOMETHING:
                    self._note_what_is_left(field, writes)
                if field in _ENDS_SUSPENSIONS and self.profile.resume_ports:
                    self._note_resume_ports(field, writes)
        return Applied(case, outputs)

    @contextmanager
    def _after(self, written: dict[str, dict[Any, Any]]) -> Iterator[None]:
        """In the block, the state has what is ``written`` before a release, and after it as before."""
        old = {field: {point: self.state.fields[field].get(point, DEFAULTS[field]) for point in writes} for field, writes in written.items()}
        for field, writes in written.items():
            self.state.write(field, writes)
        try:
            yield
        finally:
            for field, writes in old.items():
                self.state.write(field, writes)

    def _count(self, lengths: Iterable[str], given: dict[str, Any]) -> None:
        """Bound numbers run over all pages, and over as many indices as any array or body has had."""
        counts = [given.get(length, 0) for length in lengths]
        if "layout" in given:
            counts.append(right_count(given["layout"]))
        if counts and max(counts) > len(self.env["indices"]):
            self.env["indices"] = range(max(counts))

    def _note_what_is_left(self, field: str, writes: dict[Any, Any]) -> None:
        """Remember what a rule left to do: names that are free or dead beside a request, receive rights in limbo, last
        send rights.
        """
        if field == "kind":
            for slot, value in writes.items():
                where, owner, index = slot
                if where == LIMBO_SLOT and value == SlotKind.RECEIVE:
                    self.left.append(("a receive right is rescued", {"of": owner}))
                elif where == NAME_SLOT and value in _GONE and (REQUEST_SLOT, owner, index) in self.state["kind"]:
                    self.left.append(("a dead-name request fires", {"space": owner, "name": index}))
        elif field == "send_possible":
            due = sorted(slot for slot, value in writes.items() if value == DUE)
            self.left += [(FIRES_POSSIBLE, {"space": space, "name": name}) for _, space, name in due]
            if len(due) > 1:  # in the order of the same table as dead-name requests
                self.together.append(tuple((request,) for request in due))
        elif field == "no_senders_due":
            self.left += [("no senders are left", {"of": port}) for port, due in writes.items() if due]
        else:
            self.ended += [(field, member) for member, value in writes.items() if value == ENDS[field]]

    def _note_resume_ports(self, field: str, writes: dict[Any, Any]) -> None:
        """Remember the resume ports that have lost their last send right, and those of tasks that are suspended now.
        (Whether the suspensions end is decided when the effect is complete.)
        """
        f, resume = self.state.fields, int(PortObject.TASK_RESUME)
        if field == "srights":
            ports = [port for port, left in writes.items() if not left and f["object"].get(port) == resume]
        elif field == "suspend_count":
            ports = [port for task, times in writes.items() if times and (port := f["flavour_port"].get((task, resume), NO_PORT)) != NO_PORT]
        else:
            ports = [port for (_, kind), port in writes.items() if kind == resume and port != NO_PORT]
        self.left += [(SUSPENSIONS_END, {"of": port}) for port in ports]

    def _solve(
        self, release: ReleaseShape, values: list[Any], slot_roots: Callable[..., list[SlotTuple]], port_roots: Callable[..., list[int]]
    ) -> list[Any]:
        """What a release leads to, in the order of the profile's kernels: the ports that die, and fresh messages for
        the send-once rights that it gives up.
        """
        state, fields, env = self.state, self.state.fields, self.env
        kind, port = fields["kind"], fields["port"]
        released = sorted(slot for slot in slot_roots(fields, env, *values) if slot in kind)
        roots = sorted(p for p in port_roots(fields, env, *values) if fields["port_life"].get(p) == ALIVE)
        led_to = Consequences(state, self.profile, released, roots, release.no_senders_first, release.at_once)
        dead, places = led_to.dead, led_to.places
        lost = [slot for slot in led_to.given_up if kind[slot] == SlotKind.SEND_ONCE and port[slot] not in dead]
        notification = {slot: self.fresh_message() for slot in lost if slot not in led_to.unsent}
        notified = {message: slot for slot, message in notification.items()}
        env["notifications"] = list(notified)
        env["notification destinations"] = [(DESTINATION_SLOT, message, 0) for message in notified]
        env["limbo"] = [(LIMBO_SLOT, each, 0) for each in led_to.rescued if each not in dead]
        env["due requests"] = list(dict.fromkeys([*places, *led_to.given_up]))
        self.together += led_to.together
        self.told |= notification
        numbers = (led_to.sends_released(), Counter(port[slot] for slot in notification), Counter(port[slot] for slot in lost))
        told = (lambda slot: notification.get(slot, -1), lambda message: notified.get(message, NO_SLOT))
        arrival = (lambda message: places[notified[message]] if message in notified else 0, led_to.next_clock)
        order = (
            led_to.told_none.__contains__,
            lambda slot: places.get(slot, 0),
            led_to.told_dead.__contains__,
            led_to.moved_first.__contains__,
            led_to.circular.__contains__,
        )
        counted = [number.__getitem__ for number in numbers[: release.numbers]]
        silenced = {port[slot]: slot[1] for slot in led_to.unsent}
        more = [lambda of: silenced.get(of, NO_PORT)] if release.silent else []
        return [Chosen(dead), *told, *arrival, *order, *counted, *more]

    def finish_what_is_left(self, caller: int, before_rule: Callable[[System], None] | None = None) -> Iterator[Applied]:
        """Run what the last rule left to do, until nothing is left: of what is left the rule that comes first in
        ``PENDING_RULES``.

        ``before_rule`` sees the state before each.
        """
        while self.left:
            self.left.sort(key=lambda left: PENDING_RULES.index(left[0]))
            name, arguments = self.left.pop(0)
            rule = self.rules[name]
            message = self.fresh_message()
            given = {**arguments, "notification": message, "lift": A_LARGE_NUMBER}
            if "reaches" in rule.choices:
                given["reaches"] = self.reached_from(self.state["port"].get((PORT_DESTROYED_SLOT, arguments["of"], 0), NO_PORT))
            values = [caller, *map(given.get, rule.takes)]
            if rule.requires(self.state.fields, self.env, *values):
                if before_rule:
                    before_rule(self)
                yield self.run(name, caller, given)
                if name not in _ANSWERS:
                    continue
                request = (_ANSWERS[name], arguments["space"] if "space" in arguments else arguments["of"], arguments.get("name", 0))
                self.told.setdefault(request, message)

    def settle(self) -> None:
        """In which order some notifications come is the kernel's choice (see ``Consequences.together``): take over what
        the implementation shows.
        """
        fields = self.state.fields
        for sequences in self.together:
            told = [[self.told[slot] for slot in sequence if slot in self.told] for sequence in sequences]
            queues = {m: fields["queue"][m] for messages in told for m in messages if fields["stage"].get(m) == QUEUED}
            for port in dict.fromkeys(queues.values()):
                here = [found for messages in told if (found := [message for message in messages if queues.get(message) == port])]
                if self.shown is not None:
                    self._settle_queue(port, here)
                else:
                    self.late.told_together(here)

    def _settle_queue(self, port: int, told: list[list[int]]) -> None:
        assert self.shown is not None
        waiting = self.state.waiting(port)
        shown = self.shown.ports[port].queue if port in self.shown.ports else ()
        if len(shown) != len(waiting):
            return
        places = sorted(waiting.index(message) for messages in told for message in messages)
        seen = [(each.id, each.data, tuple(descriptor.entry.port for descriptor in each.body)) for each in map(shown.__getitem__, places)]
        order = interleaved(told, seen, self._tells)
        if order is not None:
            self.state.reorder([waiting[place] for place in places], order)

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

    def names(self, task: int) -> dict[int, int]:
        """The names of ``task``'s space, ascending, with the kind of each."""
        kind = self.state.fields["kind"]
        return dict(sorted((slot[2], kind[slot]) for slot in self.state.slots_of(NAME_SLOT, task)))

    def entries(self, task: int) -> dict[int, tuple[int, int]]:
        """Those names with the kind and references that the kernel's table has: a name at which no call has looked is
        what it was before its port died."""
        fields = self.state.fields
        found = {name: (NAME_SLOT, task, name) for name in self.names(task)}
        return {name: (fields["unlooked"].get(slot) or fields["kind"][slot], fields["urefs"].get(slot, 0)) for name, slot in found.items()}

    def adds_a_reference_too_many(self, task: int, name: int) -> bool:
        """Whether a name's reference for a notification is still to come, and the name has all that it can have."""
        slot, fields = (NAME_SLOT, task, name), self.state.fields
        waits = fields["unlooked"].get(slot, SlotKind.NONE) != SlotKind.NONE and fields["told"].get(slot, False)
        return bool(waits) and fields["urefs"].get(slot, 0) == self.profile.urefs_max

    def requests_of(self, port: int) -> list[SlotTuple]:
        """The requests that are in the port's table, those of its names: also those that fired for send-possible."""
        names = (slot for slot in self.state.by_value("port", port) if slot[0] == NAME_SLOT)
        return [request for slot in names if (request := (REQUEST_SLOT, slot[1], slot[2])) in self.state["kind"]]

    def members(self, pset: SlotTuple) -> dict[int, int]:
        """The members of a port set: the names of their receive rights, ascending, with their ports."""
        receiver = self.state.fields["receiver"]
        inside = [(receiver[port], port) for port, _ in self.state.by_part("member", 1, pset[2])]
        return dict(sorted((place[2], port) for place, port in inside if place[1] == pset[1]))

    def sets_of(self, port: int) -> list[int]:
        """The names of the port sets in which ``port`` is."""
        return [name for _, name in self.state.by_part("member", 0, port)]

    def oldest_message(self, port: int) -> int | None:
        """The message at the head of the port's queue."""
        return next(iter(self.state.waiting(port)), None)

    def waiting_senders(self, port: int) -> list[int]:
        """The messages that wait for room in the port's queue and have none yet, in the order of waiting."""
        f = self.state.fields
        sends = [slot[1] for slot in self.state.by_value("port", port) if slot[0] == DESTINATION_SLOT and f["kind"].get(slot) == SlotKind.SEND]
        waiting = (message for message in sends if f["stage"].get(message) == WAITING and message not in f["room"])
        return sorted(waiting, key=lambda message: (f["arrival"].get(message, 0), message))

    def reached_from(self, port: int) -> Chosen:
        """``port``, the port to which its receive right is on its way, and so on."""
        fields = self.state.fields
        reached: set[int] = set()
        while port not in reached:
            reached.add(port)
            receiver = fields["receiver"].get(port)
            if receiver is not None and receiver[0] == BODY_SLOT and fields["stage"].get(receiver[1]) in (QUEUED, WAITING):
                port = fields["port"].get((DESTINATION_SLOT, receiver[1], 0), NO_PORT)
        return Chosen(reached)

    def forget_the_ended(self) -> None:
        """Keep nothing of tasks, ports and messages that are no more: no rule speaks of them. (Of a task whose process
        is a zombie, all is kept until that is forgotten.)
        """
        task_life, process = self.state["task_life"], self.state["process"]
        for life, member in self.ended:
            lives = life == "process" and task_life.get(member) == ALIVE
            zombie = life == "task_life" and process.get(member) == ZOMBIE
            if self.state[life].get(member, 0) == ENDS[life] and not lives and not zombie:
                self.state.forget(FIELDS[life].domain[0], member)
        self.ended.clear()

    def snapshot(self) -> Snapshot:
        """The whole state, in the vocabulary's words.

        What hasn't changed since the last one is the same object again.
        """
        return self.showing.snapshot()


def _boot(profile: Profile) -> dict[str, dict[Any, Any]]:
    """The fields of the boot state of ``mach/state/boot.py``."""
    f: dict[str, dict[Any, Any]] = {name: {} for name in FIELDS}
    for port, object_ in boot_ports(profile.boot_tasks).items():
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
            f["known_as"][slot[1], port] = slot[2]
        for count in ("srights", "mscount"):
            f[count][port] = f[count].get(port, 0) + 1

    for ledger in ROOT_LEDGERS:
        f["ledger_limit"][ledger] = -1
    named = [*(WELL_KNOWN_PORTS[name] for name in profile.bootstrap_names), *map(task_port, range(1, profile.boot_tasks))]
    for name, port in enumerate(named, 1):
        make_send((NAME_SLOT, BOOTSTRAP_TASK, name), port, 1)
    for task in range(profile.boot_tasks):
        f["object_task"][task_port(task)] = task
        f["task_life"][task] = ALIVE
        f["task_port"][task] = task_port(task)
        f["security"][task], f["audit"][task] = boot_tokens(task)
        f["wired"][task] = WELL_KNOWN_PORTS["root_ledger_wired"]
        f["paged"][task] = WELL_KNOWN_PORTS["root_ledger_paged"]
        held = {
            Place.KERNEL: task_port(task),
            Place.HOST: HOST_PRIV_PORT if profile.first_task_is_privileged and task == BOOTSTRAP_TASK else HOST_PORT,
            Place.WIRED_LEDGER: WELL_KNOWN_PORTS["root_ledger_wired"],
            Place.PAGED_LEDGER: WELL_KNOWN_PORTS["root_ledger_paged"],
        }
        if profile.has_processes and task < profile.processes:
            for field, value in fields_of_process(boot_process(task)).items():
                f[field][task] = value
            f["session_user"][f["session"][task]] = f["audit_user"][task]
        for place, port in held.items():
            if place in profile.places:
                make_send((PLACE_SLOT, task, int(place)), port, 0)
    if profile.has_processes:
        f["pid_versions"][()] = FIRST_PID_VERSION
    if profile.host_special_ports:
        for number, port in BOOT_HOST_PORTS.items():
            make_send((HOST_SLOT, number, 0), port, 0)
    return f
