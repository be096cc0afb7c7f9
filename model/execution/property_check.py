"""The invariants' concrete reading: which of them a snapshot of an implementation breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Any

import msgspec
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.descriptors import NO_PAGE
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Place, PortObject, SlotKind
from sendright.mach.json_text import read_json
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.boot import HOST_PORT, HOST_PRIV_PORT
from sendright.mach.state.snapshot import Entry, Message, Page, PendingCall, Snapshot
from sendright.model.execution.compiler import (
    AFTER,
    ALIVE,
    BODY_SLOT,
    CREATING,
    DESTINATION_SLOT,
    ENDED,
    HOST_SLOT,
    IN_HAND,
    KERNEL_SLOT,
    LIMBO_SLOT,
    NAME_SLOT,
    NO_PORT,
    NO_SENDERS_SLOT,
    PLACE_SLOT,
    PORT_DESTROYED_SLOT,
    QUEUED,
    RECEIVING,
    REPLY_SLOT,
    REQUEST_SLOT,
    SENDING,
    SETTING,
    WAITING,
    ConcreteState,
    FunctionBuilder,
    SlotTuple,
    compile_function,
    environment,
    identifier,
)
from sendright.model.invariants.catalogue import Invariant, Variables, state_invariants
from sendright.model.invariants.known_breaks import is_broken
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.language.arguments import rule_arguments
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sequences import resumption
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import State
from sendright.model.language.transition import Transition


class BrokenInvariant(msgspec.Struct, frozen=True):
    """An invariant that doesn't hold, and where."""

    name: str
    words: str


PAGE_BITS = 32
"""Enough for the page numbers of one task."""

_SENDS = (SlotKind.SEND, SlotKind.SEND_RECEIVE)
_RECEIVES = (SlotKind.RECEIVE, SlotKind.SEND_RECEIVE)


def state_of(snapshot: Snapshot) -> ConcreteState:
    """The snapshot as a state of the specification, its ghost counts counted."""
    state = ConcreteState()
    f = state.fields
    next_object = -2  # for memory in messages, which nobody shares
    for number, port in snapshot.ports.items():
        f["port_life"][number] = ALIVE
        f["object"][number] = int(port.object)
        if port.task is not None:
            f["object_task"][number] = port.task
        counts = (("mscount", port.make_send_count), ("seqno", port.sequence_number), ("srights", port.send_rights))
        for name, value in (*counts, ("sorights", port.send_once_rights), ("msgcount", len(port.queue))):
            f[name][number] = value
        if port.object:
            _put(f, (KERNEL_SLOT, number, 0), Entry(SlotKind.RECEIVE, number))
        f["qlimit"][number] = port.queue_limit
        f["context"][number], f["is_guarded"][number] = port.context, port.guarded
        f["is_strict"][number], f["is_immovable"][number] = port.strict, port.immovable
        _put(f, (NO_SENDERS_SLOT, number, 0), port.no_senders)
        _put(f, (PORT_DESTROYED_SLOT, number, 0), port.port_destroyed)
        if port.ledger is not None:
            f["ledger_limit"][number], f["ledger_balance"][number] = port.ledger.limit, port.ledger.balance
            f["ledger_parent"][number] = NO_PORT if port.ledger.parent is None else port.ledger.parent
            f["ledger_payer"][number] = NO_PORT if port.ledger.ledger_ledger is None else port.ledger.ledger_ledger
        for message in port.queue:
            _queue(f, number, message)
            next_object = _carry(f, message, next_object)
    for number, task in snapshot.tasks.items():
        f["task_life"][number] = ALIVE
        f["task_port"][number] = task.port
        f["security"][number], f["audit"][number] = task.security_token, task.audit_token
        if task.ledgers is not None:
            f["wired"][number], f["paged"][number] = task.ledgers
        for port_name, entry in task.names.items():
            _put(f, (NAME_SLOT, number, port_name), entry)
        for place, entry in task.places.items():
            _put(f, (PLACE_SLOT, number, int(place)), entry)
        for page, shown in task.memory.items():
            _map(f, (number, page), shown)
        for port_name, entry in task.requests.items():
            _put(f, (REQUEST_SLOT, number, port_name), entry)
        for place, (behaviour, flavour) in task.exceptions.items():
            f["exception_behaviour"][number, int(place)], f["exception_flavour"][number, int(place)] = behaviour, flavour
        for set_name, members in task.sets.items():
            for member in members:
                right = task.names.get(member)  # a member that isn't there is one without a port, which no port set may have
                f["member"][NO_PORT if right is None or right.port is None else right.port, set_name] = True
        f["suspend_count"][number] = task.suspend_count
        if task.waiting is not None:
            _wait(f, number, task.waiting)
            if task.waiting.message is not None:
                next_object = _carry(f, task.waiting.message, next_object)
    for which, entry in snapshot.host_ports.items():
        _put(f, (HOST_SLOT, which, 0), entry)
    return ghosts_of(state)


def _map(f: dict[str, dict[Any, Any]], point: tuple[int, int], page: Page) -> None:
    """A page is mapped. Its memory object has the number of the first page that shares it, and was made if that page is its own."""
    task, first = page.shares_with
    number = (task << PAGE_BITS) + first
    f["mapped"][point], f["inheritance"][point], f["content"][number] = number, page.inheritance, page.value
    if page.shares_with == point:
        f["object_made"][number] = True


def _wait(f: dict[str, dict[Any, Any]], task: int, waiting: PendingCall) -> None:
    if waiting.message is not None:
        number = waiting.message.serial
        f["wait"][task], f["waits_with"][task], f["stage"][number], f["owner"][number] = SENDING, number, WAITING, task
        _fill(f, waiting.message)
    elif waiting.call == "mach_msg_receive":
        f["wait"][task], f["waits_at"][task] = RECEIVING, waiting.name
        f["waits_for"][task] = NO_PORT if waiting.port is None else waiting.port
        f["waits_limit"][task], f["waits_large"][task], f["waits_trailer"][task] = waiting.limit, waiting.large, waiting.trailer
        if waiting.port is not None:
            f["port_life"].setdefault(waiting.port, ENDED)  # what it waits for was there when it began
    elif waiting.call == "host_security_create_task_token":
        child = -2 - task if waiting.child is None else waiting.child  # which it was isn't shown of one that has ended
        f["wait"][task], f["waits_child"][task] = CREATING, child
        f["task_life"].setdefault(child, ENDED if waiting.child is None else ALIVE)
        f["waits_security"][task], f["waits_audit"][task] = waiting.security_token, waiting.audit_token
        f["waits_host"][task] = HOST_PRIV_PORT if waiting.privileged else HOST_PORT
    elif waiting.call == "task_set_special_port":
        f["wait"][task] = SETTING
        _put(f, (PLACE_SLOT, task, IN_HAND), waiting.held)


def _carry(f: dict[str, dict[Any, Any]], message: Message, number: int) -> int:
    """A message's pages, each an object of its own, numbered down from ``number``; the next number."""
    for index, value in enumerate(message.memory):
        f["memory"][message.serial, index], f["content"][number], f["object_made"][number] = number, value, True
        number -= 1
    return number


def _queue(f: dict[str, dict[Any, Any]], port: int, message: Message) -> None:
    number = message.serial
    f["stage"][number], f["queue"][number] = QUEUED, port
    f["arrival"][number] = f["clock"].get((), 0)
    f["clock"][()] = f["clock"].get((), 0) + 1
    _fill(f, message)


def _fill(f: dict[str, dict[Any, Any]], message: Message) -> None:
    """What a message says and carries."""
    number = message.serial
    f["layout"][number], f["size"][number] = message.layout, message.size
    f["id"][number], f["body_count"][number], f["data"][number] = message.id, len(message.body), message.data
    f["sender_security"][number], f["sender_audit"][number] = message.security_token, message.audit_token
    f["from_kernel"][number] = bool(message.from_kernel)
    _put(f, (DESTINATION_SLOT, number, 0), message.destination)
    _put(f, (REPLY_SLOT, number, 0), message.reply.entry)
    for index, descriptor in enumerate(message.body):
        _put(f, (BODY_SLOT, number, index), descriptor.entry)


def _put(f: dict[str, dict[Any, Any]], slot: SlotTuple, entry: Entry) -> None:
    if entry.kind == SlotKind.NONE:
        return
    f["kind"][slot], f["urefs"][slot] = int(entry.kind), entry.urefs
    port = f["port"][slot] = NO_PORT if entry.port is None else entry.port
    if entry.kind in _RECEIVES:
        f["receiver"][port] = slot
    if slot[0] == NAME_SLOT and entry.kind in (*_SENDS, SlotKind.RECEIVE):
        f["known_as"].setdefault((slot[1], port), slot[2])


class CompiledClause(msgspec.Struct, frozen=True):
    """A clause as a Python function of its variables, with the sorts of those."""

    invariant: str
    title: str
    holds: Callable[..., bool]
    sorts: tuple[str, ...]


def compile_clauses(invariants: Iterable[Invariant], variables: Variables, state: State) -> tuple[CompiledClause, ...]:
    """Every clause of some invariants, told of ``state`` (an arbitrary one), as Python."""
    compiled: list[CompiledClause] = []
    for invariant in invariants:
        for title, clause in invariant.clauses(variables, state):
            body, names, sorts = _opened(clause)
            builder = FunctionBuilder("holds", names, [body])
            builder.lines.append(f"    return {builder.value(body)}")
            name = f"invariant {invariant.number}: {invariant.title}"
            compiled.append(CompiledClause(name, title, compile_function(builder.finish(), "holds"), sorts))
    return tuple(compiled)


def _opened(clause: Term) -> tuple[Term, list[str], tuple[str, ...]]:
    """A universal clause's body at constants, their names in Python, and their sorts."""
    if not z3.is_quantifier(clause):
        return clause, [], ()
    sorts = [clause.var_sort(index) for index in range(clause.num_vars())]
    constants = [z3.Const(f"x{index}", sort) for index, sort in enumerate(sorts)]
    body = z3.substitute_vars(clause.body(), *reversed(constants))
    return body, [identifier(constant.decl().name()) for constant in constants], tuple(sort.name() for sort in sorts)


@cache
def compiled(invariant: Invariant) -> tuple[CompiledClause, ...]:
    """An invariant's clauses."""
    return compile_clauses([invariant], Variables(UNBOUNDED), State.arbitrary(UNBOUNDED))


def broken_invariants(snapshot: Snapshot, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The invariants that don't hold in ``snapshot``, each once, with the first place where it fails."""
    return broken_in_state(state_of(snapshot), profile)


def broken_in_state(state: ConcreteState, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The invariants that don't hold in ``state``, whose ghost counts are counted."""
    broken: dict[str, BrokenInvariant] = {}
    for invariant in state_invariants(profile):
        for clause in compiled(invariant):
            where = None if clause.invariant in broken else broken_clause(state, clause, profile)
            if where is not None:
                broken[clause.invariant] = BrokenInvariant(clause.invariant, f"{clause.title}, at {where}" if where else clause.title)
    return tuple(broken.values())


Points = Callable[[ConcreteState, tuple[str, ...]], Iterable[tuple[Any, ...]]]


def broken_clause(state: ConcreteState, clause: CompiledClause, profile: Profile, points: Points | None = None) -> str | None:
    """The first place where ``clause`` fails, in words; None: it holds. ``points``: where to look; None: at what exists."""
    env = environment(profile)
    for values in (points or _points)(state, clause.sorts):
        if not clause.holds(state.fields, env, *values):
            return _where(clause.sorts, values)
    return None


def ghosts_of(state: ConcreteState) -> ConcreteState:
    """``state`` with its ghost counts counted, from slots and queues."""
    f = state.fields
    for ghost, kinds in (("sending_slots", _SENDS), ("send_once_slots", (SlotKind.SEND_ONCE,))):
        f[ghost] = dict(Counter(f["port"][slot] for slot, kind in f["kind"].items() if kind in kinds))
    f["queued_messages"] = dict(Counter(f["queue"][message] for message, stage in f["stage"].items() if stage == QUEUED))
    _ledger_ghosts(f)
    _memory_ghosts(f)
    _transit_ghosts(f)
    return state


def _memory_ghosts(f: dict[str, dict[Any, Any]]) -> None:
    """Where each object is that is in a message; of one that is in two places, one of them."""
    f["carrier_index"] = dict.fromkeys(f["mapped"].values(), NO_PAGE)
    f["carrier"] = {}
    for (message, index), number in f["memory"].items():
        f["carrier"][number], f["carrier_index"][number] = message, index


def _transit_ghosts(f: dict[str, dict[Any, Any]]) -> None:
    """How far each port is from the last to which, over one or more messages, its receive right is on its way: the farther, the lower."""
    towards = {}
    for port, receiver in f["receiver"].items():
        if receiver[0] == BODY_SLOT and f["stage"].get(receiver[1]) in (QUEUED, WAITING):
            towards[port] = f["port"].get((DESTINATION_SLOT, receiver[1], 0), NO_PORT)
    rank: dict[int, int] = {}
    for port in towards:
        steps, reached = 0, port
        while reached in towards and steps <= len(towards):  # a circle ends here: all in it are equally far
            steps, reached = steps + 1, towards[reached]
        rank[port] = -steps
    f["transit_rank"] = rank


def _ledger_ghosts(f: dict[str, dict[Any, Any]]) -> None:
    """What ledgers gave, how far they are from their roots, and their numbers among those that their payers pay for."""
    ledgers = sorted(port for port, kind in f["object"].items() if kind == PortObject.LEDGER and f["port_life"].get(port) == ALIVE)
    parent, limit = f["ledger_parent"], f["ledger_limit"]
    depth, given, number, payee = ({}, {}, {}, {})  # type: dict[int, int], dict[int, int], dict[int, int], dict[tuple[int, int], int]
    paid: Counter[int] = Counter()
    for ledger in ledgers:
        depth[ledger], above = 0, parent.get(ledger, NO_PORT)
        while above != NO_PORT and depth[ledger] <= len(ledgers):  # a circle ends here: all in it are equally far
            depth[ledger], above = depth[ledger] + 1, parent.get(above, NO_PORT)
        payer = f["ledger_payer"].get(ledger, NO_PORT)
        number[ledger], payee[payer, paid[payer]] = paid[payer], ledger
        paid[payer] += 1
    for ledger in sorted(ledgers, key=depth.__getitem__, reverse=True):
        if limit.get(ledger, 0) != -1:
            above = parent.get(ledger, NO_PORT)
            given[above] = given.get(above, 0) + limit.get(ledger, 0) + given.get(ledger, 0)
    f["ledger_depth"], f["given_limits"], f["payee_number"], f["payee"] = depth, given, number, payee


OF_WHOLE_CALLS = (2, 29, 30, 34, 35, 36, 37, 41)
"""Step properties that hold from the beginning of a call to its end."""


def broken_by_step(before: Snapshot, after: Snapshot, task: int, call: Call, code: int, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The step properties that an implementation's step breaks: what ``call`` by ``task``, answered by ``code``, made of its state.

    Only properties that make sense of a whole call: it may be a sequence of rules, each with properties of its own.
    """
    rule = resumption(call.name) if call.resume else call.name
    if call.name not in RULES or rule not in RULES:
        return ()
    old, new = state_of(before), state_of(after)
    for life in ("task_life", "port_life"):  # a snapshot doesn't show what has ended
        new[life].update(dict.fromkeys(old[life].keys() - new[life].keys(), ENDED))
    for name in ("task_port", "security", "audit", "wired", "paged", "object", "object_task", "receiver"):
        new.fields[name] = old[name] | new[name]
    fields = {**old.fields, **{name + AFTER: values for name, values in new.fields.items()}}
    both = ConcreteState()
    both.fields = {name: {**old.fields[name], **new.fields[name]} for name in old.fields}
    env = environment(profile)
    told = rule_arguments(call, profile)
    given = [task, *(told.get(name) for name in RULES[rule].parameters)]
    broken: dict[str, BrokenInvariant] = {}
    for clause in _step_clauses(rule, code, msgspec.json.encode(profile)):
        if clause.invariant in broken:
            continue
        where = next((values for values in _points(both, clause.sorts) if not clause.holds(fields, env, *given, *values)), None)
        if where is not None:
            place = f" for {_where(clause.sorts, where)}" if clause.sorts else ""
            broken[clause.invariant] = BrokenInvariant(clause.invariant, f"{clause.title} does not hold{place}.")
    return tuple(broken.values())


@cache
def _function_of(body: Term, parameters: tuple[str, ...]) -> Callable[..., bool]:
    """``body`` as a Python function. Most answers of a call, and most profiles, share it."""
    builder = FunctionBuilder("holds", parameters, [body])
    builder.lines.append(f"    return {builder.value(body)}")
    return compile_function(builder.finish(), "holds")


@cache
def _step_clauses(rule: str, code: int, encoded_profile: bytes) -> tuple[CompiledClause, ...]:
    """The step properties of a call that begins with ``rule`` and is answered by ``code``: functions of caller, arguments and variables."""
    profile = read_json(encoded_profile, Profile)
    k = Context(RULES[rule], State.arbitrary(UNBOUNDED), profile)
    case = Case(ReturnCode(code) if code in set(ReturnCode) else None, "", z3.BoolVal(True))
    x = Transition(k, case, State.arbitrary(UNBOUNDED, AFTER))
    arguments = [identifier(name) for name in k.rule.parameters]
    compiled: list[CompiledClause] = []
    for number in OF_WHOLE_CALLS:
        if x.stops and is_broken(f"step invariant {number}", profile):
            continue  # as is known of it
        step = STEP_PROPERTIES[number]
        for title, clause in step.clauses(Variables(UNBOUNDED), x):
            body, names, sorts = _opened(clause)
            words = f"{step.about} The clause '{title}'"
            holds = _function_of(body, ("v_caller", *arguments, *names))
            compiled.append(CompiledClause(f"invariant {step.number}: {step.title}", words, holds, sorts))
    return tuple(compiled)


def _points(state: ConcreteState, sorts: tuple[str, ...]) -> Iterable[tuple[Any, ...]]:
    """Values for bound variables: whatever exists, and what a name that isn't used would be."""
    f = state.fields
    slots = f["kind"]
    if sorts[:2] == ("Task", "Name"):
        pairs = [(slot[1], slot[2]) for slot in slots if slot[0] == NAME_SLOT]
        rest = [_members(f, sort) for sort in sorts[2:]]
        return [(*pair, *others) for pair in pairs for others in product(*rest)]
    if sorts == ("Task", "Place"):
        return [(slot[1], slot[2]) for slot in slots if slot[0] == PLACE_SLOT]
    if sorts == ("Message", "Int"):
        return [*[(slot[1], slot[2]) for slot in slots if slot[0] == BODY_SLOT], *f["memory"]]
    if sorts == ("Task", "Port"):
        return list(f["known_as"])
    if sorts == ("Task", "Int"):
        return list(f["mapped"])
    if sorts == ("Port", "Int"):  # of a ledger, each that it pays for; and the last, if it is charged for more
        return [*f["payee"], *[(ledger, balance - 1) for ledger, balance in f["ledger_balance"].items() if balance > 0]]
    if sorts[:2] == ("Port", "Name"):
        return [(*pair, *others) for pair in f["member"] for others in product(*[_members(f, sort) for sort in sorts[2:]])]
    return product(*[_members(f, sort) for sort in sorts])


def _members(f: dict[str, dict[Any, Any]], sort: str) -> list[Any]:
    return {
        "Task": list(f["task_life"]),
        "Port": list(f["port_life"]),
        "Name": [NULL_NAME, DEAD_NAME, *{name for _, name in f["member"]}],
        "Message": list(f["stage"]),
        "Slot": list(f["kind"]),
    }[sort]


def _where(sorts: tuple[str, ...], values: tuple[Any, ...]) -> str:
    words = []
    for sort, value in zip(sorts, values, strict=True):
        if sort == "Slot":
            words.append(slot_in_words(value))
        elif sort == "Place":
            words.append(_place_in_words(value))
        else:
            words.append(f"{sort.lower()} {value}")
    return ", ".join(words)


def _place_in_words(place: int) -> str:
    return "what its call has in its hands" if place == IN_HAND else f"{Place(place).name.lower()} port"


_PORTS_REQUESTS = {NO_SENDERS_SLOT: "no-senders request", PORT_DESTROYED_SLOT: "port-destroyed request", LIMBO_SLOT: "limbo"}


def slot_in_words(slot: SlotTuple) -> str:
    """Where a slot is: "task 1, name 3"."""
    where, owner, index = slot
    if where == NAME_SLOT:
        return f"task {owner}, name {index}"
    if where == PLACE_SLOT:
        return f"task {owner}, {_place_in_words(index)}"
    if where == KERNEL_SLOT:
        return f"the kernel's right of port {owner}"
    if where == REQUEST_SLOT:
        return f"task {owner}, dead-name request of name {index}"
    if where in _PORTS_REQUESTS:
        return f"port {owner}, {_PORTS_REQUESTS[where]}"
    if where == HOST_SLOT:
        return f"host, special port {owner}"
    return f"message {owner}, {({DESTINATION_SLOT: 'destination', REPLY_SLOT: 'reply'}).get(where, f'descriptor {index}')}"
