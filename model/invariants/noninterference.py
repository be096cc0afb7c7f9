"""Theorem 4, non-interference, by unwinding over the whole interface.

*Local respect*: a step changes nothing of what belongs to a task that its caller doesn't control, except through a
legal channel (``CHANNELS``). *Output consistency*: two states that look the same to a task give its call the same
answer, if the kernel chooses the same. *Step consistency*: they also look the same to it after the call. What a task
sees is written down field by field in ``SEEN``.

Together: the answers that a task gets, and what it has, depend on its own calls, on what the kernel chooses, and on
what others do to it through the legal channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec
import z3

from sendright.mach.abi.rights import PortObject
from sendright.mach.signatures import SIGNATURES, ArgumentType
from sendright.model.invariants.steps.locality import Touched, missing
from sendright.model.language.invariant import Variables
from sendright.model.language.mentions import applications
from sendright.model.language.release import the_same_choices
from sendright.model.language.rule import CREATION_RESUMED, Context
from sendright.model.language.sorts import KIND, LIFE, OBJECT, STAGE, Term
from sendright.model.language.state import FIELDS, After, State, Store, Sweep, Tally, Update, sort_named
from sendright.model.language.step_property import forall
from sendright.model.language.term_walk import has_quantifiers
from sendright.model.language.terms import Name, sort_of
from sendright.model.language.transition import Transition


class Channel(msgspec.Struct, frozen=True):
    """A legal way in which a task's step reaches another task."""

    name: str
    words: str
    carries: str
    """What the other task sees."""
    needs: str
    """What the caller needs for it: what a policy takes away to close the channel."""


CHANNELS = (
    Channel(
        "message",
        "a message is queued on a port that the task receives from",
        "all that the message says and carries",
        "a send right or send-once right to the port",
    ),
    Channel(
        "room", "a queue to which the task sends fills or empties, or gets another limit", "whether a send is handed back", "a right to the same port"
    ),
    Channel("rights", "rights to a port that the task receives from come and go", "the port's counts, and no-senders", "a right to the port"),
    Channel(
        "death", "a port to which the task has a right dies", "a dead name, or a send that fails", "the port's receive right, or its task's port"
    ),
    Channel(
        "notification",
        "the kernel sends a notification that the task requested",
        "the message, and one reference of a dead name",
        "as for a death or for rights",
    ),
    Channel("memory", "a page that the task shares with another task is written", "the page's contents", "the port of a task that has the page"),
    Channel(
        "ledger",
        "a ledger to which the task has a right gives, gets back or pays",
        "its balance and limit",
        "a send right to the ledger, its child or its payer's payee",
    ),
    Channel("control", "a task whose port both have is changed", "all that the task has", "the task's port"),
    Channel("host", "one of the host's special ports is set", "the port", "the privileged host port"),
    Channel(
        "name",
        "a right that is received gets a name that the kernel chooses",
        "the name",
        "as for a message; the choice is any free name of the space",
    ),
    Channel("shortage", "the kernel is out of memory", "the code", "nothing: memory is shared, and the kernel says when it is short"),
)
"""All of them. ``tests/model/invariants/test_channels.py`` has a witness for each."""


class Grasp:
    """What the caller of a step has authority over, by the rights that the step's arguments name."""

    def __init__(self, v: Variables, x: Transition) -> None:
        self.v, self.x, self.t = v, x, Touched(v, x)

    def rights(self) -> list[Term]:
        """The slots of the caller's rights that the call's arguments name, and the destination of its request."""
        k, S, parameters = self.x.k, self.v.S, self.x.k.rule.parameters
        call = self.x.call
        ports = {each.name for each in call.arguments if each.type is ArgumentType.PORT} if call is not None else {"control"}
        found = [k.slot(k[name]) for name, sort in parameters.items() if name in ports and sort == sort_of(Name)]
        if "message" in parameters:
            found.append(S.destination_slot(k["message"]))
        return found

    def controls(self, task: Term) -> Term:
        """The caller is the task, or names a send right to its port, or goes on with its creation."""
        b = self.x.before
        by_right = [z3.And(b.sends(slot), b.port(slot) == b.task_port(task)) for slot in self.rights()]
        mine = [task == self.x.half_made] if self.x.rule == CREATION_RESUMED else []
        return z3.Or(task == self.x.k.caller, *mine, *by_right)

    def beyond(self, task: Term) -> Term:
        """The task lives, and the caller has no authority over it."""
        return z3.And(self.x.before.alive(task), z3.Not(self.controls(task)))


def _same(x: Transition, names: list[str], *point: Term) -> Term:
    return z3.And(*[x.after.fields[name](*point) == x.before.fields[name](*point) for name in names])


def _changed(x: Transition, *domain: str) -> list[str]:
    """The fields over this domain that the step updates. (Ghosts aren't seen by any task.)"""
    return [name for name, field in FIELDS.items() if field.domain == domain and not field.ghost and x.after.changed(name)]


PORTS_COUNTS = ("srights", "sorights", "msgcount", "no_senders_due")
"""What holders of rights to a port change: how many rights and messages there are, and that the last sender went."""
LEDGERS = ("ledger_limit", "ledger_balance", "ledger_parent", "ledger_payer")
SLOTS = ("kind", "port", "urefs")
BOOKKEEPING = ("known_as",)
"""What the kernel finds again from other fields, and no task sees: invariant 4 says of what the slots are."""
SHARED = ("clock",)
"""Counters that all tasks share. No call reports one: of the arrival numbers that ``clock`` gives, a task sees
only the order in one queue (step invariant 20).
"""


def local_respect(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """A step changes nothing of what belongs to a task beyond the caller's authority, except through a channel."""
    g, t, S, sorts, b, a = Grasp(v, x), Touched(v, x), v.S, v.sorts, x.before, x.after
    place = b.receiver(v.p)
    theirs = z3.And(S.is_name_slot(place), g.beyond(S.space(place)))
    """The port's receive right is under a name of a task beyond the caller's authority."""

    if names := _changed(x, "Task"):
        yield "tasks", forall([v.t], z3.Implies(g.beyond(v.t), _same(x, names, v.t)))
    if names := _changed(x, "Task", "Place"):
        yield "exception ports", forall([v.t, v.w], z3.Implies(g.beyond(v.t), _same(x, names, v.t, v.w)))
    if names := _changed(x, "Task", "Int"):
        yield "memory", forall([v.t, v.i], z3.Implies(g.beyond(v.t), _same(x, names, v.t, v.i)))
    if names := _changed(x, "Object"):
        there = z3.And(v.o != sorts.no_object, b.mapped(v.t, v.i) == v.o, g.beyond(v.t))
        writes = _written(t, v.o) if x.is_call(lambda call: call.addresses_memory) else z3.BoolVal(False)
        yield "contents", forall([v.t, v.i, v.o], z3.Implies(there, z3.Or(_same(x, names, v.o), writes)))
    if names := [name for name in _changed(x, "Slot") if name in SLOTS]:
        owner = z3.If(S.is_name_slot(v.s), S.space(v.s), z3.If(S.is_place_slot(v.s), S.holder(v.s), S.requester(v.s)))
        of_task = z3.Or(S.is_name_slot(v.s), S.is_place_slot(v.s), S.is_request_slot(v.s))
        channels = z3.Or(t.died(v.s), _notified(t, v.s))
        yield "rights", forall([v.s], z3.Implies(z3.And(of_task, g.beyond(owner)), z3.Or(_same(x, names, v.s), channels)))
        for slot in (S.no_senders_slot(v.p), S.port_destroyed_slot(v.p)):
            kept = z3.Or(_same(x, names, slot), t.died(slot), t.dies(v.p), z3.And(x.k.rule.pending, a.empty(slot)))
            yield "requests for its ports", forall([v.p], z3.Implies(z3.And(b.active(v.p), theirs), kept))
        yield "host ports", forall([v.i], _host_port(g, t, x, names, v.i))
    if names := _changed(x, "Port"):
        kept = [name for name in names if name not in (*PORTS_COUNTS, *LEDGERS)]
        both = z3.And(b.active(v.p), a.active(v.p))
        if kept:
            yield "its ports", forall([v.p], z3.Implies(z3.And(both, theirs), _same(x, kept, v.p)))
        if ledgers := [name for name in names if name in LEDGERS]:
            yield "ledgers", forall([v.p], z3.Implies(both, z3.Or(_same(x, ledgers, v.p), _ledger_named(g, v.p))))
    if names := _changed(x, "Port", "Name"):
        yield "its port sets", forall([v.p, v.n], z3.Implies(z3.And(b.active(v.p), a.active(v.p), theirs), _same(x, names, v.p, v.n)))
    yield from _messages(v, x, g, t)


def _written(t: Touched, o: Term) -> Term:
    """The page that the call writes has this object: the caller controls a task that shares it."""
    addresses = [name for name in ("address", "dest_address") if t.has(name)]
    return z3.Or(*[o == t.b.mapped(t.target, t.k[name]) for name in addresses])


def _notified(t: Touched, slot: Term) -> Term:
    """The slot's dead-name request fires: it is used up, and the dead name has one more reference."""
    if not t.k.rule.pending:
        return z3.BoolVal(False)
    used = z3.And(t.S.is_request_slot(slot), t.a.empty(slot))
    one_more = z3.And(t.same(slot), t.b.kind(slot) == KIND.DEAD_NAME, t.a.urefs(slot) == t.b.urefs(slot) + 1)
    return z3.Or(used, one_more)


def _host_port(g: Grasp, t: Touched, x: Transition, names: list[str], number: Term) -> Term:
    slot, b = t.S.host_slot(number), x.before
    privileged = [z3.And(b.sends(right), b.object(b.port(right)) == OBJECT.of(PortObject.HOST_PRIV)) for right in g.rights()]
    return z3.Or(_same(x, names, slot), t.died(slot), *privileged)


def _ledger_named(g: Grasp, port: Term) -> Term:
    """The caller names a send right to this ledger, or to one whose limit or payment comes from it."""
    b = g.x.before
    named = [b.port(right) for right in g.rights()]
    return z3.Or(*[z3.Or(port == one, port == b.ledger_parent(one), port == b.ledger_payer(one)) for one in named])


def _messages(v: Variables, x: Transition, g: Grasp, t: Touched) -> Iterator[tuple[str, Term]]:
    """A message that a task beyond the caller's authority sends, waits with, holds or will receive stays as it is, and
    where it is, unless its queue dies or what it carries does.
    """
    b, a, S = x.before, x.after, v.S
    place = b.receiver(b.queue(v.m))
    in_hand = z3.And(z3.Or(b.stage(v.m) == STAGE.IN_KERNEL, b.stage(v.m) == STAGE.WAITING), g.beyond(b.owner(v.m)))
    queued = z3.And(b.stage(v.m) == STAGE.QUEUED, S.is_name_slot(place), g.beyond(S.space(place)), a.active(b.queue(v.m)))
    theirs = z3.Or(in_hand, queued)
    if names := _changed(x, "Message"):
        yield "messages", forall([v.m], z3.Implies(theirs, _same(x, names, v.m)))
    if names := _changed(x, "Message", "Int"):
        yield "memory in messages", forall([v.m, v.i], z3.Implies(theirs, _same(x, names, v.m, v.i)))
    if names := _changed(x, "Slot"):
        for what, slot, more in (
            ("destinations", S.destination_slot(v.m), []),
            ("reply rights", S.reply_slot(v.m), []),
            ("bodies", S.body_slot(v.m, v.i), [v.i]),
        ):
            yield f"{what} of messages", forall([v.m, *more], z3.Implies(theirs, z3.Or(_same(x, names, slot), t.died(slot))))


# ---- what a task sees


class Sight:
    """What the caller of a call sees: what the rights that its arguments name lead to, and what the kernel holds for it
    and for tasks that it controls by these rights.
    """

    def __init__(self, v: Variables, x: Transition) -> None:
        self.g, self.t, self.x, self.S, self.b = Grasp(v, x), Touched(v, x), x, v.S, x.before
        b, k, parameters = x.before, x.k, {**x.k.rule.parameters, **x.k.rule.choices}
        slots = [*self.g.rights(), *self.t.names()]
        if x.call is not None:  # no rule looks at more than four rights of an array by their numbers
            arrays = [each.name for each in x.call.arguments if each.type is ArgumentType.PORTS and self.t.has(each.name)]
            slots += [k.slot(k[name](z3.IntVal(index))) for name in arrays for index in range(4)]
            slots += [k.slot(k[each.name]) for each in x.call.arguments if each.type is ArgumentType.RIGHT_NAME and self.t.has(each.name)]
        if "message" in k.rule.parameters:
            slots += [self.S.reply_slot(k["message"]), self.S.body_slot(k["message"], z3.IntVal(0))]
        if k.rule.resumes == "SENDING":
            slots.append(self.S.destination_slot(b.waits_with(k.caller)))
        slots += [k[name] for name in ("place",) if name in parameters]
        if x.rule == "copy in a right":
            slots.append(k.slot(k["name"], k["space"]))
        self.ports = [*[b.port(slot) for slot in slots], *[k["source"] for name in ("source",) if name in parameters]]
        if k.rule.resumes == "RECEIVING":
            self.ports.append(b.waits_for(k.caller))
        if k.rule.resumes == "CREATING":
            self.ports.append(b.waits_host(k.caller))

    def task(self, task: Term) -> Term:
        """The caller has all authority over the task."""
        return self.g.controls(task)

    def drawing(self, task: Term) -> Term:
        """The task draws on a ledger that the caller names."""
        return z3.Or(self.task(task), *[z3.Or(self.b.wired(task) == port, self.b.paged(task) == port) for port in self.ports])

    def message(self, message: Term) -> Term:
        """The message is in the hands of the caller, or queued where the caller or a task of its receives."""
        b = self.b
        in_hand = z3.And(z3.Or(b.stage(message) == STAGE.IN_KERNEL, b.stage(message) == STAGE.WAITING), b.owner(message) == self.x.k.caller)
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
        the host, if it names the privileged host port.
        """
        S, sorts = self.S, self.t.sorts
        owner = z3.If(S.is_name_slot(slot), S.space(slot), z3.If(S.is_place_slot(slot), S.holder(slot), S.requester(slot)))
        of_task = z3.And(z3.Or(S.is_name_slot(slot), S.is_place_slot(slot), S.is_request_slot(slot)), self.task(owner))
        in_message = z3.And(sorts.in_message(slot), self.message(sorts.message_of(slot)))
        watched = z3.If(S.is_no_senders_slot(slot), S.watched(slot), S.guarded(slot))
        of_port = z3.And(z3.Or(S.is_no_senders_slot(slot), S.is_port_destroyed_slot(slot)), self.received(watched))
        privileged = [self.b.object(self.b.port(right)) == OBJECT.of(PortObject.HOST_PRIV) for right in self.g.rights()]
        return z3.Or(of_task, in_message, of_port, z3.And(S.is_host_slot(slot), z3.Or(*privileged)))

    def content(self, o: Term) -> Term:
        """The object is at a page of a task that the caller controls, at the address that the call gives."""
        pages = [self.t.k[name] for name in ("address", "source_address", "dest_address") if self.t.has(name)]
        tasks = [self.t.target, self.x.k.caller]
        return z3.Or(*[o == self.b.mapped(task, page) for task in tasks for page in pages])


Seen = Callable[[Sight], Callable[..., Term]]


def _task(sight: Sight) -> Callable[..., Term]:
    return lambda task, *rest: sight.task(task)


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


def _nothing(sight: Sight) -> Callable[..., Term]:
    return lambda *point: z3.BoolVal(False)


SEEN: Mapping[str, Seen] = {
    **dict.fromkeys(("security", "audit", "task_port", "suspend_count", "exception_behaviour", "exception_flavour"), _task),
    **dict.fromkeys(("wait", "waits_with", "waits_at", "waits_for", "waits_limit", "waits_large", "waits_trailer"), _task),
    **dict.fromkeys(("waits_child", "waits_security", "waits_audit", "waits_host", "mapped", "inheritance", "known_as"), _task),
    **dict.fromkeys(("task_life", "wired", "paged"), lambda sight: sight.drawing),
    **dict.fromkeys(("kind", "port", "urefs", "form"), _slot),
    **dict.fromkeys(("object_task", "msgcount", "qlimit", "srights", "is_immovable"), _port),
    **dict.fromkeys(("port_life", "object", "ledger_limit", "ledger_balance", "ledger_parent", "ledger_payer"), _ledger),
    **dict.fromkeys(("receiver", "mscount", "seqno", "sorights", "member", "context", "is_guarded", "is_strict", "no_senders_due"), _own_port),
    **dict.fromkeys(("stage", "queue", "arrival", "owner", "id", "body_count", "layout", "memory", "size", "data"), _message),
    **dict.fromkeys(("sender_security", "sender_audit", "from_kernel"), _message),
    "clock": _nothing,
    "content": lambda sight: sight.content,
    "object_made": _nothing,
}
"""For every field of the state that isn't a ghost: at which points the caller of a call sees it."""
assert not missing(SEEN), f"model/invariants/noninterference.py: SEEN and FIELDS differ in {', '.join(sorted(missing(SEEN)))}"


class Twins:
    """Two states of one rule that look the same to its caller, ``k.before`` and ``other``."""

    def __init__(self, k: Context, v: Variables) -> None:
        self.k, self.v = k, v
        self.other = State.arbitrary(v.sorts, "_other")
        self.k_other = Context(k.rule, self.other, k.profile)
        self.cases, self.cases_other = list(k.rule.cases(k)), list(k.rule.cases(self.k_other))
        self.sight = Sight(v, Transition(k, self.cases[0], After(k.before, k.profile)))
        self.there = there = Sight(v, Transition(self.k_other, self.cases_other[0], After(self.other, k.profile)))
        self.seen, self._seen_there = ({name: seen(sight) for name, seen in SEEN.items()} for sight in (self.sight, there))
        self.alike = {name: self._alike(name) for name in SEEN if SEEN[name] is not _nothing}

    def _alike(self, name: str) -> Term:
        """Wherever the caller sees the field in one of the states, both have the same there."""
        point = self.point(name)
        same = self.other.fields[name](*point) == self.k.before.fields[name](*point)
        return forall(point, z3.Implies(z3.Or(self.seen[name](*point), self._seen_there[name](*point)), same))

    def denoted(self) -> list[Term]:
        """The call's arguments denote the same slots and ports in both states."""
        here, there = ([*sight.t.names(), sight.t.target, *sight.ports] for sight in (self.sight, self.there))
        return [one == other for one, other in zip(here, there, strict=True) if not one.eq(other)]

    def point(self, name: str) -> list[Term]:
        """Variables for a point of the field."""
        return [z3.Const(f"x{index}", sort_named(self.v.sorts, part)) for index, part in enumerate(FIELDS[name].domain)]

    def assumptions(self, *terms: Term) -> list[Term]:
        """That the states look the same, as far as the ``terms`` read them."""
        read = set(LOOKS) | {name for term in terms for name in fields_in(term)}
        return [formula for name, formula in self.alike.items() if name in read]

    def comes_into_sight(self, name: str, point: Term) -> Term:
        """The point is one that the kernel makes in this step for the caller: a message, a port, a child."""
        t, domain = self.sight.t, FIELDS[name].domain[0]
        if domain == "Message":
            return z3.And(t.own(point), z3.Or(self.k.before.stage(point) == STAGE.FREE, self.sight.message(point)))
        if domain == "Slot":
            message = self.v.sorts.message_of(point)
            return z3.And(self.v.sorts.in_message(point), t.own(message), self.k.before.stage(message) == STAGE.FREE)
        made = {"Port": t.chosen("Port"), "Task": t.chosen("Task")}.get(domain, [])
        unborn = self.k.before.port_life if domain == "Port" else self.k.before.task_life
        return z3.Or(*[z3.And(point == one, unborn(one) == LIFE.UNBORN) for one in made])


ORDER_ONLY = ("arrival",)
"""What is seen of these is only how they compare: step invariant 20 says that a new message comes last in its queue."""


LOOKS = ("kind", "port", "task_port", "receiver", "stage", "owner", "queue")
"""The fields that say what the caller sees."""


def fields_in(term: Term) -> set[str]:
    """The fields that a term reads."""
    return {name.removesuffix("_other") for name, _ in applications(term)} & FIELDS.keys()


def consistency(k: Context, v: Variables) -> Iterator[tuple[str, list[Term], list[Term]]]:
    """Output consistency and step consistency of one rule, case by case: for each goal its name, what is assumed and
    what has to follow.
    """
    if k.rule.pending:
        return
    twins, earlier = Twins(k, v), list[Term]()
    for case, again in zip(twins.cases, twins.cases_other, strict=True):
        after, after_again = After(k.before, k.profile), After(twins.other, k.profile)
        case.effect(after)
        with the_same_choices(after):
            again.effect(after_again)

        def alike(*claims: Term, guard: list[Term]) -> list[Term]:
            return [*guard, *twins.assumptions(*claims, *guard)]

        applies = list(_pointwise(case.when, again.when))
        if applies:
            yield f"{case.id}: whether it applies", alike(*applies, guard=[*earlier, *after.assumptions]), applies
        guard = [*earlier, case.when, *after.assumptions]
        told = [value == again.outputs[name] for name, value in case.outputs.items()]
        if told:
            yield f"{case.id}: its results", alike(*told, guard=guard), told
        same = list(_does_the_same(twins, after, after_again)) if steps_are_compared(k, after) else []
        if same:
            denoted = twins.denoted()
            yield f"{case.id}: what its arguments denote", alike(*denoted, guard=guard), denoted
            guard += denoted
            yield f"{case.id}: what the caller sees after it", alike(*same, guard=[*guard, *after_again.assumptions]), same
        earlier.append(z3.Not(case.when))


def steps_are_compared(k: Context, after: After) -> bool:
    """Whether step consistency is decided of the case with this effect.

    It isn't where ports can die (what then goes depends on who else has rights, the channels "death" and "rights"), nor
    of the calls on exception ports and of creations, which concern many rights at once: they take the solver too long.
    """
    call = SIGNATURES.get(k.rule.name)
    too_long = call is not None and (call.selects_exceptions or call.creates_task)
    return not after.releases and not too_long


def _does_the_same(twins: Twins, after: After, again: After) -> Iterator[Term]:
    """The two runs update each field that the caller sees alike: at the same points, and where it sees them, with the
    same values. So what looked the same before looks the same after.
    """
    claims: dict[int, Term] = {}
    for name, looks in twins.seen.items():
        if name in ORDER_ONLY or SEEN[name] is _nothing:
            continue
        for one, other in zip(after.fields[name].updates, again.fields[name].updates, strict=True):
            for claim in _alike(twins, name, looks, one, other):
                if not z3.is_true(claim):
                    claims[claim.get_id()] = claim
    plain = [claim for claim in claims.values() if not z3.is_quantifier(claim)]
    yield from [z3.And(*plain)] if plain else []
    yield from (claim for claim in claims.values() if z3.is_quantifier(claim))


def _pointwise(one: Term, other: Term) -> Iterator[Term]:
    """That two conditions of one form are equal: where both say "some …" or "all …", that they say the same of each."""
    if one.eq(other):
        return
    if not has_quantifiers(one):
        yield one == other
    elif z3.is_quantifier(one):
        variables = [z3.Const(f"{one.var_name(index)}!each", one.var_sort(index)) for index in range(one.num_vars())]
        mine, theirs = (z3.substitute_vars(each.body(), *reversed(variables)) for each in (one, other))
        yield from (forall(variables, claim) for claim in _pointwise(mine, theirs))
    else:
        plain = [part for part in one.children() if z3.is_and(one) and not has_quantifiers(part)]
        for mine, theirs in zip(one.children(), other.children(), strict=True):
            for claim in _pointwise(mine, theirs):
                yield _where(plain, claim) if has_quantifiers(mine) else claim


def _where(plain: list[Term], claim: Term) -> Term:
    """The claim where the other parts of a conjunction hold: elsewhere it makes no difference."""
    if not z3.is_quantifier(claim):
        return z3.Implies(z3.And(*plain), claim)
    variables = [z3.Const(f"{claim.var_name(index)}!where", claim.var_sort(index)) for index in range(claim.num_vars())]
    return forall(variables, z3.Implies(z3.And(*plain), z3.substitute_vars(claim.body(), *reversed(variables))))


def _equal(one: Term, other: Term) -> Term:
    return z3.BoolVal(True) if one.eq(other) else one == other


def _alike(twins: Twins, name: str, looks: Callable[..., Term], one: Update, other: Update) -> Iterator[Term]:
    """That two updates of a field are alike."""
    if isinstance(one, Tally):
        return  # the number of rights that are given up is the kernel's choice here: the channel "rights"
    if isinstance(one, Sweep) and isinstance(other, Sweep):
        again = [(theirs, mine) for theirs, mine in zip(other.variables, one.variables, strict=True)]
        condition, value = (z3.substitute(term, *again) for term in (other.condition, other.value))
        same = z3.And(_equal(one.condition, condition), z3.Implies(one.condition, _equal(one.value, value)))
        seen = z3.Or(looks(*one.variables), twins.comes_into_sight(name, one.variables[0]))
        if not (one.condition.eq(condition) and one.value.eq(value)):
            yield forall(list(one.variables), z3.Implies(seen, same))
        return
    assert not isinstance(one, Sweep)
    assert not isinstance(other, Sweep | Tally)
    yield from (_equal(mine, theirs) for mine, theirs in zip(one.point, other.point, strict=True))
    if isinstance(one, Store) and isinstance(other, Store) and one.when is not None and other.when is not None and not one.when.eq(other.when):
        yield one.when == other.when
    mine, theirs = (update.value if isinstance(update, Store) else update.amount for update in (one, other))
    if not mine.eq(theirs):
        seen = z3.Or(looks(*one.point), *([twins.comes_into_sight(name, one.point[0])] if one.point else []))
        yield z3.Implies(seen, mine == theirs)
