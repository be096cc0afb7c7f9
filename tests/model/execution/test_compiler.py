"""The oracle's Python is a translation of the specification's terms: on real states it says what z3 itself says.

So do the ghost counts, which proofs trust: what a rule makes of them is the number of slots and messages that there are
then. The states are those that witnesses go through. Each is written out in z3, over enumerated sorts, and the
conditions and the state after are simplified by z3 to values.
"""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import z3

from sendright.mach.abi.descriptors import PORT, page_count, right_count
from sendright.mach.abi.rights import DEAD_NAME, NULL_NAME
from sendright.mach.abi.tokens import KERNEL_AUDIT_TOKEN, KERNEL_SECURITY_TOKEN
from sendright.mach.kernel.profiles import PROFILES
from sendright.mach.state.trace import LIMITS
from sendright.model.execution.compiler import Translator
from sendright.model.execution.encoding import ALIVE, DEFAULTS, NO_OBJECT, NO_PORT
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.system import System
from sendright.model.execution.witnesses import replay, witnesses
from sendright.model.language.rule import RULES, Context
from sendright.model.language.sorts import NUMBERED_ENUMERATIONS, Scope, Sorts
from sendright.model.language.state import FIELDS, After, Field, State, sort_named
from sendright.model.language.terms import Array, Name, Sort, sort_of

SLOTS = {
    "name_slot": ("Task", "Name"),
    "place_slot": ("Task", "Place"),
    "destination_slot": ("Message",),
    "reply_slot": ("Message",),
    "body_slot": ("Message", "Int"),
    "kernel_slot": ("Port",),
    "request_slot": ("Task", "Name"),
    "no_senders_slot": ("Port",),
    "port_destroyed_slot": ("Port",),
    "limbo_slot": ("Port",),
    "host_slot": ("Int",),
}
"""The constructors of slots, in the order of their numbers, and what they are made of."""
ENUMERATIONS = {enumeration.sort.name(): enumeration for enumeration in NUMBERED_ENUMERATIONS}
FREE = ("transit_rank", "carrier")
"""Ghosts that a state leaves open: any ranks that rise will do, and an object that is in no message has any carrier."""
MOST_SLOTS = 42
"""Larger states are left out: written out in z3 they are slow, and show nothing new."""


class Moment:
    """One rule that the oracle ran: the state before, what it was given, and the state after."""

    def __init__(self, rule: str, before: dict[str, dict[Any, Any]], values: list[Any], index: int, limits: dict[str, int]) -> None:
        self.rule, self.before, self.values, self.index, self.limits = rule, before, values, index, limits
        self.after: dict[str, dict[Any, Any]] = {}


class Written:
    """A concrete state, written in z3 over sorts that have just its members."""

    def __init__(self, moment: Moment) -> None:
        f = moment.before
        self._terms: dict[tuple[str, Any], Any] = {}
        used: dict[str, set[Any]] = {name: set() for name in ("Task", "Port", "Name", "Message", "Object", "Layout", "SecurityToken", "AuditToken")}
        declared = RULES[moment.rule]
        sorts = [Sort("Task"), *declared.parameters.values(), *declared.choices.values()]
        for sort, value in zip(sorts, moment.values, strict=True):
            if not sort.is_function and sort.name in used and value is not None:
                used[sort.name].add(value)
            elif sort == Sort("Slot"):
                self._note_slot(used, value)
            elif sort == sort_of(Array[Name]):
                with contextlib.suppress(IndexError):
                    used["Name"].update(value(index) for index in range(8))
        for field in (moment.before, moment.after):
            for name, declaration in FIELDS.items():
                for point, value in field[name].items():
                    parts = point if len(declaration.domain) > 1 else (point,) if declaration.domain else ()
                    for sort, part in zip((*declaration.domain, declaration.range), (*parts, value), strict=True):
                        if sort in used:
                            used[sort].add(part)
                        elif sort == "Slot":
                            self._note_slot(used, part)
        reserved = {
            "Port": [NO_PORT],
            "Name": [NULL_NAME, DEAD_NAME],
            "Object": [NO_OBJECT],
            "Layout": [(), (PORT,)],
            "SecurityToken": [KERNEL_SECURITY_TOKEN],
            "AuditToken": [KERNEL_AUDIT_TOKEN],
        }
        members = {sort: [*reserved.get(sort, []), *sorted(values - set(reserved.get(sort, [])), key=repr)] for sort, values in used.items()}
        size = max(len(values) for values in members.values()) + 1
        self.sorts = Sorts(Scope(tasks=size, ports=size, names=size, messages=size, objects=size, tokens=size, layouts=size))
        self.members = {sort: dict(zip(values, self.sorts.members[sort], strict=False)) for sort, values in members.items()}
        fields = {name: Field(name, self._reader(name, f[name])) for name in FIELDS}
        self.state = State(self.sorts, fields)
        self.sorts.host_port = self.term("Port", 0)

    @staticmethod
    def _note_slot(used: dict[str, set[Any]], slot: tuple[int, int, int]) -> None:
        for sort, part in zip(list(SLOTS.values())[slot[0]], slot[1:], strict=False):
            if sort in used:
                used[sort].add(part)

    def term(self, sort: str, value: Any) -> Any:
        if (sort, value) not in self._terms:
            self._terms[sort, value] = self._term(sort, value)
        return self._terms[sort, value]

    def _term(self, sort: str, value: Any) -> Any:
        if sort == "Int":
            return z3.IntVal(value)
        if sort == "Bool":
            return z3.BoolVal(bool(value))
        if sort == "Slot":
            constructor, sorts = list(SLOTS.items())[value[0]]
            return getattr(self.sorts.Slot, constructor)(*[self.term(part, number) for part, number in zip(sorts, value[1:], strict=False)])
        if sort in ENUMERATIONS:
            return ENUMERATIONS[sort].of(value)
        if value in self.members[sort]:
            return self.members[sort][value]
        return self.sorts.members[sort][-1]  # a default that isn't a member: a task that never was

    def _reader(self, name: str, values: dict[Any, Any]) -> Callable[..., Any]:
        declaration, default = FIELDS[name], DEFAULTS[name]
        table = self.term(declaration.range, (0, -9, 0) if declaration.range == "Slot" and default is None else default)
        point = [z3.Var(index, sort_named(self.sorts, sort)) for index, sort in enumerate(declaration.domain)]
        for key, value in values.items():
            keys = key if len(declaration.domain) > 1 else (key,) if declaration.domain else ()
            same = [part == self.term(sort, part_key) for part, sort, part_key in zip(point, declaration.domain, keys, strict=True)]
            table = z3.If(z3.And(*same) if same else z3.BoolVal(True), self.term(declaration.range, value), table)
        return lambda *parts: z3.substitute_vars(table, *parts) if parts else table


Counts = tuple[Counter[int], Counter[int]]


def counted(written: Written, moment: Moment, context: Context, releases: list[Any], solved: list[Any]) -> Counts | None:
    """How many send rights to each port a release gives up, and how many notifications it makes: slot by slot, as z3
    says.
    """
    if not releases:
        return None
    [release] = releases
    f = moment.before
    sends, notifications = Counter[int](), Counter[int]()
    slots = [(slot, written.term("Slot", slot)) for slot in f["kind"]]
    given_up = values_of(written, moment, context, releases, solved, [release.given_up(term) for _, term in slots])
    notified = values_of(written, moment, context, releases, solved, [release.becomes_notification(term) for _, term in slots])
    for (slot, _), gives_up, notifies in zip(slots, given_up, notified, strict=True):
        if z3.is_true(gives_up) and f["kind"][slot] in (1, 3):
            sends[f["port"][slot]] += 1
        if z3.is_true(notifies):
            notifications[f["port"][slot]] += 1
    return sends, notifications


def values_of(
    written: Written, moment: Moment, context: Context, releases: list[Any], solved: list[Any], formulas: list[Any], counts: Counts | None = None
) -> list[Any]:
    """What z3 makes of ``formulas`` when arguments and choices have their values. Asked together, they share the work
    that they share.
    """
    formula = z3.Function("all of them", *[each.sort() for each in formulas], z3.BoolSort())(*formulas)
    declared = RULES[moment.rule]
    pairs = [(context.caller, written.term("Task", moment.values[0]))]
    s = written.sorts
    counts_of = [(s.parts_of, len), (s.rights_of, right_count), (s.pages_of, page_count)]
    functions = [(function, _tabulated(written, Sort("Int", "Layout"), number)) for function, number in counts_of]
    functions.append((s.number_of, _tabulated(written, Sort("Int", "Name"), int)))
    for (name, sort), value in zip({**declared.parameters, **declared.choices}.items(), moment.values[1:], strict=True):
        term = context.constants[name]
        if sort.is_function and name in declared.parameters:  # an array
            body = written.term(sort.name, 0)
            for index in range(8):
                with contextlib.suppress(IndexError):  # what is behind the end of an array is nobody's business
                    body = z3.If(z3.Var(0, z3.IntSort()) == index, written.term(sort.name, value(index)), body)
            functions.append((term, body))
        elif sort.is_function:
            functions.append((term, _tabulated(written, sort, value)))
        elif value is not None:
            pairs.append((term, written.term(sort.name, value)))
    for name, limit in moment.limits.items():
        pairs.append((z3.Int(name), z3.IntVal(limit)))
    formula = z3.substitute(formula, *pairs)
    for release, (dying, notification, notified, arrival, next_clock, *others) in zip(releases, solved, strict=True):
        sends_first, place, died_first, moved_first, circular, *_ = others
        functions += [
            (release.dying, _tabulated(written, Sort("Bool", "Port"), dying)),
            (release.notification, _tabulated(written, Sort("Message", "Slot"), notification)),
            (release.notified, _tabulated(written, Sort("Slot", "Message"), notified)),
            (release.arrival, _tabulated(written, Sort("Int", "Message"), arrival)),
            (release.sends_first, _tabulated(written, Sort("Bool", "Port"), sends_first)),
            (release.place, _tabulated(written, Sort("Int", "Slot"), place)),
            (release.died_first, _tabulated(written, Sort("Bool", "Slot"), died_first)),
            (release.moved_first, _tabulated(written, Sort("Bool", "Port"), moved_first)),
            (release.circular, _tabulated(written, Sort("Bool", "Port"), circular)),
        ]
        formula = z3.substitute(formula, (release.next_clock, z3.IntVal(next_clock)))
        if counts is not None:
            functions += [
                (release.sends_released.function, _tabulated(written, Sort("Int", "Port"), counts[0].__getitem__)),
                (release.notifications.function, _tabulated(written, Sort("Int", "Port"), counts[1].__getitem__)),
            ]
    if functions:
        formula = z3.substitute_funs(formula, *functions)
    values: list[Any] = z3.simplify(formula).children()
    return values


def _tabulated(written: Written, sort: Sort, function: Callable[[Any], Any]) -> Any:
    domain, range_ = sort.domain or "", sort.name
    default = {"Bool": False, "Int": 0, "Slot": (0, -9, 0)}.get(range_, -9)
    body = written.term(range_, default)
    if domain == "Int":
        points = list(range(-1, 8))
    elif domain == "Slot":
        points = [*written.slots]
    else:
        points = list(written.members[domain])
    variable = z3.Var(0, sort_named(written.sorts, domain))
    for point in points:
        value = function(point) if function else None
        if value is not None:
            body = z3.If(variable == written.term(domain, point), written.term(range_, value), body)
    return body


def moments(profile_name: str) -> list[tuple[Moment, list[Any], bool]]:
    """Every rule run of the profile's witnesses, one for each case, as the oracle ran it."""
    profile = PROFILES[profile_name]
    seen: dict[str, tuple[Moment, list[Any], bool]] = {}
    original_run, original_solve = System.run, System._solve
    solved: list[Any] = []

    def solve(self: System, release: object, values: list[Any], *roots: Any) -> list[Any]:
        answer = original_solve(self, release, values, *roots)
        solved.append(answer)
        return answer

    def run(self: System, name: str, caller: int, given: dict[str, Any]) -> Any:
        declared = RULES[name]
        values = [caller, *[given.get(parameter) for parameter in (*declared.parameters, *declared.choices)]]
        before = copy.deepcopy(ghosts_of(self.state).fields)
        solved.clear()
        applied = original_run(self, name, caller, given)
        if applied.case.id not in seen and len(before["kind"]) <= MOST_SLOTS:
            limits = {key: int(self.env[key]) for key in LIMITS}
            moment = Moment(name, before, values, self.rules[name].cases.index(applied.case), limits)
            moment.after = copy.deepcopy(ghosts_of(self.state).fields)
            seen[applied.case.id] = (moment, list(solved), True)
        return applied

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(System, "run", run)
        patch.setattr(System, "_solve", solve)
        for witness in witnesses(profile):
            replay(witness, profile)
    return list(seen.values())


@pytest.mark.parametrize("profile_name", ["manual"])
def test_python_says_what_z3_says(profile_name: str) -> None:
    compared = released = 0
    different: list[str] = []
    for moment, solved, _ in moments(profile_name):
        written = Written(moment)
        written.slots = list(moment.before["kind"])
        context = Context(RULES[moment.rule], written.state, PROFILES[profile_name])
        cases = list(context.rule.cases(context))
        conditions = [_unrolled(case.when, written.sorts) for case in cases[: moment.index + 1]]
        first = [z3.is_true(value) for value in values_of(written, moment, context, [], [], conditions)]
        assert first == [False] * moment.index + [True], f"{moment.rule}: which case applies"
        after = After(written.state, PROFILES[profile_name])
        cases[moment.index].effect(after)
        released += bool(solved)
        counts = counted(written, moment, context, after.releases, solved)
        claims: list[tuple[str, Any, Any]] = []
        for name, declaration in FIELDS.items():
            if not after.changed(name) or name in FREE:
                continue  # the oracle doesn't keep who made a message
            for point in moment.before[name].keys() | moment.after[name].keys():
                if name in ("carrier", "carrier_index") and not _is_somewhere(moment.after, point):
                    continue  # nothing is said of an object that is in no map and no message
                if declaration.domain == ("Port",) and moment.after["port_life"].get(point) != ALIVE:
                    continue  # nothing is said of a dead port's counts
                keys = point if len(declaration.domain) > 1 else (point,) if declaration.domain else ()
                terms = [written.term(sort, key) for sort, key in zip(declaration.domain, keys, strict=True)]
                default = (0, -9, 0) if DEFAULTS[name] is None else DEFAULTS[name]
                expected = written.term(declaration.range, moment.after[name].get(point, default))
                claims.append((f"{moment.rule}, {cases[moment.index].id}: {name} at {point}", after.fields[name](*terms), expected))
        seen = values_of(written, moment, context, after.releases, solved, [claim[1] for claim in claims], counts)
        different += [where for (where, _, expected), value in zip(claims, seen, strict=True) if not value.eq(z3.simplify(expected))]
        compared += len(claims)
    assert different == []
    assert compared > 400
    assert released >= 8


def _is_somewhere(fields: dict[str, dict[Any, Any]], object_: int) -> bool:
    return object_ in fields["mapped"].values() or object_ in fields["memory"].values()


def _unrolled(formula: Any, sorts: Sorts) -> Any:
    if z3.is_quantifier(formula):
        assert formula.num_vars() == 1
        members = [z3.IntVal(index) for index in range(8)] if formula.var_sort(0) == z3.IntSort() else list(sorts.elements(formula.var_sort(0)))
        instances = [_unrolled(z3.substitute_vars(formula.body(), member), sorts) for member in members]
        return z3.And(*instances) if formula.is_forall() else z3.Or(*instances)
    if z3.is_app(formula) and formula.num_args() and formula.sort() == z3.BoolSort():
        return formula.decl()(*[_unrolled(child, sorts) for child in formula.children()])
    return formula


def test_connectives_of_any_number_of_parts() -> None:
    """Of none, too; and of three integers of which two are equal."""
    x, y, z = z3.Ints("x y z")
    terms = [z3.And(), z3.Or(), z3.And(x == y), z3.Or(x == y), z3.Distinct(x), z3.Distinct(x, y), z3.Distinct(x, y, z), z3.And(x < y, y < z, z3.Or())]
    names = {variable.get_id(): str(variable) for variable in (x, y, z)}
    for values in product(range(3), repeat=3):
        given = dict(zip("xyz", values, strict=True))
        for term in terms:
            said = z3.simplify(z3.substitute(term, *[(variable, z3.IntVal(given[str(variable)])) for variable in (x, y, z)]))
            assert bool(eval(Translator().source(term, names), {}, given)) == z3.is_true(said), (term, given)
