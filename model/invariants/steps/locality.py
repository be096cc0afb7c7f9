"""Locality: what a step may change, field by field.

One table, ``FRAMES``, has an entry for every field of the state that isn't a ghost. An entry lists the reasons for
which a step may change the field at a point. A change for which no reason holds breaks step invariant 201, whichever
call makes it and whomever it concerns. A reason names the rules that may have it, by facts of the signature table where
the table has such a fact, else by name. Leaving a rule out is safe: what the rule changes is then not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
import z3

from sendright.mach.abi.port_attributes import PortAttributes, PortPurpose
from sendright.mach.abi.rights import EXCEPTION_PLACES, TASK_FLAVOUR_PORTS, Disposition, Inheritance, Notification, Place, PortObject
from sendright.mach.signatures import SIGNATURES, ArgumentType, OutputType, Signature
from sendright.mach.signatures.processes import BY_TOKEN, MAKES_TOKEN
from sendright.mach.state.process import FIRST_PID
from sendright.model.language.actions import counted_messages
from sendright.model.language.invariant import Variables
from sendright.model.language.rule import (
    ANSWER,
    ANSWERING_RULES,
    COPY_IN,
    COPY_OUT,
    CREATION_RESUMED,
    DELIVER,
    DESTROY,
    EXEC_RESUMED,
    FIRES_POSSIBLE,
    LOOK_AT_NAME,
    LOOKS,
    PAGE_IN,
    PAGE_OUT,
    RESUMED_SEND,
    SETTING_RESUMED,
    SUSPENSIONS_END,
    TAKE,
    WAIT4_RESUMED,
    WILL_RECEIVE,
    Context,
)
from sendright.model.language.sorts import INHERITANCE, KIND, LIFE, OBJECT, PLACE, POSSIBLE, PROCESS, PURPOSE, STAGE, WAIT, Term
from sendright.model.language.state import FIELDS, State, sort_named
from sendright.model.language.step_property import IN_PROGRESS, forall, step_property
from sendright.model.language.transition import BY_PID, FINDS_TASKS, SETS_IDS, SETS_TOKENS, SUSPENSION, TASK_ENDS, Transition

TAKES_MESSAGES = "task_terminate"
"""The call that ends another task's wait, and the message with which that task waits."""
MESSAGE_ENDS = (DESTROY, DELIVER, RESUMED_SEND)
"""The rules that destroy the message that they are about."""
ENTRY_CALLS = ("mach_port_deallocate", "mach_port_destroy", "mach_port_mod_refs", "mach_port_destruct")
"""The calls that give up what a name denotes, or a part of it."""
ALLOCATORS = ("mach_port_allocate", "mach_port_allocate_name", "mach_port_allocate_full", "mach_port_construct", "mach_reply_port")
FIRES, NO_SENDERS_LEFT, RESCUED = "a dead-name request fires", "no senders are left", "a receive right is rescued"
READS = frozenset(
    {OutputType.NAMES, OutputType.TYPES, OutputType.TYPE, OutputType.REFERENCES, OutputType.WORDS, OutputType.WORD, OutputType.AMOUNT}
    | {OutputType.SECURITY_TOKEN, OutputType.AUDIT_TOKEN, OutputType.SEQUENCE_NUMBER, OutputType.SIZE, OutputType.MESSAGE_ID}
)
"""Results that are values. A call that gives nothing else reads."""


def request_of_trap(x: Transition) -> Signature | None:
    """The call whose request the rule begins, if a task makes this call on itself by a trap. None: there is none."""
    call, _, step = x.rule.partition(": ")
    return SIGNATURES[call] if step == "request" and call in x.k.profile.own_calls_are_traps else None


class Touched:
    """A step, with the things that its rule's arguments and choices name: what the rule is about."""

    def __init__(self, v: Variables, x: Transition) -> None:
        self.v, self.x, self.k = v, x, x.k
        self.b, self.a, self.S, self.sorts = x.before, x.after, v.S, v.sorts

    @property
    def rule(self) -> str:
        return self.x.rule

    def has(self, name: str) -> bool:
        """The rule has an argument or choice of this name."""
        return name in self.k.constants

    def chosen(self, sort: str) -> list[Term]:
        """The kernel's choices of this sort."""
        return [self.k.constants[name] for name, each in self.k.rule.choices.items() if each.name == sort and not each.is_function]

    def named(self, sort: str) -> list[Term]:
        """The rule's arguments and the kernel's choices of this sort."""
        parameters = {**self.k.rule.parameters, **self.k.rule.choices}
        return [self.k.constants[name] for name, each in parameters.items() if each.name == sort and not each.is_function]

    @property
    def target(self) -> Term:
        """The task that the call is about: behind its argument for a task, or behind the request's destination."""
        if self.x.call is not None and "message" in self.k.rule.parameters:
            return self.b.object_task(self.b.port(self.S.destination_slot(self.k["message"])))
        if self.x.call is not None:
            for argument in self.x.call.arguments:
                if argument.object is PortObject.TASK and self.has(argument.name):
                    return self.k.task_behind(self.k[argument.name])
        return self.k.caller

    def names(self) -> list[Term]:
        """The slots of the names that the call's arguments give, in the target's space."""
        if self.x.call is None:
            return []
        given = [each.name for each in self.x.call.arguments if each.type is ArgumentType.NAME and self.has(each.name)]
        return [self.k.slot(self.k[name], self.target) for name in given]

    # ---- what becomes of ports, slots and messages

    def made(self, port: Term) -> Term:
        """The port is one that the kernel chose to make in this step."""
        fresh = [z3.And(port == each, self.b.port_life(each) == LIFE.UNBORN) for each in self.chosen("Port")]
        return z3.And(z3.Or(*fresh), self.a.active(port))

    def dies(self, port: Term) -> Term:
        return z3.And(self.b.active(port), z3.Not(self.a.active(port)))

    def child(self, task: Term) -> Term:
        """The task is the one that the call makes."""
        return self.x.new_task(task) if self.x.creates else z3.BoolVal(False)

    def same(self, slot: Term) -> Term:
        b, a = self.b, self.a
        return z3.And(a.kind(slot) == b.kind(slot), a.port(slot) == b.port(slot))

    def died(self, slot: Term) -> Term:
        """The right in the slot was to a port that dies: what is left is dead, with as many references."""
        b, a = self.b, self.a
        left = z3.And(a.kind(slot) == KIND.DEAD_NAME, a.port(slot) == self.sorts.no_port, a.urefs(slot) == b.urefs(slot))
        return z3.And(left, self.dies(b.port(slot)))

    def emptied(self, slot: Term) -> Term:
        return z3.And(self.a.empty(slot), self.a.port(slot) == self.sorts.no_port, self.a.urefs(slot) == 0)

    def made_message(self, message: Term) -> Term:
        """The message is made in this step: a free one is taken."""
        return z3.And(self.b.stage(message) == STAGE.FREE, self.a.stage(message) != STAGE.FREE)

    def goes_with_queue(self, message: Term) -> Term:
        """The message was queued on a port that dies, and is free after that."""
        lost = z3.And(self.b.stage(message) == STAGE.QUEUED, self.dies(self.b.queue(message)))
        return z3.And(lost, self.a.stage(message) == STAGE.FREE)

    def own(self, message: Term) -> Term:
        """The message is one that the rule's arguments or choices name, or the one with which the caller waits."""
        mine = self.named("Message")
        if self.k.rule.resumes == "SENDING":
            mine.append(self.b.waits_with(self.k.caller))
        return z3.Or(*[message == each for each in mine])

    def waits_for_room(self, message: Term) -> Term:
        """The message is the one with which the target waits to send."""
        return z3.And(self.b.wait(self.target) == WAIT.SENDING, message == self.b.waits_with(self.target))

    def named_receive(self, port: Term) -> Term:
        return self.x.named_receive(port)

    def selected(self, place: Term) -> Term:
        """The place of its target that the call's arguments select."""
        k, profile = self.k, self.k.profile
        chosen: list[Term] = []
        if self.rule == "task_set_special_port":
            chosen = [z3.And(k["which"] == selector, place == PLACE.of(which)) for selector, which in profile.special_ports.items()]
        elif self.rule == "mach_ports_register":
            chosen = [place == PLACE.of(which) for which in profile.registered_places]
        elif self.x.is_call(lambda call: call.selects_exceptions) and self.has("new_port"):
            bits = [(k["exception_mask"] / z3.IntVal(1 << number)) % 2 == 1 for number, _ in enumerate(profile.exception_places, 1)]
            chosen = [z3.And(bit, place == PLACE.of(which)) for bit, which in zip(bits, profile.exception_places, strict=True)]
        elif self.x.grants_host or self.rule == CREATION_RESUMED or self.rule in SETS_TOKENS:
            chosen = [place == PLACE.of(Place.HOST)]
        return z3.Or(*chosen)

    @property
    def giver(self) -> Term:
        """The task of which the call gives a further port."""
        return self.k["found"] if self.rule in FINDS_TASKS else self.target

    @property
    def holder(self) -> Term:
        """The task whose places the call sets."""
        return self.x.half_made if self.rule == CREATION_RESUMED else self.target

    @property
    def answered(self) -> Term:
        """The request whose notification a rule for pending work sends."""
        if self.has("name"):
            return self.S.request_slot(self.k["space"], self.k["name"])
        return self.S.port_destroyed_slot(self.k["of"]) if self.has("reaches") else self.S.no_senders_slot(self.k["of"])

    def begins_to_wait(self, task: Term, wait: Term) -> Term:
        """The caller begins to wait in this, by an answer that says so."""
        if self.x.case.code not in IN_PROGRESS:
            return z3.BoolVal(False)
        return z3.And(task == self.k.caller, self.b.wait(task) == WAIT.NOTHING, self.a.wait(task) == wait)


class Reason(msgspec.Struct, frozen=True):
    """Why a step may change a field at a point."""

    words: str
    """The reason, in words."""
    where: Callable[..., Term]
    """The same as a term, of the step and the point."""
    rules: Callable[[Transition], bool] = lambda x: True
    """The steps that may have this reason."""


def rules(*names: str) -> Callable[[Transition], bool]:
    """The steps of these rules."""
    return lambda x: x.rule in names


def room_is_given(*names: str) -> Callable[[Transition], bool]:
    """The steps of these rules, in kernels that give room to senders that wait."""
    return lambda x: x.k.profile.room_is_given and x.rule in names


def creates(x: Transition) -> bool:
    """Steps that make a task."""
    return x.creates


def makes_ports(x: Transition) -> bool:
    """Creations of tasks and ledgers, and allocations."""
    gives_kernel_object = x.creates or x.is_call(lambda call: call.changes_ledgers and call.replies_with_rights)
    return gives_kernel_object or gives_further_ports(x) or x.rule in (*ALLOCATORS, EXEC_RESUMED, MAKES_TOKEN)


def given_further_ports(x: Transition) -> Mapping[PortObject, Term]:
    """The further ports of a task to which the call may give a right, each with when it does. The first such call makes
    the port.
    """
    if x.rule in BY_PID and BY_PID[x.rule] is not PortObject.TASK:
        return {BY_PID[x.rule]: z3.BoolVal(True)}
    if x.rule == BY_TOKEN:
        return {kind: x.k["flavor"] == flavour for flavour, kind in TASK_FLAVOUR_PORTS.items() if kind is not PortObject.TASK}
    if x.rule == "task_suspend" and x.k.profile.resume_ports:
        return {PortObject.TASK_RESUME: z3.BoolVal(True)}
    if x.rule != "task_get_special_port":
        return {}
    return {kind: x.k["which"] == selector for selector, kind in sorted(x.k.profile.flavour_ports.items(), key=lambda each: each[1])}


def gives_further_ports(x: Transition) -> bool:
    """Calls that give a right to a further port of a task."""
    return bool(given_further_ports(x))


def gives_resume_port(x: Transition) -> bool:
    """Calls that give a right to a task's resume port."""
    return PortObject.TASK_RESUME in given_further_ports(x)


def resumes_with_right(x: Transition) -> bool:
    """Calls that give up a right of the caller's to the resume port of a task, if it has one."""
    return x.k.profile.resume_ports and x.rule == "task_resume"


def only_reads(x: Transition) -> bool:
    """The call's results are values, and it has some: it reads. (setaudit_addr returns the session that it made.)"""
    return x.rule not in SETS_TOKENS and x.is_call(lambda call: bool(call.outputs) and all(output.type in READS for output in call.outputs))


def releases(x: Transition) -> bool:
    """Steps in which ports can die."""
    ends = x.rule in (*ENTRY_CALLS, *MESSAGE_ENDS, *TASK_ENDS, RESCUED)
    return ends or x.is_call(lambda call: call.changes_ledgers and not call.replies_with_rights and len(call.arguments) == 1)


# ---- the reasons that several fields share


def _destination(t: Touched, message: Term) -> Term:
    """The port to which the message goes."""
    return t.b.port(t.S.destination_slot(message))


def _place_given(t: Touched, p: Term) -> Term:
    """The step takes a message from the port, or raises its limit: one more place is reserved, or up to so many."""
    b, a = t.b, t.a
    here = p == t.k["source"] if t.rule == TAKE else t.named_receive(p)
    most = 1 if t.rule == TAKE else a.qlimit(p) - b.qlimit(p)
    return z3.And(here, b.reserved(p) < a.reserved(p), a.reserved(p) <= b.reserved(p) + most)


def _place_used(t: Touched, p: Term) -> Term:
    """The message with which the caller (or the task that ends) waits takes the place that is reserved for it."""
    message = t.b.waits_with(t.target if t.rule == TAKES_MESSAGES else t.k.caller)
    queued = z3.And(t.b.room(message) == p, t.a.room(message) == t.sorts.no_port, _destination(t, message) == p)
    return z3.And(queued, t.a.reserved(p) == t.b.reserved(p) - 1)


def _gets_room(t: Touched, m: Term) -> Term:
    """The message waits at the port from which the step takes a message, or whose limit it raises. (Step invariant 20
    says that those that have waited longest get room.)
    """
    b, a, port = t.b, t.a, _destination(t, m)
    waits = z3.And(b.stage(m) == STAGE.WAITING, b.room(m) == t.sorts.no_port, b.kind(t.S.destination_slot(m)) == KIND.SEND)
    here = port == t.k["source"] if t.rule == TAKE else z3.And(t.named_receive(port), a.qlimit(port) > b.qlimit(port))
    return z3.And(here, waits, a.room(m) == port)


def _room_ends(t: Touched, m: Term) -> Term:
    """The caller's wait, or that of the task that ends, is over."""
    mine = t.waits_for_room(m) if t.rule == TAKES_MESSAGES else m == t.b.waits_with(t.k.caller)
    return z3.And(mine, t.a.room(m) == t.sorts.no_port, t.a.stage(m) != STAGE.WAITING)


def _slots(s: Callable[[Touched, Term], Term], words: str, allowed: Callable[[Transition], bool] = lambda x: True) -> Reason:
    return Reason(words, s, allowed)


def _in_names(t: Touched, s: Term, *slots: Term) -> Term:
    return z3.Or(*[s == slot for slot in slots])


def _name_of_caller(t: Touched, s: Term) -> Term:
    """What is copied out goes under the name in the result."""
    return s == t.k.slot(t.x.case.outputs["name"])


def _allocated(t: Touched, s: Term) -> Term:
    told = [name for name in ("name", "port") if name in t.x.case.outputs]
    return z3.And(z3.Or(*[s == t.k.slot(t.x.case.outputs[name], t.target) for name in told]), t.b.empty(s))


def _of_ended(t: Touched, s: Term) -> Term:
    ended = t.a.task_life(t.x.ended_task) == LIFE.ENDED
    return z3.And(t.sorts.of_task(s, t.x.ended_task), t.emptied(s), ended)


EXEC_PLACES = (Place.KERNEL, Place.HOST, *EXCEPTION_PLACES)
"""The places of an exec's new task that the exec sets when that task gets its identity."""


def _of_exec(t: Touched, task: Term) -> Term:
    """The task is the new one of the caller's exec, and gets its identity in this step."""
    return z3.And(task == t.x.half_made, t.b.exec_phase(t.k.caller) == 1)


def _place_in_exec(t: Touched, s: Term) -> Term:
    places = z3.Or(*[t.S.place(s) == PLACE.of(place) for place in EXEC_PLACES])
    return z3.And(t.S.is_place_slot(s), _of_exec(t, t.S.holder(s)), places)


def _message_taken_in(t: Touched, s: Term) -> Term:
    """A place of a message that ends, or whose rights the kernel takes in."""
    message = t.k["message"] if t.has("message") else t.b.waits_with(t.k.caller)
    kept = t.S.is_reply_slot(s) if t.rule == DELIVER and t.x.case.code is None else z3.BoolVal(False)
    return z3.And(t.sorts.slots_of_message(s, message), t.emptied(s), z3.Not(kept))


def _place_of_request(t: Touched, s: Term) -> Term:
    """The two places of a request that carries a right: its destination, and the right."""
    return z3.Or(s == t.S.destination_slot(t.k["message"]), s == t.S.body_slot(t.k["message"], z3.IntVal(0)))


def _new_message(t: Touched, s: Term) -> Term:
    """A place of a message that is made in this step."""
    return z3.And(t.sorts.in_message(s), t.made_message(t.sorts.message_of(s)), z3.Not(t.S.is_reply_slot(s)))


def _registered(t: Touched, s: Term) -> Term:
    """The slot in which the request for this notification is kept."""
    k, S = t.k, t.S
    port = t.b.port(k.slot(k["name"], t.target))
    return z3.Or(s == S.request_slot(t.target, k["name"]), s == S.no_senders_slot(port), s == S.port_destroyed_slot(port))


def _told_entry(t: Touched, s: Term) -> Term:
    """The name gets a reference with the notification; nothing else of it changes."""
    return z3.And(s == t.k.slot(t.k["name"], t.target), t.same(s), t.b.kind(s) == KIND.DEAD_NAME)


def _fired(t: Touched, s: Term) -> Term:
    k = t.k
    entry = z3.And(s == k.slot(k["name"], k["space"]), t.same(s), t.b.kind(s) == KIND.DEAD_NAME)
    return z3.Or(z3.And(s == t.S.request_slot(k["space"], k["name"]), t.emptied(s)), entry)


def _fired_possible(t: Touched, s: Term) -> Term:
    """The request has fired for send-possible: a dead right keeps its place."""
    return z3.And(s == t.answered, t.a.kind(s) == KIND.DEAD_NAME, t.a.port(s) == t.sorts.no_port)


def _room_came(t: Touched, s: Term) -> Term:
    """A message is taken from the port that the request's name is for."""
    entry = t.S.name_slot(t.S.requester(s), t.S.requested(s))
    armed = z3.And(t.S.is_request_slot(s), t.b.send_possible(s) == POSSIBLE.ARMED, t.b.port(entry) == t.k["source"])
    return z3.And(armed, t.a.send_possible(s) == POSSIBLE.DUE)


def _armed(t: Touched, s: Term) -> Term:
    """The sender says that a full queue arms the request on the destination's name."""
    b, k, asked = t.b, t.k, (POSSIBLE.DELAYED, POSSIBLE.ARMED)
    port = b.port(k.slot(k["dest"]))
    full = counted_messages(b, port, k.profile) >= b.qlimit(port)
    was = z3.Or(*[b.send_possible(s) == each for each in asked])
    return z3.And(s == t.S.request_slot(k.caller, k["dest"]), k["send_notify"], was, full, t.a.send_possible(s) == POSSIBLE.ARMED)


def _place_free(t: Touched, s: Term) -> Term:
    """The place of a request that had fired is free, as a call has looked at its name, whose port has died, or has
    freed it.
    """
    entry = t.S.name_slot(t.S.requester(s), t.S.requested(s))
    ends = z3.Or(t.a.unlooked(entry) == KIND.NONE, t.a.empty(entry))
    looked = z3.And(t.S.is_request_slot(s), t.b.empty(s), t.b.kind(entry) == KIND.DEAD_NAME, ends)
    return z3.And(looked, t.b.send_possible(s) == POSSIBLE.FIRED, t.a.send_possible(s) == POSSIBLE.NOT_ASKED)


def _asks_possible(t: Touched, s: Term) -> Term:
    """The request on the name is for what the call asks, if it is registered; else for nothing."""
    k, a = t.k, t.a
    given = t.b.kind(t.S.body_slot(k["message"], z3.IntVal(0))) == KIND.SEND_ONCE
    asks = z3.And(k["variant"] == int(Notification.SEND_POSSIBLE), given, z3.Not(a.empty(s)))
    what = z3.If(asks, z3.If(k["sync"] != 0, POSSIBLE.ARMED, POSSIBLE.DELAYED), POSSIBLE.NOT_ASKED)
    return z3.And(s == t.S.request_slot(t.target, k["name"]), a.send_possible(s) == what)


def _renamed(t: Touched, s: Term) -> Term:
    k, S, task = t.k, t.S, t.target
    names = (k["old_name"], k["new_name"])
    return z3.Or(*[s == make(task, name) for name in names for make in (S.name_slot, S.request_slot)])


def _destination_taken(t: Touched, s: Term) -> Term:
    return z3.And(s == t.S.destination_slot(t.k["oldest"]), t.emptied(s))


def _request_goes_with_port(t: Touched, s: Term) -> Term:
    S = t.S
    watched = z3.If(S.is_no_senders_slot(s), S.watched(s), S.guarded(s))
    requests = z3.Or(S.is_no_senders_slot(s), S.is_port_destroyed_slot(s))
    return z3.And(requests, t.dies(watched), t.emptied(s))


def _receive_right_ends(t: Touched, s: Term) -> Term:
    """The slot held the receive right of a port that dies, and holds nothing or, under a name, what is left of SEND."""
    left = z3.Or(t.emptied(s), z3.And(t.a.kind(s) == KIND.DEAD_NAME, t.b.sends(s)))
    return z3.And(t.b.receives(s), t.dies(t.b.port(s)), left)


def _limbo(t: Touched, s: Term) -> Term:
    """The receive right of a port that would die waits for its port-destroyed requester."""
    port = t.S.rescued(s)
    request = t.S.port_destroyed_slot(port)
    asked = z3.Not(t.b.empty(request)) if t.k.profile.send_survives_rescue else t.b.kind(request) == KIND.SEND_ONCE
    return z3.And(t.S.is_limbo_slot(s), t.b.active(port), asked, t.a.kind(s) == KIND.RECEIVE, t.a.port(s) == port)


def _looked_at(t: Touched, s: Term) -> Term:
    """The name is one whose port died; it stays a dead name."""
    task = t.k.task_behind(t.k["control"]) if t.rule == LOOK_AT_NAME else t.k.caller
    return z3.And(s == t.k.slot(t.k["name"], task), t.same(s), t.b.kind(s) == KIND.DEAD_NAME, t.a.unlooked(s) == KIND.NONE)


def _dies_unlooked(t: Touched, s: Term) -> Term:
    """The right's port dies: what a send or send-once right was is remembered, and that no request has fired."""
    was = t.b.kind(s)
    one = z3.Or(was == KIND.SEND, was == KIND.SEND_ONCE)
    return z3.And(t.died(s), t.a.unlooked(s) == z3.If(one, was, KIND.NONE), z3.Not(t.a.told(s)))


def resume_port(x: Transition, state: State) -> Term:
    """The resume port of the task that the call is about, or NO_PORT: there is none in ``state``."""
    return state.flavour_port(x.k.task_behind(x.k["task"]), OBJECT.of(PortObject.TASK_RESUME))


def holds_resume(x: Transition, state: State, slot: Term) -> Term:
    """In ``state`` the slot is a name of the caller's space for a send right to that port."""
    port = resume_port(x, state)
    of_caller = z3.And(x.k.sorts.Slot.is_name_slot(slot), x.k.sorts.Slot.space(slot) == x.k.caller)
    return z3.And(of_caller, port != x.k.sorts.no_port, state.sends(slot), state.port(slot) == port)


def _held_resume(t: Touched, s: Term) -> Term:
    """The caller's name for the target's resume port, before or after the step."""
    return z3.Or(*[holds_resume(t.x, state, s) for state in (t.b, t.a)])


SLOTS = (
    _slots(lambda t, s: t.died(s), "the right's port dies: the right is dead", releases),
    _slots(_receive_right_ends, "the receive right's port dies", releases),
    _slots(_request_goes_with_port, "the request was for a port that dies", releases),
    _slots(
        lambda t, s: z3.And(t.sorts.in_message(s), t.goes_with_queue(t.sorts.message_of(s)), t.emptied(s)),
        "the message was queued on a port that dies",
        releases,
    ),
    _slots(_limbo, "the receive right goes to the port-destroyed requester", releases),
    _slots(_new_message, "the message is made in this step"),
    _slots(lambda t, s: _in_names(t, s, *t.names()), "the call gives up what this name denotes", rules(*ENTRY_CALLS)),
    _slots(lambda t, s: _in_names(t, s, *t.names()), "the right is inserted under this name", rules("mach_port_insert_right")),
    _slots(_allocated, "the right is allocated under this name, which was free", rules(*ALLOCATORS)),
    _slots(lambda t, s: _in_names(t, s, t.k.slot(t.k["name"], t.k["space"]), t.k["place"]), "the right is copied in", rules(COPY_IN)),
    _slots(lambda t, s: z3.Or(s == t.k["place"], _name_of_caller(t, s)), "the right is copied out", rules(COPY_OUT)),
    _slots(_renamed, "the name is renamed", rules("mach_port_rename")),
    _slots(_held_resume, "the caller gets a right to the resume port, or gives one up", lambda x: gives_resume_port(x) or resumes_with_right(x)),
    _slots(_of_ended, "the task ends", rules(*TASK_ENDS)),
    _slots(_place_in_exec, "the exec's new task gets its identity", rules(EXEC_RESUMED)),
    _slots(
        lambda t, s: z3.And(t.sorts.in_message(s), t.waits_for_room(t.sorts.message_of(s)), t.emptied(s)),
        "the task that waits with this message ends",
        rules(TAKES_MESSAGES),
    ),
    _slots(_message_taken_in, "the message ends, or the kernel takes its rights in", rules(*MESSAGE_ENDS)),
    _slots(lambda t, s: t.sorts.slots_of_message(s, t.k["message"]), "the kernel answers with the same message", rules(ANSWER)),
    _slots(_place_of_request, "the request gives its rights to the kernel", rules("mach_port_insert_right", "mach_port_request_notification")),
    _slots(_registered, "the request is registered, or answered at once", rules("mach_port_request_notification")),
    _slots(_told_entry, "dead-name is sent at once", rules("mach_port_request_notification")),
    _slots(_destination_taken, "the message is received", rules(TAKE)),
    _slots(_fired, "the dead-name request fires", rules(FIRES)),
    _slots(_fired_possible, "the send-possible request fires", rules(FIRES_POSSIBLE)),
    _slots(_looked_at, "a call looks at this name, which is dead", rules(*LOOKS)),
    _slots(lambda t, s: z3.And(s == t.S.no_senders_slot(t.k["of"]), t.emptied(s)), "the no-senders request is answered", rules(NO_SENDERS_LEFT)),
    _slots(
        lambda t, s: z3.And(z3.Or(s == t.S.limbo_slot(t.k["of"]), s == t.S.port_destroyed_slot(t.k["of"])), t.emptied(s)),
        "the rescued right leaves limbo",
        rules(RESCUED),
    ),
    _slots(lambda t, s: z3.And(t.S.is_place_slot(s), t.child(t.S.holder(s))), "the task is made in this step", creates),
    _slots(
        lambda t, s: z3.And(t.S.is_place_slot(s), t.S.holder(s) == t.holder, t.selected(t.S.place(s))),
        "the call sets this place of its target",
    ),
    _slots(lambda t, s: s == t.x.in_hand, "the caller's stopped call holds this right", lambda x: x.stops or x.rule == SETTING_RESUMED),
    _slots(lambda t, s: s == t.S.host_slot(t.k["which"]), "the call sets this special port of the host", rules("host_set_special_port")),
    _slots(
        lambda t, s: z3.And(t.S.is_kernel_slot(s), t.made(t.S.of(s)), t.a.kind(s) == KIND.RECEIVE, t.a.port(s) == t.S.of(s)),
        "the kernel's port is made in this step",
        makes_ports,
    ),
)
"""What a slot holds: its kind, port and user references. (Step invariant 202 says how many references there are.)"""

NEW = Reason("the port is made in this step", lambda t, p: t.made(p), makes_ports)
MADE = Reason("the message is made in this step", lambda t, m: t.made_message(m))
ANSWERED = Reason("the kernel answers with the same message", lambda t, m: m == t.k["message"], rules(ANSWER))
CHILD = Reason("the task is made in this step", lambda t, task, *rest: t.child(task), creates)
EXEC_IDENTITY = Reason("the exec's new task gets its identity", _of_exec, rules(EXEC_RESUMED))
_EFFECTIVE_IDS = ("effective_user", "saved_user", "effective_group", "saved_group")


def _of_callers_exec(field: str, value: Callable[[Touched], Term]) -> Reason:
    """The caller's exec begins, with this value."""

    def where(t: Touched, task: Term) -> Term:
        return z3.And(task == t.k.caller, t.a.wait(task) == WAIT.EXECUTING, t.a.fields[field](task) == value(t))

    return Reason("the caller's exec begins", where, rules("execve"))


def _is_callers_child(t: Touched, task: Term) -> Term:
    """The process behind the task is a child of the caller's."""
    return t.b.parent_pid(task) == t.b.pid(t.k.caller)


def _carried_off(t: Touched, port: Term) -> Term:
    """The receive right leaves its space in this step."""
    place = t.a.receiver(port)
    away = z3.Or(t.S.is_body_slot(place), t.S.is_limbo_slot(place))
    return z3.And(t.b.active(port), away, place != t.b.receiver(port))


def _loses_guard(value: Callable[[Touched, Term], Term]) -> Reason:
    return Reason("the receive right is carried away", lambda t, p: z3.And(_carried_off(t, p), value(t, p)))


def _counted(about: str) -> Reason:
    return Reason(f"the port was made: its count is the number of {about}", lambda t, p: t.a.port_life(p) != LIFE.UNBORN)


def _can_lose_answers(x: Transition) -> bool:
    return x.k.profile.kernel_reply_needs_room and x.rule in (ANSWER, TAKES_MESSAGES)


def _loses_answer(t: Touched, port: Term) -> Term:
    """The answer doesn't find room: no slot has its right any more, and the kernel's count keeps it."""
    place = t.S.reply_slot(t.k["message"]) if t.rule == ANSWER else t.S.destination_slot(t.b.waits_with(t.target))
    gone = z3.And(t.b.kind(place) == KIND.SEND, t.b.port(place) == port, t.emptied(place))
    return z3.And(gone, t.a.lost_sends(port) == t.b.lost_sends(port) + 1)


def _right_moves(t: Touched, port: Term) -> Term:
    """The slot of the receive right is another one after the step, and the right isn't left in the old one."""
    old, new = t.b.receiver(port), t.a.receiver(port)
    left = z3.Or(z3.Not(t.a.receives(old)), t.a.port(old) != port)
    return z3.And(t.b.active(port), t.a.active(port), left, t.a.receives(new), t.a.port(new) == port)


def _known(t: Touched, task: Term, port: Term) -> Term:
    """The space gains or loses the name that has SEND or RECEIVE for the port."""
    b, a, S = t.b, t.a, t.S
    old, new = S.name_slot(task, b.known_as(task, port)), S.name_slot(task, a.known_as(task, port))
    had, has = b.known_as(task, port) != t.sorts.null, a.known_as(task, port) != t.sorts.null
    loses = z3.Implies(had, z3.Or(a.port(old) != port, z3.Not(z3.Or(a.sends(old), a.receives(old)))))
    gains = z3.Implies(has, z3.And(a.port(new) == port, z3.Or(a.sends(new), a.receives(new)), z3.Not(z3.And(t.same(new)))))
    return z3.And(loses, gains)


def _kernel_makes(t: Touched, port: Term) -> Term:
    """How many send rights to the port the kernel makes in this step."""
    x, k, a, S = t.x, t.k, t.a, t.S
    made: list[Term] = []
    if x.creates:
        child = k["child"]
        places = [Place.KERNEL, *([Place.HOST] if x.grants_host else [])]
        places += [place for place in (Place.WIRED_LEDGER, Place.PAGED_LEDGER) if place in k.profile.places]
        made += [a.port(S.place_slot(child, PLACE.of(place))) for place in places]
    elif x.grants_host:
        made.append(a.port(S.place_slot(t.target, PLACE.of(Place.HOST))))
    if x.rule == CREATION_RESUMED and x.k.profile.takes("host_security_create_task_token", "host"):
        made.append(t.b.waits_host(k.caller))
    if x.rule == EXEC_RESUMED:
        made.append(z3.If(t.b.exec_phase(k.caller) == 1, k["new_port"], t.sorts.no_port))
    replies = x.creates and not x.stops and x.is_call(lambda call: call.replies_with_rights)
    if replies or x.rule in (CREATION_RESUMED, "ledger_create"):
        made.append(a.port(x.reply(0)))
    if x.rule in ("mach_host_self", "task_for_pid", MAKES_TOKEN, BY_TOKEN):
        made.append(a.port(x.reply(0)))
    elif gives_resume_port(x):
        made.append(resume_port(x, a))
    elif gives_further_ports(x):
        made.append(z3.If(z3.Or(*given_further_ports(x).values()), a.port(x.reply(0)), t.sorts.no_port))
    if x.rule == "mach_port_construct":
        made.append(z3.If(k["insert_send"], k["new_port"], t.sorts.no_port))
    return z3.Sum(z3.IntVal(0), *[z3.If(z3.And(port == each, port != t.sorts.no_port), 1, 0) for each in made])


def _kernel_made(t: Touched, port: Term) -> Term:
    before = z3.If(t.made(port), 0, t.b.mscount(port))
    return t.a.mscount(port) == before + _kernel_makes(t, port)


def _waits(wait: Term, value: Callable[[Touched], Term]) -> Callable[..., Term]:
    """The caller begins to wait with this in the field."""
    return lambda t, task, field: z3.And(t.begins_to_wait(task, wait), t.a.fields[field](task) == value(t))


def _asked(field: str, wait: Term, value: Callable[[Touched], Term], *names: str) -> Reason:
    where = _waits(wait, value)
    return Reason("the caller begins to wait: as it asked", lambda t, task: where(t, task, field), rules(*names))


def _kept_for_later(field: str, argument: str) -> Reason:
    """The call keeps an argument with which it will receive when it has sent."""

    def where(t: Touched, task: Term) -> Term:
        return z3.And(task == t.k.caller, t.b.wait(task) == WAIT.SENDING, t.a.fields[field](task) == t.k[argument])

    return Reason("the caller waits to send, and will then receive as it asked", where, rules(WILL_RECEIVE))


def _waits_at(t: Touched, task: Term) -> Term:
    k = t.k
    here = z3.And(t.b.wait(task) == WAIT.RECEIVING, t.b.waits_at(task) == k["old_name"])
    return z3.And(task == t.target, here, t.a.waits_at(task) == k["new_name"])


def _waits_for(t: Touched) -> Term:
    entry = t.k.slot(t.k["port"])
    return z3.If(t.b.kind(entry) == KIND.PORT_SET, t.sorts.no_port, t.b.port(entry))


def _ended_sets(t: Touched, port: Term, name: Term) -> Term:
    """The port set of this name goes in this step."""
    slot = t.S.name_slot(t.S.space(t.b.receiver(port)), name)
    return z3.And(t.b.kind(slot) == KIND.PORT_SET, t.a.kind(slot) != KIND.PORT_SET)


def _new_object(t: Touched, o: Term) -> Term:
    """The object is made in this step: by the kernel's choice, or as a child's copy of a page."""
    one = [o == each for each in t.chosen("Object")]
    if t.x.creates and t.has("copied_page"):
        one.append(t.a.mapped(t.k["child"], t.k["copied_page"](o)) == o)
    return z3.And(z3.Or(*one), z3.Not(t.b.object_made(o)), t.a.object_made(o))


def _exception_place(t: Touched, task: Term, place: Term) -> Term:
    return z3.And(task == t.target, t.selected(place))


def _sets_exceptions(x: Transition) -> bool:
    return x.is_call(lambda call: call.selects_exceptions) and "new_port" in x.k.constants


def _token_given(field: str) -> tuple[Reason, ...]:
    def same(t: Touched, task: Term) -> Term:
        return t.x.has_given_tokens(task)

    return (
        CHILD,
        Reason("the call gives this task its tokens", lambda t, task: z3.And(task == t.target, same(t, task)), rules("host_security_set_task_token")),
        Reason("the stopped creation goes on", lambda t, task: z3.And(task == t.x.half_made, same(t, task)), rules(CREATION_RESUMED)),
        Reason("the process has its tokens set", lambda t, task: task == t.k.caller, rules(*SETS_TOKENS)),
    )


def _id(field: str) -> tuple[Reason, ...]:
    setting = [call for call, fields in SETS_IDS.items() if field in fields]
    return (Reason("the process sets it", lambda t, task: task == t.k.caller, rules(*setting)),)


def _set_to(argument: str, field: str) -> Reason:
    def where(t: Touched, p: Term) -> Term:
        given = t.k[argument]
        value = given(z3.IntVal(0)) if isinstance(given, z3.FuncDeclRef) else given
        return z3.And(t.named_receive(p), t.a.fields[field](p) == value)

    return Reason(
        f"the call that sets it names the port's receive right, and gives {argument}", where, rules(f"mach_port_set_{field}", *_SETS.get(field, ()))
    )


_SETS = {"qlimit": ("mach_port_set_attributes",)}


def _ledger(t: Touched, argument: str) -> Term:
    return t.b.port(t.k.slot(t.k[argument]))


def _named_ledgers(t: Touched, p: Term, *arguments: str) -> Term:
    return z3.Or(*[p == _ledger(t, argument) for argument in arguments])


def _of_ledger(read: str) -> Callable[[Touched, Term], Term]:
    """The ledger that gave to, or pays for, the one that ends."""
    return lambda t, p: p == t.b.fields[read](_ledger(t, "ledger"))


def _lending(field: str, *flavours: int) -> tuple[Reason, ...]:
    """Why a port lends importance, or its receiver doesn't own it for good."""

    def given(t: Touched, p: Term) -> Term:
        options = ("temp_owner",) if field == "has_temp_owner" else ("temp_owner", "importance_receiver", "denap_receiver")
        wanted = z3.Or(*[t.k[option] for option in options if t.has(option)])
        return z3.And(t.made(p), t.a.fields[field](p) == wanted)

    def set_(t: Touched, p: Term) -> Term:
        return z3.And(t.named_receive(p), t.a.fields[field](p), z3.Or(*[t.k["flavor"] == flavour for flavour in flavours]))

    return (
        Reason("the port is made in this step, with the options that were given", given, makes_ports),
        Reason("the call that sets it names the port's receive right, and the flavour", set_, rules("mach_port_set_attributes")),
    )


def _table_grows(t: Touched, p: Term) -> Term:
    name = t.k.slot(t.k["name"], t.target)
    if t.has("variant"):
        asked = z3.Or(*[t.k["variant"] == int(each) for each in (Notification.DEAD_NAME, Notification.SEND_POSSIBLE)])
    else:
        asked = t.k["flavor"] == int(PortAttributes.DNREQUESTS_SIZE)
    return z3.And(t.b.port(name) == p, asked, t.a.request_slots(p) > t.b.request_slots(p))


def _new_qlimit(t: Touched, p: Term) -> Term:
    k, usual = t.k, t.k.queue_limit
    given = z3.If(k["qlimit"] == -1, usual, k["qlimit"]) if t.has("qlimit") else usual
    return z3.And(t.made(p), t.a.qlimit(p) == given)


def _new_guard(field: str) -> Reason:
    def where(t: Touched, p: Term) -> Term:
        k, found = t.k, t.a.fields[field](p)
        if not t.has("context_as_guard"):
            return z3.And(t.made(p), found == (z3.IntVal(0) if field == "context" else z3.BoolVal(False)))
        guard = k["context_as_guard"]
        given = {"context": k["context"], "is_guarded": guard, "is_strict": z3.And(guard, k["strict"])}
        given["is_immovable"] = z3.Or(k["exception"], z3.And(guard, k["immovable"]))
        return z3.And(t.made(p), found == given[field])

    return Reason("the port is made in this step, with the guard that was given", where, makes_ports)


def purposes_given(k: Context) -> dict[PortPurpose, Term]:
    """Each purpose, and whether the call that makes a port gives it that one. (It gives one at most.)"""
    given = {
        PortPurpose.REPLY: z3.Or(k["reply"], k["provisional_reply"]),
        PortPurpose.ENFORCED: k["enforce_reply"],
        PortPurpose.EXCEPTION: k["exception"],
    }
    return {PortPurpose.NONE: z3.Not(z3.Or(*given.values()))} | given


def _new_purpose(t: Touched, p: Term) -> Term:
    if not t.has("exception"):
        return z3.And(t.made(p), t.a.purpose(p) == PURPOSE.of(PortPurpose.NONE))
    given = [z3.And(wanted, t.a.purpose(p) == PURPOSE.of(purpose)) for purpose, wanted in purposes_given(t.k).items()]
    return z3.And(t.made(p), z3.Or(*given))


def _new_service(t: Touched, p: Term) -> Term:
    return z3.And(t.made(p), t.a.is_service(p) == (t.k["service"] if t.has("service") else z3.BoolVal(False)))


def _throttles(t: Touched, p: Term) -> Term:
    return z3.And(t.named_receive(p), t.b.is_service(p), t.k["flavor"] == int(PortAttributes.SERVICE_THROTTLED))


def _guarded(field: str) -> tuple[Reason, ...]:
    nothing = z3.IntVal(0) if field == "context" else z3.BoolVal(False)

    def put_on(t: Touched, p: Term) -> Term:
        given = {"context": t.k["guard"], "is_guarded": z3.BoolVal(True), "is_strict": t.k["strict"]}
        if field == "is_immovable":
            return z3.And(t.named_receive(p), t.k["immovable"], t.a.is_immovable(p))
        return z3.And(t.named_receive(p), t.a.fields[field](p) == given[field])

    guarding = ("mach_port_guard_with_flags",) if field == "is_immovable" else ("mach_port_guard", "mach_port_guard_with_flags")
    calls = [Reason("the call guards this port", put_on, rules(*guarding))]
    if field != "is_immovable":
        taken_off = Reason(
            "the call takes the guard off this port",
            lambda t, p: z3.And(t.named_receive(p), t.a.fields[field](p) == nothing),
            rules("mach_port_unguard"),
        )
        calls.append(taken_off)
    if field == "context":
        replaced = Reason(
            "the call replaces the guard of this port",
            lambda t, p: z3.And(t.named_receive(p), t.a.context(p) == t.k["new_guard"]),
            rules("mach_port_swap_guard"),
        )
        calls += [_set_to("context", "context"), replaced]
    return (_new_guard(field), *calls, _loses_guard(lambda t, p: t.a.fields[field](p) == nothing))


def _new_object_of_port(t: Touched, p: Term) -> Term:
    if further := given_further_ports(t.x):
        return z3.And(t.made(p), z3.Or(*[z3.And(given, t.a.object(p) == OBJECT.of(kind)) for kind, given in further.items()]))
    kind = {"ledger_create": PortObject.LEDGER, MAKES_TOKEN: PortObject.TASK_ID_TOKEN}.get(t.rule, PortObject.NONE)
    kind = PortObject.TASK if t.x.creates or t.rule == EXEC_RESUMED else kind
    return z3.And(t.made(p), t.a.object(p) == OBJECT.of(kind))


def _of_new_token(field: str, of_process: str) -> Reason:
    """The token that the call makes has this of the process behind its target."""

    def where(t: Touched, p: Term) -> Term:
        return z3.And(t.made(p), t.a.fields[field](p) == t.b.fields[of_process](t.target))

    return Reason("the token is made of its target, as its process is now", where, rules(MAKES_TOKEN))


def _may_end(t: Touched, p: Term) -> Term:
    """The step gives up the port's receive right, or ends the kernel object for which the port stands; or the right was
    in a message that was queued on a port that dies.
    """
    b, S, place = t.b, t.S, t.b.receiver(p)
    with_queue = z3.And(t.sorts.in_message(place), t.goes_with_queue(t.sorts.message_of(place)))
    requests = [(S.is_no_senders_slot, S.no_senders_slot, S.watched), (S.is_port_destroyed_slot, S.port_destroyed_slot, S.guarded)]
    never = [z3.And(is_one(place), b.receives(make(of(place)))) for is_one, make, of in requests]  # invariant 6: no receive right is there
    starts: list[Term] = [with_queue, *never]
    if t.rule in ENTRY_CALLS:
        starts += [place == slot for slot in t.names()]
    elif t.x.ends_task:
        ended = t.x.ended_task
        own = [b.task_port(ended), *[b.flavour_port(ended, OBJECT.of(kind)) for kind in t.k.profile.further_ports]]
        starts += [t.sorts.of_task(place, ended), *[p == port for port in own]]
        if t.rule == TAKES_MESSAGES:
            starts.append(z3.And(t.sorts.in_message(place), t.waits_for_room(t.sorts.message_of(place))))
    elif t.rule == EXEC_RESUMED:
        new = t.x.half_made
        own = [b.task_port(new), *[b.flavour_port(new, OBJECT.of(kind)) for kind in (PortObject.TASK_READ, PortObject.TASK_INSPECT)]]
        starts.append(z3.And(_of_exec(t, new), z3.Or(*[p == port for port in own])))
    elif t.rule == RESCUED:
        starts.append(p == t.k["of"])
    elif t.rule in MESSAGE_ENDS:
        message = t.k["message"] if t.has("message") else b.waits_with(t.k.caller)
        starts.append(t.sorts.slots_of_message(place, message))
    else:
        starts.append(p == _ledger(t, "ledger"))
    return z3.And(t.dies(p), t.a.port_life(p) == LIFE.ENDED, z3.Or(*starts))


def _stage(t: Touched, m: Term) -> Term:
    """The rule's own message goes on: into the kernel, a queue, or out of it all."""
    b, a = t.b, t.a
    mine = z3.And(b.stage(m) == STAGE.IN_KERNEL, b.owner(m) == t.k.caller)
    if t.k.rule.resumes == "SENDING":
        mine = z3.And(b.stage(m) == STAGE.WAITING, b.owner(m) == t.k.caller)
    out = z3.Or(a.stage(m) == STAGE.FREE, a.stage(m) == STAGE.QUEUED, a.stage(m) == STAGE.WAITING)
    return z3.And(t.own(m), mine, out)


def _queued_now(t: Touched, m: Term) -> Term:
    return z3.And(t.b.stage(m) != STAGE.QUEUED, t.a.stage(m) == STAGE.QUEUED)


def _with_room(t: Touched, m: Term) -> Term:
    """The task that ends waits with this message, and a place is reserved for it: it goes there. (If the port dies in
    this step, the message is destroyed with the queue.)
    """
    return z3.And(t.waits_for_room(m), t.b.room(m) != t.sorts.no_port, t.a.queue(m) == t.b.room(m))


def _queued_at_end(t: Touched, m: Term) -> Term:
    return z3.And(_with_room(t, m), t.a.stage(m) == STAGE.QUEUED)


def _waits_now(t: Touched, m: Term) -> Term:
    """The message is the last that waits."""
    return z3.And(t.own(m), t.b.stage(m) == STAGE.IN_KERNEL, t.a.stage(m) == STAGE.WAITING, t.a.arrival(m) == t.b.clock())


def _owned_now(t: Touched, m: Term) -> Term:
    mine = z3.And(t.a.stage(m) == STAGE.IN_KERNEL, t.a.owner(m) == t.k.caller)
    return z3.And(t.own(m), t.b.stage(m) != STAGE.IN_KERNEL, mine)


def _made_or_told(t: Touched, m: Term) -> Term:
    """A free message is made: the rule's own, or a notification that a release sends."""
    own = z3.And(t.own(m), z3.Or(t.a.stage(m) == STAGE.IN_KERNEL, z3.And(t.a.stage(m) == STAGE.QUEUED, t.a.from_kernel(m))))
    told = z3.And(t.a.stage(m) == STAGE.QUEUED, t.a.from_kernel(m), z3.BoolVal(releases(t.x)))
    return z3.And(t.made_message(m), z3.Or(own, told))


def _reserved(t: Touched, s: Term) -> Term:
    S, a = t.S, t.a
    entry = S.name_slot(S.requester(s), S.requested(s))
    gone = z3.And(S.is_request_slot(s), z3.Or(a.empty(entry), a.kind(entry) == KIND.DEAD_NAME))
    none_left = z3.And(S.is_no_senders_slot(s), a.no_senders_due(S.watched(s)) != 0)
    rescued = z3.And(S.is_port_destroyed_slot(s), a.kind(S.limbo_slot(S.guarded(s))) == KIND.RECEIVE)
    behind = z3.And(t.b.clock() < a.due_at(s), a.due_at(s) <= a.clock())
    return z3.And(behind, z3.Or(gone, none_left, rescued))


def _died_first(t: Touched, s: Term) -> Term:
    entry = t.S.name_slot(t.S.requester(s), t.S.requested(s))
    return z3.And(t.S.is_request_slot(s), t.a.empty(entry), t.dies(t.b.port(entry)))


def _due(t: Touched, p: Term) -> Term:
    """The last send right goes in this step. (A receive right that goes to limbo has no make-send count any more.)"""
    gone = [z3.BoolVal(True)] if _gives_several(t.x) else [t.a.srights(p) == 0, *[p == t.k.carried_port(name) for name in _kept(t)]]
    moved = z3.And(t.S.is_limbo_slot(t.a.receiver(p)), t.a.no_senders_due(p) == 1)
    return z3.And(z3.Or(t.a.no_senders_due(p) == t.b.mscount(p) + 1, moved), z3.Not(t.b.empty(t.S.no_senders_slot(p))), z3.Or(*gone))


def _gives_several(x: Transition) -> bool:
    """The call gives up several rights and keeps others, maybe to the same port."""
    return x.is_call(lambda call: call.takes(ArgumentType.PORTS) or call.selects_exceptions)


def _kept(t: Touched) -> list[Term]:
    """The names of the rights of any kind that the call keeps, after it has given up what was there before."""
    call = t.x.call
    given = [] if call is None else [each for each in call.arguments if each.type is ArgumentType.PORT and each.object is None]
    return [t.k[each.name] for each in given if t.has(each.name)]


def _vm(name: str, of: Callable[[Touched], tuple[Term, Term]], more: Callable[[Touched], Term] = lambda t: z3.BoolVal(True)) -> Reason:
    def where(t: Touched, task: Term, page: Term) -> Term:
        whose, at = of(t)
        return z3.And(task == whose, page == at, more(t))

    return Reason("the call or the message is about this page", where, rules(name))


def _told_page(t: Touched) -> tuple[Term, Term]:
    return t.k.caller, t.x.case.outputs["page"]


PAGE_REASONS = {
    "vm_allocate": _vm("vm_allocate", lambda t: (t.target, t.x.case.outputs["address"])),
    "page out": _vm(PAGE_OUT, _told_page),
}


def _written(t: Touched, o: Term) -> Term:
    at = t.k["address"] if t.rule == "vm_write" else t.k["dest_address"]
    value = t.k["value"] if t.rule == "vm_write" else t.b.content(t.b.mapped(t.target, t.k["source_address"]))
    return z3.And(o == t.b.mapped(t.target, at), o != t.sorts.no_object, t.a.content(o) == value)


def _inherits(t: Touched, task: Term, page: Term) -> Term:
    given = z3.Or(*[z3.And(t.k["inheritance"] == int(each), t.a.inheritance(task, page) == INHERITANCE.of(each)) for each in Inheritance])
    return z3.And(task == t.target, page == t.k["address"], given)


def _memory_lost(t: Touched, m: Term, i: Term) -> Term:
    gone = t.a.memory(m, i) == t.sorts.no_object
    ends = t.goes_with_queue(m)
    if t.rule in MESSAGE_ENDS:
        ends = z3.Or(ends, t.own(m))
    if t.rule == TAKES_MESSAGES:
        ends = z3.Or(ends, t.waits_for_room(m))
    return z3.And(gone, ends)


def received_as(way: Term, seen: Term) -> Term:
    """A receiver sees a right that was carried in this ``way`` as moved, whether it was moved, copied or made. A way
    that isn't one, which no right can be carried in, is none for it.
    """
    receive, nothing = way == Disposition.MOVE_RECEIVE, z3.Or(way < Disposition.MOVE_RECEIVE, way > Disposition.MAKE_SEND_ONCE)
    once = z3.Or(way == Disposition.MOVE_SEND_ONCE, way == Disposition.MAKE_SEND_ONCE)
    forms = [(receive, Disposition.MOVE_RECEIVE), (once, Disposition.MOVE_SEND_ONCE), (nothing, Disposition.NONE)]
    known = [z3.Implies(when, seen == int(form)) for when, form in forms]
    other = z3.Implies(z3.Not(z3.Or(receive, once, nothing)), seen == int(Disposition.MOVE_SEND))
    return z3.And(*known, other)


def _form(t: Touched, s: Term) -> Term:
    return z3.And(s == t.k["place"], received_as(t.k["disposition"], t.a.form(s)))


def _rescued_form(t: Touched, s: Term) -> Term:
    return z3.And(_new_message(t, s), t.own(t.sorts.message_of(s)), t.a.form(s) == int(Disposition.MOVE_RECEIVE))


def _member_moves(t: Touched, p: Term, n: Term) -> Term:
    k = t.k
    if t.rule == "mach_port_move_member":
        return t.b.receiver(p) == k.slot(k["member"], t.target)
    if t.rule == "mach_port_rename":
        mine = z3.And(t.S.is_name_slot(t.b.receiver(p)), t.S.space(t.b.receiver(p)) == t.target)
        return z3.And(mine, z3.Or(n == k["old_name"], n == k["new_name"]))
    return z3.And(t.named_receive(p), n == k["pset"])


ADDED_REASONS: dict[str, list[Reason]] = {}
"""Field -> the reasons that plugins bring for what their calls change."""

FRAMES: Mapping[str, tuple[Reason, ...]] = {
    # tasks
    "task_life": (
        Reason("the kernel makes this task", lambda t, task: z3.And(task == t.k["child"], t.child(task)), creates),
        Reason("the call ends this task", lambda t, task: z3.And(task == t.x.ended_task, t.a.task_life(task) == LIFE.ENDED), rules(*TASK_ENDS)),
    ),
    "task_port": (CHILD, EXEC_IDENTITY),
    "flavour_port": (
        Reason(
            "the task is made in this step, without further ports",
            lambda t, task, kind: z3.And(t.child(task), t.a.flavour_port(task, kind) == t.sorts.no_port),
            creates,
        ),
        Reason(
            "the kernel makes this further port of the task",
            lambda t, task, kind: z3.And(task == t.giver, t.made(t.a.flavour_port(task, kind)), t.a.object(t.a.flavour_port(task, kind)) == kind),
            gives_further_ports,
        ),
        Reason(
            "the exec's new task gets its identity, and loses the ports that lead to it",
            lambda t, task, kind: z3.And(_of_exec(t, task), t.a.flavour_port(task, kind) == t.sorts.no_port),
            rules(EXEC_RESUMED),
        ),
    ),
    "security": (*_token_given("security"), EXEC_IDENTITY),
    "audit": (*_token_given("audit"), EXEC_IDENTITY),
    "wired": (CHILD,),
    "paged": (CHILD,),
    "suspend_count": (
        CHILD,
        Reason(
            "the call suspends or resumes this task",
            lambda t, task: z3.And(task == t.target, t.a.suspend_count(task) == t.b.suspend_count(task) + SUSPENSION[t.rule]),
            rules(*SUSPENSION),
        ),
        Reason(
            "no send right to the task's resume port is left",
            lambda t, task: z3.And(task == t.b.object_task(t.k["of"]), t.b.srights(t.k["of"]) == 0, t.a.suspend_count(task) == 0),
            rules(SUSPENSIONS_END),
        ),
    ),
    "exception_behaviour": (
        CHILD,
        Reason(
            "the call sets this place of its target",
            lambda t, task, w: z3.And(_exception_place(t, task, w), t.a.exception_behaviour(task, w) == t.k["behavior"]),
            _sets_exceptions,
        ),
    ),
    "exception_flavour": (
        CHILD,
        Reason(
            "the call sets this place of its target",
            lambda t, task, w: z3.And(_exception_place(t, task, w), t.a.exception_flavour(task, w) == t.k["new_flavor"]),
            _sets_exceptions,
        ),
    ),
    "set_by_root": (
        CHILD,
        Reason("the call sets this place of its target", _exception_place, _sets_exceptions),
    ),
    "wait": (
        Reason(
            "the caller begins to wait, and is answered so",
            lambda t, task: z3.And(t.begins_to_wait(task, t.a.wait(task)), t.a.wait(task) != WAIT.NOTHING),
        ),
        Reason(
            "the caller's wait is over",
            lambda t, task: z3.And(task == t.k.caller, t.a.wait(task) == WAIT.NOTHING),
            lambda x: x.k.rule.resumes != "NOTHING",
        ),
        Reason("the call ends this task", lambda t, task: z3.And(task == t.x.ended_task, t.a.wait(task) == WAIT.NOTHING), rules(*TASK_ENDS)),
        Reason("the exec's new task is made", lambda t, task: z3.And(t.child(task), t.a.wait(task) == WAIT.BEGINNING), rules("execve")),
        Reason("the caller's exec goes on", lambda t, task: z3.And(task == t.k.caller, t.a.wait(task) == WAIT.EXECUTING), rules("execve")),
        Reason(
            "the exec's new task begins",
            lambda t, task: z3.And(task == t.x.half_made, t.a.wait(task) == WAIT.NOTHING, z3.Not(t.a.alive(t.k.caller))),
            rules(EXEC_RESUMED),
        ),
    ),
    "waits_with": (_asked("waits_with", WAIT.SENDING, lambda t: t.k["message"], DELIVER, ANSWER),),
    "waits_at": (
        _asked("waits_at", WAIT.RECEIVING, lambda t: t.k["port"], "mach_msg_receive"),
        Reason("the name at which the task waits is renamed", _waits_at, rules("mach_port_rename")),
        _kept_for_later("waits_at", "port"),
    ),
    "waits_for": (_asked("waits_for", WAIT.RECEIVING, _waits_for, "mach_msg_receive"),),
    "waits_limit": (_asked("waits_limit", WAIT.RECEIVING, lambda t: t.k["limit"], "mach_msg_receive"), _kept_for_later("waits_limit", "limit")),
    "waits_large": (_asked("waits_large", WAIT.RECEIVING, lambda t: t.k["large"], "mach_msg_receive"), _kept_for_later("waits_large", "large")),
    "waits_trailer": (
        _asked("waits_trailer", WAIT.RECEIVING, lambda t: t.k["trailer"], "mach_msg_receive"),
        _kept_for_later("waits_trailer", "trailer"),
    ),
    "will_receive": (
        Reason(
            "the caller waits to send, and will then receive",
            lambda t, task: z3.And(task == t.k.caller, t.b.wait(task) == WAIT.SENDING, t.a.will_receive(task)),
            rules(WILL_RECEIVE),
        ),
        Reason(
            "the caller has sent",
            lambda t, task: z3.And(task == t.k.caller, t.a.wait(task) == WAIT.NOTHING, z3.Not(t.a.will_receive(task))),
            rules(RESUMED_SEND),
        ),
        Reason("the call ends this task", lambda t, task: z3.And(task == t.x.ended_task, z3.Not(t.a.will_receive(task))), rules(*TASK_ENDS)),
    ),
    "will_wait": (_kept_for_later("will_wait", "receive_wait"),),
    "waits_child": (
        _asked("waits_child", WAIT.CREATING, lambda t: t.k["child"], "host_security_create_task_token"),
        _of_callers_exec("waits_child", lambda t: t.k["child"]),
    ),
    "waits_security": (_asked("waits_security", WAIT.CREATING, lambda t: t.k["security_token"], "host_security_create_task_token"),),
    "waits_audit": (_asked("waits_audit", WAIT.CREATING, lambda t: t.k["audit_token"], "host_security_create_task_token"),),
    "waits_host": (
        Reason("the caller begins to wait", lambda t, task: t.begins_to_wait(task, WAIT.CREATING), rules("host_security_create_task_token")),
    ),
    # the processes behind tasks
    **dict.fromkeys(("pid", "original_parent"), (CHILD,)),
    "audit_user": (
        CHILD,
        EXEC_IDENTITY,
        Reason(
            "the process has its tokens set, with its session's audit user",
            lambda t, task: z3.And(task == t.k.caller, t.a.audit_user(task) == t.a.session_user(t.a.session(task))),
            rules(*SETS_TOKENS),
        ),
    ),
    "session": (CHILD, Reason("the process enters an audit session", lambda t, task: task == t.k.caller, rules("setaudit_addr"))),
    "session_user": (
        Reason("the process is in this session", lambda t, number: number == t.a.session(t.k.caller), rules("setauid", "setaudit_addr")),
    ),
    **{field: (CHILD, EXEC_IDENTITY, *_id(field)) for field in sorted(set().union(*SETS_IDS.values()))},
    "pid_version": (CHILD, EXEC_IDENTITY),
    "has_changed_ids": (
        CHILD,
        EXEC_IDENTITY,
        Reason("the process sets ids", lambda t, task: z3.And(task == t.k.caller, t.a.has_changed_ids(task)), rules(*SETS_IDS)),
    ),
    "process": (
        CHILD,
        Reason(
            "the caller's exec switches its process, or ends its old task",
            lambda t, task: z3.And(z3.Or(task == t.k.caller, task == t.x.half_made), t.a.process(task) != PROCESS.ZOMBIE),
            rules(EXEC_RESUMED),
        ),
        Reason("the caller's process ends", lambda t, task: task == t.k.caller, rules("exit")),
        Reason(
            "a zombie is forgotten as its parent ends",
            lambda t, task: z3.And(_is_callers_child(t, task), t.b.process(task) == PROCESS.ZOMBIE, t.a.process(task) == PROCESS.NO_PROCESS),
            rules("exit"),
        ),
        Reason(
            "its parent has waited for the zombie",
            lambda t, task: z3.And(
                task == t.k["ended"],
                _is_callers_child(t, task),
                t.b.process(task) == PROCESS.ZOMBIE,
                t.a.process(task) == PROCESS.NO_PROCESS,
            ),
            rules("wait4", WAIT4_RESUMED),
        ),
    ),
    "parent_pid": (
        CHILD,
        Reason("its parent ends", lambda t, task: z3.And(_is_callers_child(t, task), t.a.parent_pid(task) == FIRST_PID), rules("exit")),
    ),
    "is_orphan": (
        CHILD,
        Reason("its parent ends", lambda t, task: z3.And(_is_callers_child(t, task), t.a.is_orphan(task)), rules("exit")),
    ),
    "exit_status": (
        Reason("the caller's process ends", lambda t, task: z3.And(task == t.k.caller, t.a.process(task) == PROCESS.ZOMBIE), rules("exit")),
    ),
    "exec_phase": (
        _of_callers_exec("exec_phase", lambda t: z3.IntVal(1)),
        Reason(
            "the caller's exec goes on",
            lambda t, task: z3.And(task == t.k.caller, t.a.exec_phase(task) == t.b.exec_phase(task) + 1),
            rules(EXEC_RESUMED),
        ),
    ),
    "waits_set_user": (_of_callers_exec("waits_set_user", lambda t: t.k["set_user"]),),
    "waits_set_group": (_of_callers_exec("waits_set_group", lambda t: t.k["set_group"]),),
    "waits_pid": (_asked("waits_pid", WAIT.FOR_CHILD, lambda t: t.k["pid"], "wait4"),),
    "pid_versions": (
        Reason("a new image draws one", lambda t: t.a.pid_versions() == t.b.pid_versions() + 1, rules("fork", EXEC_RESUMED)),
        Reason("a new process and its image draw one each", lambda t: t.a.pid_versions() == t.b.pid_versions() + 2, rules("posix_spawn")),
    ),
    # slots
    "kind": SLOTS,
    "port": SLOTS,
    "urefs": SLOTS,
    "form": (
        Reason("the right is copied in, as the disposition says", _form, rules(COPY_IN)),
        Reason(
            "the kernel answers with the same message",
            lambda t, s: z3.And(s == t.S.reply_slot(t.k["message"]), t.a.form(s) == int(Disposition.NONE)),
            rules(ANSWER),
        ),
        Reason("port-destroyed carries the receive right", _rescued_form, rules(RESCUED)),
    ),
    "due_at": (
        Reason("its notification becomes due, and has a place behind all that has arrived", _reserved, releases),
        Reason(
            "the request ends, or its notification isn't due",
            lambda t, s: z3.And(z3.Or(t.a.empty(s), t.S.is_no_senders_slot(s)), t.a.due_at(s) == 0),
            releases,
        ),
        Reason("the request is answered", lambda t, s: z3.And(s == t.answered, t.a.due_at(s) == 0), rules(*ANSWERING_RULES)),
    ),
    "send_possible": (
        Reason("the request on the destination's name is armed", _armed, rules("mach_msg_send")),
        Reason("a message is taken from its port: the armed request is due", _room_came, rules(TAKE)),
        Reason("the request fires", lambda t, s: z3.And(s == t.answered, t.a.send_possible(s) == POSSIBLE.FIRED), rules(FIRES_POSSIBLE)),
        Reason("the request is answered", lambda t, s: z3.And(s == t.answered, t.a.send_possible(s) == POSSIBLE.NOT_ASKED), rules(FIRES)),
        Reason("its name is looked at, or freed", _place_free, rules(*LOOKS, *ENTRY_CALLS, COPY_IN, "mach_port_request_notification")),
        Reason("the request is registered, or answered at once", _asks_possible, rules("mach_port_request_notification")),
    ),
    "died_first": (
        Reason("its name is freed, and the name's port dies", _died_first, releases),
        Reason("the request is answered", lambda t, s: z3.And(s == t.answered, z3.Not(t.a.died_first(s))), rules(FIRES)),
    ),
    "unlooked": (
        Reason("the right's port dies", _dies_unlooked, releases),
        Reason("what the slot holds goes", lambda t, s: z3.And(t.a.unlooked(s) == KIND.NONE, z3.Not(t.same(s)))),
        Reason("a call looks at this name", _looked_at, rules(*LOOKS)),
        Reason("the right is copied in", lambda t, s: z3.And(s == t.k.slot(t.k["name"], t.k["space"]), t.a.unlooked(s) == KIND.NONE), rules(COPY_IN)),
        Reason("the dead name is allocated", _allocated, rules(*ALLOCATORS)),
        Reason(
            "dead-name is sent at once", lambda t, s: z3.And(_told_entry(t, s), t.a.unlooked(s) == KIND.NONE), rules("mach_port_request_notification")
        ),
    ),
    "told": (
        Reason("the right's port dies, or what the slot holds goes", lambda t, s: z3.And(z3.Not(t.a.told(s)), z3.Not(t.same(s))), releases),
        Reason("the dead-name request fires", lambda t, s: z3.And(_fired(t, s), t.a.told(s)), rules(FIRES)),
    ),
    "had": (
        Reason("the exception place's port dies", lambda t, s: z3.And(t.died(s), t.a.had(s) == t.b.port(s)), releases),
        Reason("the task ends", lambda t, s: z3.And(_of_ended(t, s), t.a.had(s) == t.sorts.no_port), rules(*TASK_ENDS)),
        Reason(
            "the exec's new task gets its identity",
            lambda t, s: z3.And(_place_in_exec(t, s), t.a.had(s) == t.sorts.no_port),
            rules(EXEC_RESUMED),
        ),
        Reason("the task is made in this step", lambda t, s: z3.And(t.S.is_place_slot(s), t.child(t.S.holder(s))), creates),
        Reason(
            "the call sets this place of its target",
            lambda t, s: z3.And(t.S.is_place_slot(s), t.S.holder(s) == t.target, t.selected(t.S.place(s)), t.a.had(s) == t.sorts.no_port),
            _sets_exceptions,
        ),
    ),
    "known_as": (Reason("a name of the space gains or loses SEND and RECEIVE for the port", _known),),
    # ports
    "port_life": (
        Reason("the kernel makes this port", lambda t, p: t.made(p), makes_ports),
        Reason("its receive right is given up, or its kernel object ends", _may_end, releases),
    ),
    "object": (Reason("the port is made in this step", _new_object_of_port, makes_ports),),
    "object_task": (
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), t.a.object_task(p) == t.k["child"]), creates),
        Reason(
            "the port is made in this step for the exec's new task",
            lambda t, p: z3.And(t.made(p), t.a.object_task(p) == t.x.half_made),
            rules(EXEC_RESUMED),
        ),
        Reason("the port is made in this step for its target", lambda t, p: z3.And(t.made(p), t.a.object_task(p) == t.giver), gives_further_ports),
        Reason("the token is made of its target", lambda t, p: z3.And(t.made(p), t.a.object_task(p) == t.target), rules(MAKES_TOKEN)),
    ),
    "image_pid": (_of_new_token("image_pid", "pid"),),
    "image_version": (_of_new_token("image_version", "pid_version"),),
    "receiver": (NEW, Reason("the receive right leaves its slot for another one", _right_moves)),
    "mscount": (
        Reason("the kernel makes send rights to it", _kernel_made, lambda x: x.rule != COPY_IN),
        Reason("MAKE_SEND makes a send right", lambda t, p: z3.And(t.k["disposition"] == Disposition.MAKE_SEND, _entry_port(t) == p), rules(COPY_IN)),
        Reason("the receive right moves", lambda t, p: z3.And(t.x.moved(p), t.a.mscount(p) == 0)),
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), t.a.mscount(p) == _kernel_makes(t, p)), makes_ports),
        _set_to("mscount", "mscount"),
    ),
    "seqno": (
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), t.a.seqno(p) == 0), makes_ports),
        Reason("the receive right is carried away", lambda t, p: z3.And(_carried_off(t, p), t.a.seqno(p) == 0)),
        Reason("a message is received", lambda t, p: z3.And(p == t.k["source"], t.a.seqno(p) == t.b.seqno(p) + 1), rules(TAKE)),
        _set_to("seqno", "seqno"),
    ),
    "srights": (_counted("slots that hold a send right (invariant 8)"),),
    "lost_sends": (
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), t.a.lost_sends(p) == 0), makes_ports),
        Reason("the kernel loses the right of its answer", _loses_answer, _can_lose_answers),
    ),
    "sorights": (_counted("slots that hold a send-once right (invariant 9)"),),
    "msgcount": (_counted("messages that are queued on it (invariant 21)"),),
    "reserved": (
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), t.a.reserved(p) == 0), makes_ports),
        Reason("a sender that waits gets room", _place_given, rules(TAKE, "mach_port_set_attributes")),
        Reason("the message that has the place is queued", _place_used, rules(RESUMED_SEND, TAKES_MESSAGES)),
    ),
    "qlimit": (Reason("the port is made in this step, with the limit that was given", _new_qlimit, makes_ports), _set_to("info", "qlimit")),
    "member": (
        Reason(
            "the call moves this port in or out of this set",
            _member_moves,
            rules("mach_port_move_member", "mach_port_insert_member", "mach_port_extract_member", "mach_port_rename"),
        ),
        Reason("the receive right moves or ends", lambda t, p, n: z3.And(z3.Not(t.a.member(p, n)), z3.Or(t.x.moved(p), t.dies(p)))),
        Reason("the port set ends", lambda t, p, n: z3.And(z3.Not(t.a.member(p, n)), _ended_sets(t, p, n))),
    ),
    "context": _guarded("context"),
    "is_guarded": _guarded("is_guarded"),
    "is_strict": _guarded("is_strict"),
    "is_immovable": _guarded("is_immovable"),
    "is_donating": _lending("is_donating", 4, 5, 6),
    "has_temp_owner": (*_lending("has_temp_owner", 4), _loses_guard(lambda t, p: z3.Not(t.a.has_temp_owner(p)))),
    "purpose": (Reason("the port is made in this step, for the purpose that was given", _new_purpose, makes_ports),),
    "is_service": (Reason("the port is made in this step, as a service port if the call says so", _new_service, makes_ports),),
    "is_throttled": (
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), z3.Not(t.a.is_throttled(p))), makes_ports),
        Reason("the call that sets it names the receive right of a service port", _throttles, rules("mach_port_set_attributes")),
    ),
    "request_slots": (
        Reason("the port is made in this step", lambda t, p: z3.And(t.made(p), t.a.request_slots(p) == 0), makes_ports),
        Reason(
            "a request is registered for a name of the port's, or the call says so: the table grows",
            _table_grows,
            rules("mach_port_request_notification", "mach_port_set_attributes"),
        ),
    ),
    "no_senders_due": (
        Reason("the last send right goes", _due),
        Reason("the request is answered", lambda t, p: z3.And(p == t.k["of"], t.a.no_senders_due(p) == 0), rules(NO_SENDERS_LEFT)),
        Reason("the port dies", lambda t, p: z3.And(t.dies(p), t.a.no_senders_due(p) == 0), releases),
    ),
    # ledgers
    "ledger_limit": (
        NEW,
        Reason("the ledger gives a part of its limit", lambda t, p: _named_ledgers(t, p, "parent_ledger"), rules("ledger_create")),
        Reason(
            "the ledgers between which a part of the limit moves",
            lambda t, p: _named_ledgers(t, p, "parent_ledger", "child_ledger"),
            rules("ledger_transfer"),
        ),
        Reason("the ledger gets its child's limit back", _of_ledger("ledger_parent"), rules("ledger_terminate")),
        Reason(
            "the ledger that ends has given its limit back",
            lambda t, p: z3.And(p == _ledger(t, "ledger"), t.a.ledger_limit(p) == 0),
            rules("ledger_terminate"),
        ),
    ),
    "ledger_balance": (
        NEW,
        Reason("the ledger pays for a new one", lambda t, p: _named_ledgers(t, p, "ledger_ledger"), rules("ledger_create")),
        Reason("the ledger pays for one less", _of_ledger("ledger_payer"), rules("ledger_terminate")),
    ),
    "ledger_parent": (NEW,),
    "ledger_payer": (NEW,),
    # messages
    "stage": (
        Reason("the message is made in this step", _made_or_told),
        Reason("the caller's own message goes on", _stage),
        Reason("the message is received", lambda t, m: z3.And(m == t.k["oldest"], t.x.taken(m)), rules(TAKE)),
        Reason("the message was queued on a port that dies", lambda t, m: t.goes_with_queue(m), releases),
        Reason("the task that waits with it ends", lambda t, m: z3.And(t.waits_for_room(m), t.a.stage(m) == STAGE.FREE), rules(TAKES_MESSAGES)),
        Reason("the task that waits with it ends, and it has room", _queued_at_end, room_is_given(TAKES_MESSAGES)),
    ),
    "queue": (
        Reason("the message is queued", _queued_now),
        Reason("the task that waits with it ends, and it has room", _with_room, room_is_given(TAKES_MESSAGES)),
    ),
    "arrival": (
        Reason("the message is queued", _queued_now),
        Reason("the task that waits with it ends, and it has room", _with_room, room_is_given(TAKES_MESSAGES)),
        Reason("the message begins to wait", _waits_now, room_is_given(DELIVER, ANSWER)),
    ),
    "room": (
        Reason("the first that waits get room", _gets_room, rules(TAKE, "mach_port_set_attributes")),
        Reason("the message waits no longer", _room_ends, rules(RESUMED_SEND, TAKES_MESSAGES)),
    ),
    "owner": (Reason("the message comes into the caller's hands", _owned_now),),
    "id": (MADE, ANSWERED),
    "body_count": (MADE, ANSWERED),
    "layout": (MADE, ANSWERED),
    "memory": (
        Reason("a page is copied in or out", lambda t, m, i: z3.And(m == t.k["message"], i == t.k["index"]), rules(PAGE_IN, PAGE_OUT)),
        Reason("the message ends, or the kernel takes it in", _memory_lost, releases),
    ),
    "size": (MADE, ANSWERED),
    "sender_security": (MADE, ANSWERED),
    "sender_audit": (MADE, ANSWERED),
    "data": (MADE, ANSWERED),
    "from_kernel": (MADE, ANSWERED),
    "clock": (Reason("it only rises", lambda t: t.a.clock() >= t.b.clock()),),
    # memory
    "mapped": (
        CHILD,
        Reason("the task ends", lambda t, task, i: z3.And(task == t.x.ended_task, t.a.mapped(task, i) == t.sorts.no_object), rules(*TASK_ENDS)),
        _vm("vm_deallocate", lambda t: (t.target, t.k["address"])),
        _vm(PAGE_IN, lambda t: (t.k.caller, t.k["address"]), lambda t: t.k["deallocate"]),
        *PAGE_REASONS.values(),
    ),
    "inheritance": (CHILD, Reason("the call sets it for this page", _inherits, rules("vm_inherit")), *PAGE_REASONS.values()),
    "content": (
        Reason("the object is made in this step", _new_object),
        Reason("the call writes to the page where it is mapped", _written, rules("vm_write", "vm_copy")),
    ),
    "object_made": (Reason("the object is made in this step", _new_object),),
}
"""For every field of the state that isn't a ghost: why a step may change it at a point."""


def _entry_port(t: Touched) -> Term:
    return t.b.port(t.k.slot(t.k["name"], t.k["space"]))


def missing(frames: Iterable[str]) -> set[str]:
    """The fields that have no entry, and the entries that have no field."""
    return {name for name, field in FIELDS.items() if not field.ghost} ^ set(frames)


assert not missing(FRAMES), f"model/invariants/steps/locality.py: FRAMES and FIELDS differ in {', '.join(sorted(missing(FRAMES)))}"


@step_property(201, "a step changes only what it is about")
def locality(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """Each field changes only where the step has a reason to change it (``FRAMES``).

    The reasons are: the arguments name the point, and the call is one that changes this field; the point was just made;
    a port dies or a message ends, and what depends on it with it; a notification is sent; the message is in the
    caller's hands. A call that only reads changes nothing.
    """
    t = Touched(v, x)
    for name, reasons in FRAMES.items():
        if x.after.fields[name] is x.before.fields[name]:
            continue
        point = [z3.Const(f"x{index}", sort_named(v.sorts, part)) for index, part in enumerate(FIELDS[name].domain)]
        same = x.after.fields[name](*point) == x.before.fields[name](*point)
        allowed = [] if only_reads(x) else [reason.where(t, *point) for reason in (*reasons, *ADDED_REASONS.get(name, ())) if reason.rules(x)]
        yield name, forall(point, z3.Or(same, *allowed)) if point else z3.Or(same, *allowed)
