"""Counterexamples in a small scope: what could not be proved, over a few tasks, ports, names and messages.

The same rules and invariants over enumerated sorts, with every quantifier written out. There the ghost counts are what
they mean: numbers of slots. A violation found here is a concrete state and call; none found says only that there is
none of this size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
import z3

from sendright.mach.abi.rights import SlotKind
from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.invariants.theorems import isolation, security_port_is_confined, token_integrity
from sendright.model.language.ghosts import Count, Total
from sendright.model.language.invariant import Variables, of_profile
from sendright.model.language.rule import RULES, Context, effective_guards
from sendright.model.language.sorts import PLACE, STAGE, Scope, Sorts, Term
from sendright.model.language.state import FIELDS, After, Field, State, sort_named
from sendright.model.language.term_walk import Body, assert_all, has_quantifiers
from sendright.model.language.transition import Transition

SCOPE = Scope(tasks=2, ports=5, names=2, messages=2, descriptors=1, objects=2, pages=1)
SCOPES = (Scope(tasks=1, ports=3, names=2, messages=1, descriptors=1, objects=1, pages=1), SCOPE)
"""The scopes that are searched for counterexamples.

Most counterexamples are small, and are found sooner in small scopes.
"""

RLIMIT = 100_000_000
"""How much work the solver does for one look, in z3's own count: a minute or two, but the same on a machine that is
busy.
"""


class Outcome(msgspec.Struct, frozen=True):
    """What a small scope showed."""

    scope: str
    counterexample: str | None
    """A state, a call and what it breaks, in words; None: nothing found."""
    finished: bool = True
    """False: the solver gave up even in this scope."""
    clause: str = ""
    """The title of the first clause that the counterexample breaks."""


def expand(formula: Term, sorts: Sorts) -> Term:
    """``formula`` with every quantifier replaced by its instances over the scope."""
    if z3.is_quantifier(formula):
        domains = [list(sorts.elements(formula.var_sort(index))) for index in range(formula.num_vars())]
        body = Body(formula.body(), len(domains))
        instances = [body.at(values) for values in product(*domains)]
        if has_quantifiers(formula.body()):  # drop impossible instances: a place isn't a name
            instances = [expand(z3.simplify(instance), sorts) for instance in instances]
        return z3.And(*instances) if formula.is_forall() else z3.Or(*instances)
    if z3.is_app(formula) and formula.sort() == z3.BoolSort() and has_quantifiers(formula):
        return formula.decl()(*[expand(child, sorts) for child in formula.children()])
    return formula


def violation(goal: Term, sorts: Sorts) -> Term:
    """``goal`` doesn't hold: where that is, if it speaks "for all …", is left to the solver, so that nothing is written
    out for each place.
    """
    if not (z3.is_quantifier(goal) and goal.is_forall()):
        return z3.Not(expand(goal, sorts))
    somewhere = [z3.FreshConst(goal.var_sort(index), "somewhere") for index in range(goal.num_vars())]
    there = [z3.Or(*[value == element for element in sorts.elements(value.sort())]) for value in somewhere]
    return z3.And(*there, z3.Not(expand(z3.substitute_vars(goal.body(), *reversed(somewhere)), sorts)))


def meaning(state: State, sorts: Sorts, after: After) -> list[Term]:
    """In a small scope a count is a sum, and every slot, name and number is one of those there are."""
    slots = list(sorts.elements(sorts.Slot))
    facts = [equation for _, equation in sums(state, sorts)]
    for port in sorts.elements(sorts.Port):
        facts.append(z3.Or(*[state.receiver(port) == slot for slot in slots]))
        facts += [number(port) == z3.Sum([z3.If(z3.And(number.so(s), number.port(s) == port), 1, 0) for s in slots]) for number in after.numbers]
    for message in sorts.elements(sorts.Message):
        facts.append(z3.And(state.body_count(message) >= 0, state.body_count(message) <= sorts.scope.descriptors if sorts.scope else 0))
    for layout in sorts.elements(sorts.Layout):
        counts = [sorts.parts_of(layout), sorts.rights_of(layout), sorts.pages_of(layout)]
        facts += [z3.And(count >= 0, count <= 1) for count in counts]
    for release in after.releases:
        facts += [z3.Or(*[release.notified(m) == slot for slot in slots]) for m in sorts.elements(sorts.Message)]
    return facts


def sums(state: State, sorts: Sorts) -> Iterator[tuple[str, Term]]:
    """What each ghost that counts means in ``state``: (its name, an equation), for each port."""
    for name, declaration in FIELDS.items():
        ghost = declaration.ghost
        for port in sorts.elements(sorts.Port) if isinstance(ghost, Count | Total) else ():
            if isinstance(ghost, Count):
                members = sorts.elements(sort_named(sorts, FIELDS[ghost.what].domain[0]))
                terms = [z3.If(z3.And(ghost.member(state, x), ghost.port(state, x) == port), 1, 0) for x in members]
            elif isinstance(ghost, Total):
                others = sorts.elements(sorts.Port)
                terms = [z3.If(state.fields[ghost.by](x) == port, ghost.amount(state, x), 0) for x in others]
            yield name, state.fields[name](port) == z3.Sum(terms)


def counted(after: State) -> State:
    """``after`` with ghosts that are counted there, whatever the specification makes of them: ``sums`` says what they
    are. (So a wrong count is a counterexample, to the property "counting".)
    """
    fresh = {name: Field(name, z3.Function(f"{name}@counted", after.sorts.Port, z3.IntSort())) for name in _COUNTS}
    return State(after.sorts, {**after.fields, **fresh})


def nothing_elsewhere(state: State, sorts: Sorts) -> list[Term]:
    """The places of tasks that the scope leaves out hold nothing. (So what is said of all places holds of them.)"""
    left_out = [place for place in PLACE.constants if not any(place.eq(element) for element in sorts.elements(PLACE.sort))]
    slots = [sorts.Slot.place_slot(task, place) for task in sorts.members["Task"] for place in left_out]
    return [z3.And(state.empty(slot), state.port(slot) == sorts.no_port, state.urefs(slot) == 0) for slot in slots]


def in_scope(k: Context, sorts: Sorts) -> list[Term]:
    """Arguments that are slots or indices are among those there are."""
    slots = list(sorts.elements(sorts.Slot))
    return [z3.Or(*[term == slot for slot in slots]) for term in k.constants.values() if z3.is_expr(term) and term.sort() == sorts.Slot]


def refute(profile: Profile, rule_name: str, index: int, property_name: str, scope: Scope = SCOPE) -> Outcome:
    """Look for a state of the scope in which the case ``index`` of the rule breaks the property (named as in
    ``Obligation.property``).
    """
    sorts = Sorts(scope)
    before = State.arbitrary(sorts, "@before")
    k = Context(RULES[rule_name], before, profile)
    cases = list(k.rule.cases(k))
    case = cases[index]
    after = After(before, profile)
    case.effect(after)
    v = Variables(sorts)
    goals, assumptions = _goals(property_name, v, k, case, before, after)
    counts: list[Term] = []
    if property_name == "counting":
        truly = counted(after)
        counts = [equation for _, equation in sums(truly, sorts)]
        goals = [(name, z3.And(*[after.fields[name](port) == truly.fields[name](port) for port in sorts.elements(sorts.Port)])) for name in _COUNTS]
    if not goals:
        return Outcome(str(scope), None, False)
    solver = z3.SimpleSolver()
    solver.set("rlimit", RLIMIT)
    held = [*state_invariants(profile), *(each for each in broken_invariants(profile) if property_name == f"invariant {each.number}")]
    known = [clause for invariant in held for _, clause in invariant.clauses(v, before)]
    facts = [*known, *k.assumptions(), effective_guards(cases)[index], *after.assumptions, *assumptions]
    assert_all(solver, [expand(fact, sorts) for fact in facts])
    solver.add(meaning(before, sorts, after))
    solver.add(counts)
    solver.add(in_scope(k, sorts))
    solver.add(nothing_elsewhere(before, sorts))
    solver.add(sorts.background)
    solver.push()
    violations = [(title, violation(goal, sorts)) for title, goal in goals]
    solver.add(z3.Or(*[broken for _, broken in violations]))
    verdict = solver.check()
    if verdict == z3.unsat:
        solver.pop()
        if solver.check() != z3.sat:  # a scope in which the case can't happen shows nothing
            return Outcome(f"{scope}: too small for the case", None, False)
    if verdict != z3.sat:
        return Outcome(str(scope), None, verdict == z3.unsat)
    broken = [title for title, there in violations if z3.is_true(solver.model().eval(there, model_completion=True))]
    words = in_words(solver.model(), k, case.id, broken, before, after, sorts)
    return Outcome(str(scope), words, clause=broken[0] if broken else "")


_COUNTS = tuple(name for name, declaration in FIELDS.items() if isinstance(declaration.ghost, Count | Total))


def _goals(property_name: str, v: Variables, k: Context, case: Any, before: State, after: After) -> tuple[list[tuple[str, Term]], list[Term]]:
    kind, _, number = property_name.rpartition(" ")
    x = Transition(k, case, after)
    if kind == "invariant":
        return list(of_profile(int(number), k.profile).clauses(v, after)), []
    if kind == "step invariant" and int(number) in STEP_PROPERTIES:
        return list(STEP_PROPERTIES[int(number)].clauses(v, x)), []
    if property_name == "theorem 3":
        return list(token_integrity(v, x)), []
    if property_name in ("theorem 2", "step invariant 32"):
        assumptions, goals = (isolation if kind == "theorem" else security_port_is_confined)(v, x)
        return goals, assumptions
    return [], []


def in_words(model: Any, k: Context, case: str, broken: list[str], before: State, after: State, sorts: Sorts) -> str:
    """The counterexample in words: the state, the call, its changes, and the clauses that are ``broken``."""

    def value(term: Term) -> str:
        return re.sub(r"!\d+|_slot", "", str(model.eval(term, model_completion=True)))

    lines = [f"before {k.rule.name}, {case}:"]
    lines += [f"  {line}" for line in _state_lines(before, sorts, value)]
    arguments = ", ".join(f"{name} = {value(term)}" for name, term in k.constants.items() if z3.is_expr(term))
    lines.append(f"{value(k.caller)} calls with {arguments or 'no arguments'}")
    was, now = dict(_slot_lines(before, sorts, value)), dict(_slot_lines(after, sorts, value))
    lines += [
        f"  {slot}: {was.get(slot, 'nothing')} becomes {now.get(slot, 'nothing')}" for slot in sorted(was | now) if was.get(slot) != now.get(slot)
    ]
    port_was, port_now = dict(_port_lines(before, sorts, value)), dict(_port_lines(after, sorts, value))
    lines += [f"  {port}: {port_was[port]} becomes {port_now[port]}" for port in port_was if port_was[port] != port_now[port]]
    return "\n".join([*lines, f"then this is broken: {'; '.join(broken) or 'the property'}"])


def _slot_lines(state: State, sorts: Sorts, value: Any) -> list[tuple[str, str]]:
    lines = []
    for slot in sorts.elements(sorts.Slot):
        kind = value(state.kind(slot))
        if kind != SlotKind.NONE.name:
            where = value(slot)
            lines.append((where, f"{kind} {value(state.port(slot))} with {value(state.urefs(slot))} references"))
    return lines


def _port_lines(state: State, sorts: Sorts, value: Any) -> list[tuple[str, str]]:
    fields = ("port_life", "object", "mscount", "srights", "sorights", "msgcount")
    return [(value(port), ", ".join(f"{name} {value(state.fields[name](port))}" for name in fields)) for port in sorts.members["Port"][1:]]


def _state_lines(state: State, sorts: Sorts, value: Any) -> list[str]:
    lines = [
        f"{value(task)}: {value(state.task_life(task))}, port {value(state.task_port(task))}, tokens {value(state.security(task))}"
        for task in sorts.elements(sorts.Task)
    ]
    lines += [f"{port}: {what}" for port, what in _port_lines(state, sorts, value)]
    lines += [f"{where}: {what}" for where, what in _slot_lines(state, sorts, value)]
    for message in sorts.elements(sorts.Message):
        if value(state.stage(message)) != str(STAGE.FREE):
            lines.append(f"{value(message)}: {value(state.stage(message))} on {value(state.queue(message))}")
    return lines


__all__ = ["SCOPE", "SCOPES", "Outcome", "expand", "refute"]
