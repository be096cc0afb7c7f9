"""Evaluates the invariants: which of them a snapshot or a step of an implementation breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from types import CodeType
from typing import Any

import msgspec
import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME, Place
from sendright.mach.json_text import read_json
from sendright.mach.kernel.call import Call
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.compiler import FunctionBuilder, code_of, compile_function, function_of, identifier
from sendright.model.execution.encoding import (
    BODY_SLOT,
    DESTINATION_SLOT,
    ENDED,
    HOST_SLOT,
    IN_HAND,
    KERNEL_SLOT,
    LIMBO_SLOT,
    NAME_SLOT,
    NO_SENDERS_SLOT,
    PLACE_SLOT,
    PORT_DESTROYED_SLOT,
    REPLY_SLOT,
    REQUEST_SLOT,
    SlotTuple,
    environment,
)
from sendright.model.execution.kept import code_file, is_kept
from sendright.model.execution.snapshots import state_of
from sendright.model.execution.state import AFTER, ConcreteState
from sendright.model.invariants.catalogue import state_invariants
from sendright.model.invariants.known_breaks import is_broken
from sendright.model.language.arguments import rule_arguments
from sendright.model.language.invariant import Invariant, Variables
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sequences import resumption
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import State
from sendright.model.language.transition import Transition


class BrokenInvariant(msgspec.Struct, frozen=True):
    """An invariant that doesn't hold, and where."""

    name: str
    words: str


class CompiledClause(msgspec.Struct, frozen=True):
    """A clause as a Python function of its variables, with the sorts of those."""

    invariant: str
    title: str
    holds: Callable[..., bool]
    sorts: tuple[str, ...]


ClauseCode = tuple[str, CodeType, tuple[str, ...]]
"""A clause's title, its function's code, and the sorts of its variables: all that is kept of it."""


def compile_clauses(invariants: Iterable[Invariant], variables: Variables, state: State) -> tuple[CompiledClause, ...]:
    """Every clause of some invariants about ``state`` (an arbitrary one), as Python."""
    return tuple(clause for each in invariants for clause in _with_functions(each, _code_of_clauses(each, variables, state)))


def _with_functions(invariant: Invariant, clauses: Iterable[ClauseCode]) -> list[CompiledClause]:
    name = f"invariant {invariant.number}: {invariant.title}"
    return [CompiledClause(name, title, function_of(code, "holds"), sorts) for title, code, sorts in clauses]


def _code_of_clauses(invariant: Invariant, variables: Variables, state: State) -> tuple[ClauseCode, ...]:
    found: list[ClauseCode] = []
    for title, clause in invariant.clauses(variables, state):
        body, names, sorts = opened(clause)
        builder = FunctionBuilder("holds", names, [body])
        builder.lines.append(f"    return {builder.value(body)}")
        found.append((title, code_of(builder.finish(), "holds"), sorts))
    return tuple(found)


def opened(clause: Term) -> tuple[Term, list[str], tuple[str, ...]]:
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
    kept = code_file("invariants") if is_kept(invariant.clauses) else None
    name = f"{invariant.number}/{invariant.clauses.__module__}.{invariant.clauses.__qualname__}"
    clauses: tuple[ClauseCode, ...] | None = kept.get(name) if kept is not None else None
    if clauses is None:
        clauses = _code_of_clauses(invariant, Variables(UNBOUNDED), State.arbitrary(UNBOUNDED))
        if kept is not None:
            kept.keep(name, clauses)
    return tuple(_with_functions(invariant, clauses))


def broken_invariants(snapshot: Snapshot, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The invariants that don't hold in ``snapshot``, each once, with the first place where it fails."""
    return broken_in_state(state_of(snapshot, profile), profile)


def broken_in_state(state: ConcreteState, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The invariants that don't hold in ``state``, whose ghost counts are counted."""
    broken: dict[str, BrokenInvariant] = {}
    env = environment(profile)
    for invariant in state_invariants(profile):
        for clause in compiled(invariant):
            where = None if clause.invariant in broken else _broken_at(state, clause, env, _points)
            if where is not None:
                broken[clause.invariant] = BrokenInvariant(clause.invariant, f"{clause.title}, at {where}" if where else clause.title)
    return tuple(broken.values())


Points = Callable[[ConcreteState, tuple[str, ...]], Iterable[tuple[Any, ...]]]


def broken_clause(state: ConcreteState, clause: CompiledClause, profile: Profile, points: Points | None = None) -> str | None:
    """The first place where ``clause`` fails, in words; None: it holds.

    ``points``: where to look; None: at what exists.
    """
    return _broken_at(state, clause, environment(profile), points or _points)


def _broken_at(state: ConcreteState, clause: CompiledClause, env: dict[str, Any], points: Points) -> str | None:
    for values in points(state, clause.sorts):
        if not clause.holds(state.fields, env, *values):
            return places_in_words(clause.sorts, values)
    return None


def broken_by_step(before: Snapshot, after: Snapshot, task: int, call: Call, code: int, profile: Profile) -> tuple[BrokenInvariant, ...]:
    """The step properties that an implementation's step breaks: what ``call`` by ``task``, answered by ``code``, made
    of its state.

    Only properties that make sense of a whole call: it may be a sequence of rules, each with properties of its own.
    """
    rule = resumption(call.name) if call.resume else call.name
    if call.name not in RULES or rule not in RULES or _has_several_phases(before, task, call, code):
        return ()
    old, new = state_of(before, profile), state_of(after, profile)
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
            place = f" for {places_in_words(clause.sorts, where)}" if clause.sorts else ""
            broken[clause.invariant] = BrokenInvariant(clause.invariant, f"{clause.title} does not hold{place}.")
    return tuple(broken.values())


def _has_several_phases(before: Snapshot, task: int, call: Call, code: int) -> bool:
    """Whether the step is an exec that goes through several phases at once. Each phase has properties of its own."""
    waiting = before.tasks[task].waiting if call.resume and task in before.tasks else None
    return call.name == "execve" and code == ReturnCode.KERN_SUCCESS and (waiting is None or waiting.phase < _BEFORE_LAST_PHASE)


_BEFORE_LAST_PHASE = 3
"""After this phase of an exec, one is left."""


@cache
def _function_of(body: Term, parameters: tuple[str, ...]) -> Callable[..., bool]:
    """``body`` as a Python function. Most answers of a call, and most profiles, share it."""
    builder = FunctionBuilder("holds", parameters, [body])
    builder.lines.append(f"    return {builder.value(body)}")
    return compile_function(builder.finish(), "holds")


@cache
def _step_clauses(rule: str, code: int, encoded_profile: bytes) -> tuple[CompiledClause, ...]:
    """The step properties of a call that begins with ``rule`` and is answered by ``code``: functions of caller,
    arguments and variables.
    """
    from sendright.model.invariants.steps import STEP_PROPERTIES  # here, as most runs break none

    profile = read_json(encoded_profile, Profile)
    k = Context(RULES[rule], State.arbitrary(UNBOUNDED), profile)
    case = Case(ReturnCode(code) if code in set(ReturnCode) else None, "", z3.BoolVal(True))
    x = Transition(k, case, State.arbitrary(UNBOUNDED, AFTER), of_whole_call=True)
    arguments = [identifier(name) for name in k.rule.parameters]
    compiled: list[CompiledClause] = []
    for step in STEP_PROPERTIES.values():
        if not step.of_whole_calls or (x.stops and is_broken(f"step invariant {step.number}", profile)):
            continue  # it says nothing of whole calls, or it breaks, as is known
        for title, clause in step.clauses(Variables(UNBOUNDED), x):
            body, names, sorts = opened(clause)
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


def places_in_words(sorts: tuple[str, ...], values: tuple[Any, ...]) -> str:
    """Values of these sorts in words: "task 1, name 3"."""
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
