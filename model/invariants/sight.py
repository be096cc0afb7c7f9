"""What the caller of a call sees of the state, field by field (``SEEN``): theorem 4 compares by it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import z3

from sendright.mach.abi.rights import Place, PortObject
from sendright.mach.signatures import ArgumentType, Signature
from sendright.mach.signatures.processes import BY_TOKEN, PROCESS_MAKERS
from sendright.model.invariants.noninterference import Grasp
from sendright.model.invariants.steps.locality import TAKES_MESSAGES, Touched, missing, request_of_trap
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import EXEC_RESUMED
from sendright.model.language.sorts import OBJECT, PLACE, STAGE, Term
from sendright.model.language.state import OF_PROCESS
from sendright.model.language.terms import Name, sort_of
from sendright.model.language.transition import ABOUT_CHILDREN, BY_PID, FINDS_TASKS, GOES_ON_WITH_TASK, Transition

ANOTHER = "another_name"
"""A name of the caller's, which may be any: what it would lead to, if a later call's arguments gave it."""


def _gives_special_port(call: Signature) -> bool:
    return call.replies_with_rights and (call.takes(ArgumentType.SELECTOR) or call.takes(ArgumentType.HOST_SELECTOR))


class Sight:
    """What the caller of a call sees: what the rights lead to that its arguments name, or another name, whichever that
    is; and what the kernel holds for it and for tasks that it controls by these rights.

    States that look the same whatever the other name is, look the same through the arguments of any call: each argument
    is a name.
    """

    def __init__(self, v: Variables, x: Transition) -> None:
        self.g, self.t, self.x, self.S, self.b = Grasp(v, x), Touched(v, x), x, v.S, x.before
        b, k, parameters = x.before, x.k, {**x.k.rule.parameters, **x.k.rule.choices}
        self.rights = [*self.g.rights(), k.slot(z3.Const(ANOTHER, v.sorts.Name))]
        slots = [*self.rights, *self.t.names()]
        if x.call is not None:  # no rule looks at more than four rights of an array by their numbers
            arrays = [each.name for each in x.call.arguments if each.type is ArgumentType.PORTS and self.t.has(each.name)]
            slots += [k.slot(k[name](z3.IntVal(index))) for name in arrays for index in range(4)]
            slots += [k.slot(k[each.name]) for each in x.call.arguments if each.type is ArgumentType.RIGHT_NAME and self.t.has(each.name)]
        if request_of_trap(x) is not None:  # it looks further than a request
            slots += [k.slot(k[name]) for name, sort in k.rule.parameters.items() if sort == sort_of(Name)]
        if "message" in k.rule.parameters:
            slots += [self.S.reply_slot(k["message"]), self.S.body_slot(k["message"], z3.IntVal(0))]
        if x.is_call(lambda call: call.creates_task):  # a child may draw on the ledgers in its parent's places
            slots += [self.S.place_slot(self.t.target, PLACE.of(place)) for place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER)]
        if x.is_call(lambda call: call.creates_task) and k.profile.kernel_ports_kept_as_null:  # a child gets no such right
            places = (Place.BOOTSTRAP, Place.ACCESS, *k.profile.exception_places)
            slots += [self.S.place_slot(self.t.target, PLACE.of(place)) for place in places]
        if k.rule.resumes == "SENDING":
            slots.append(self.S.destination_slot(b.waits_with(k.caller)))
        slots += [k[name] for name in ("place",) if name in parameters]
        if x.rule == "copy in a right":
            slots.append(k.slot(k["name"], k["space"]))
        self.ports = [*[b.port(slot) for slot in slots], *[k["source"] for name in ("source",) if name in parameters]]
        if k.profile.kernel_ports_kept_as_null and x.is_call(_gives_special_port):
            self.ports += self._special_ports()
        if k.rule.resumes == "RECEIVING":
            self.ports.append(b.waits_for(k.caller))
        if k.rule.resumes == "CREATING":
            self.ports.append(b.waits_host(k.caller))

    def _special_ports(self) -> list[Term]:
        """The ports of the places of its target from which the call may give a right: it tells whether they stand for
        kernel objects.
        """
        k, b, S = self.x.k, self.b, self.S
        if not self.t.has("host_priv"):
            places = [S.place_slot(self.t.target, PLACE.of(place)) for place in k.profile.special_ports.values()]
            further = [b.flavour_port(self.t.target, OBJECT.of(kind)) for kind in sorted(k.profile.flavour_ports.values())]
            return [z3.If(k.is_target(k["task"]), port, self.t.sorts.no_port) for port in [*map(b.port, places), *further]]
        return [z3.If(k.object(k["host_priv"], PortObject.HOST_PRIV), b.port(S.host_slot(k["which"])), self.t.sorts.no_port)]

    def task(self, task: Term) -> Term:
        """The caller has all authority over the task: it is the caller, or the caller names a send right to a port that
        stands for it, or goes on with its creation.
        """
        b = self.b
        mine = [task == self.x.half_made] if self.x.rule in GOES_ON_WITH_TASK else []
        by_right = [z3.And(b.sends(slot), self._stands_for(b.port(slot), task)) for slot in self.rights]
        return z3.Or(task == self.x.k.caller, *mine, *by_right)

    def process(self, task: Term) -> Term:
        """The process behind the task: as of the task, or the caller names a right to any port of it, for a trap that
        asks for that; or the process is a child of the caller's, for calls that are about these.
        """
        b, caller = self.b, self.x.k.caller
        named = [z3.And(b.sends(slot), b.object_task(b.port(slot)) == task) for slot in self.t.names()]
        child = b.parent_pid(task) == b.pid(caller) if self.x.rule in ABOUT_CHILDREN else z3.BoolVal(False)
        return z3.Or(self.task(task), *named, child)

    def _stands_for(self, port: Term, task: Term) -> Term:
        """The port stands for the task. (The two are the same of tasks that live, by the invariants.)"""
        b = self.b
        stands = z3.Or(*[b.object(port) == OBJECT.of(kind) for kind in self.x.k.target_objects])
        return z3.Or(z3.And(stands, b.object_task(port) == task), port == b.task_port(task))

    def drawing(self, task: Term) -> Term:
        """The task draws on a ledger that the caller names."""
        return z3.Or(self.task(task), *[z3.Or(self.b.wired(task) == port, self.b.paged(task) == port) for port in self.ports])

    def message(self, message: Term) -> Term:
        """The message is in the hands of the caller, or queued where the caller or a task of its receives. Where room
        is given, the call that ends a task shows whether the message with which that task waits has room.
        """
        b = self.b
        in_hand = z3.And(z3.Or(b.stage(message) == STAGE.IN_KERNEL, b.stage(message) == STAGE.WAITING), b.owner(message) == self.x.k.caller)
        if self.x.k.profile.room_is_given and self.x.rule == TAKES_MESSAGES:  # it is queued, or ends with its task
            in_hand = z3.Or(in_hand, z3.And(b.stage(message) == STAGE.WAITING, self.task(b.owner(message))))
        return z3.Or(in_hand, z3.And(b.stage(message) == STAGE.QUEUED, self.received(b.queue(message))))

    def received(self, port: Term) -> Term:
        """The port's receive right is under a name of a task that the caller controls, or in the caller's hand."""
        b, S, place = self.b, self.S, self.b.receiver(port)
        under_name = z3.And(S.is_name_slot(place), self.task(S.space(place)))
        message = self.t.sorts.message_of(place)
        in_hand = z3.And(self.t.sorts.in_message(place), b.stage(message) == STAGE.IN_KERNEL, b.owner(message) == self.x.k.caller)
        return z3.Or(under_name, in_hand)

    def port(self, port: Term) -> Term:
        """The caller receives from the port, or names a right to it; or the port is the host's."""
        hosts = [port == self.t.sorts.host_port, port == self.t.sorts.host_priv_port]
        return z3.Or(self.received(port), *hosts, *[port == named for named in self.ports])

    def ledger(self, port: Term) -> Term:
        """The caller names a right to the ledger, or to its parent."""
        return z3.Or(self.port(port), *[self.b.ledger_parent(port) == named for named in self.ports])

    def slot(self, slot: Term) -> Term:
        """A slot of a task that the caller controls, of a message that it sees, of a port that it receives from, or of
        the host, if it names the privileged host port; or, for calls that get a port by a pid, a place for an access
        port.
        """
        S, sorts = self.S, self.t.sorts
        owner = z3.If(S.is_name_slot(slot), S.space(slot), z3.If(S.is_place_slot(slot), S.holder(slot), S.requester(slot)))
        of_task = z3.And(z3.Or(S.is_name_slot(slot), S.is_place_slot(slot), S.is_request_slot(slot)), self.task(owner))
        in_message = z3.And(sorts.in_message(slot), self.message(sorts.message_of(slot)))
        watched = z3.If(S.is_no_senders_slot(slot), S.watched(slot), S.guarded(slot))
        of_port = z3.And(z3.Or(S.is_no_senders_slot(slot), S.is_port_destroyed_slot(slot)), self.received(watched))
        access = z3.BoolVal(False)
        if self.x.rule in BY_PID:
            access = z3.And(S.is_place_slot(slot), S.place(slot) == PLACE.of(Place.ACCESS))
        privileged = [self.b.object(self.b.port(right)) == OBJECT.of(PortObject.HOST_PRIV) for right in self.rights]
        return z3.Or(of_task, in_message, of_port, access, z3.And(S.is_host_slot(slot), z3.Or(*privileged)))

    def session(self, number: Term) -> Term:
        """The caller's process is in the audit session, or the call may put it there."""
        b = self.b
        tasks = [self.x.k.caller, *([self.x.half_made] if self.x.rule in GOES_ON_WITH_TASK else [])]
        return z3.Or(self.x.rule == "setaudit_addr", *[number == b.session(task) for task in tasks])

    def content(self, o: Term) -> Term:
        """The object is at a page of a task that the caller controls, at the address that the call gives."""
        pages = [self.t.k[name] for name in ("address", "source_address", "dest_address") if self.t.has(name)]
        tasks = [self.t.target, self.x.k.caller]
        return z3.Or(*[o == self.b.mapped(task, page) for task in tasks for page in pages])


Seen = Callable[[Sight], Callable[..., Term]]


def _task(sight: Sight) -> Callable[..., Term]:
    return lambda task, *rest: sight.task(task)


def _process(sight: Sight) -> Callable[..., Term]:
    return sight.process


def _everywhere_for(calls: Collection[str], seen: Seen) -> Seen:
    """What these calls look at, whatever task it is of: they find a task through its process."""

    def sees(sight: Sight) -> Callable[..., Term]:
        return (lambda *point: z3.BoolVal(True)) if sight.x.rule in calls else seen(sight)

    return sees


def _port(sight: Sight) -> Callable[..., Term]:
    return lambda port, *rest: sight.port(port)


def _own_port(sight: Sight) -> Callable[..., Term]:
    return lambda port, *rest: sight.received(port)


def _message(sight: Sight) -> Callable[..., Term]:
    return lambda message, *rest: sight.message(message)


def _slot(sight: Sight) -> Callable[..., Term]:
    return sight.slot


def _ledger(sight: Sight) -> Callable[..., Term]:
    return sight.ledger


def nowhere(sight: Sight) -> Callable[..., Term]:
    """No caller sees it at any point."""
    return lambda *point: z3.BoolVal(False)


_IDS = tuple(f"{which}_{of}" for of in ("user", "group") for which in ("real", "effective", "saved"))
"""The ids by which a call decides whether a process may control another."""

SEEN: Mapping[str, Seen] = {
    **dict.fromkeys(("task_port", "flavour_port"), _everywhere_for(FINDS_TASKS, _task)),
    **dict.fromkeys(("security", "audit", "suspend_count", "exception_behaviour", "exception_flavour", "set_by_root"), _task),
    **dict.fromkeys(("wait", "waits_with", "waits_at", "waits_for", "waits_limit", "waits_large", "waits_trailer"), _task),
    **dict.fromkeys(("will_receive", "will_wait"), _task),
    **dict.fromkeys(("waits_child", "waits_security", "waits_audit", "waits_host", "mapped", "inheritance", "known_as"), _task),
    **dict.fromkeys(("task_life", "wired", "paged"), lambda sight: sight.drawing),
    **dict.fromkeys(("kind", "port", "urefs", "form", "due_at", "died_first", "unlooked", "told", "had", "send_possible"), _slot),
    **dict.fromkeys(("object_task", "msgcount", "reserved", "qlimit", "srights", "is_immovable", "purpose"), _port),
    **dict.fromkeys(("image_pid", "image_version"), _port),
    **dict.fromkeys(("port_life", "ledger_limit", "ledger_balance", "ledger_parent", "ledger_payer"), _ledger),
    **dict.fromkeys(
        ("receiver", "mscount", "seqno", "sorights", "member", "context", "is_guarded", "is_strict", "no_senders_due", "request_slots"), _own_port
    ),
    **dict.fromkeys(("is_donating", "has_temp_owner", "lost_sends", "is_service", "is_throttled"), _own_port),
    **dict.fromkeys(("stage", "queue", "arrival", "room", "owner", "id", "body_count", "layout", "memory", "size", "data"), _message),
    **dict.fromkeys(("sender_security", "sender_audit", "from_kernel"), _message),
    **dict.fromkeys(("exec_phase", "waits_set_user", "waits_set_group", "waits_pid"), _task),
    **dict.fromkeys(OF_PROCESS, _task),
    "pid_version": _everywhere_for((BY_TOKEN,), _task),
    **dict.fromkeys(("process", "pid"), _everywhere_for((*FINDS_TASKS, "setaudit_addr"), _process)),
    **dict.fromkeys(("parent_pid", "is_orphan", "exit_status"), _process),
    **dict.fromkeys(("has_changed_ids", *_IDS), _everywhere_for(BY_PID, _task)),
    "session": _everywhere_for(("setaudit_addr",), _task),
    "session_user": lambda sight: sight.session,
    "pid_versions": lambda sight: lambda: z3.BoolVal(sight.x.rule in (*PROCESS_MAKERS, EXEC_RESUMED)),
    "object": _everywhere_for(FINDS_TASKS, _ledger),
    "clock": nowhere,
    "content": lambda sight: sight.content,
    "object_made": nowhere,
}
"""For every field of the state that isn't a ghost: at which points the caller of a call sees it."""
assert not missing(SEEN), f"model/invariants/sight.py: SEEN and FIELDS differ in {', '.join(sorted(missing(SEEN)))}"
LOOKS = ("kind", "port", "object", "object_task", "receiver", "stage", "owner", "queue")
"""The fields that say what the caller sees."""
