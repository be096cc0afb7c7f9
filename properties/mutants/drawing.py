"""The mutants that there are, and samples of them."""

from __future__ import annotations

import ast
import importlib
import textwrap
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from typing import NamedTuple

from sendright.mach.interrupt import stop_if_interrupted
from sendright.mach.kernel.profiles import Profile, profile_named
from sendright.model.language.rule import RULES
from sendright.model.language.sequences import calls_of, declared, rules_of, run
from sendright.properties.mutants.meaning import RuleMeaning, meaning_of, served_rules
from sendright.properties.mutants.mutant import Mutant
from sendright.properties.mutants.of_invariants import changes_an_invariant, subjects_of
from sendright.properties.mutants.operators import OF_INVARIANTS, OF_STEPS, OPERATORS, Move, Operator, Scope, Visit, text_of, visits
from sendright.properties.mutants.source import Edit, Unit, code_of, invariant_modules, names_in, rule_modules, running, units_of
from sendright.properties.mutants.usage import Usage, usage


def changes_a_meaning(mutant: Mutant, profile: Profile) -> bool:
    """In ``profile`` some rule means something else; True if building it fails, for invariants, and for sequences of
    calls that the profile serves (but not for their steps that it has no rule for).
    """
    if mutant.subjects:
        return changes_an_invariant(mutant, profile)
    served = served_rules(profile)
    mine = [rule for rule in mutant.rules if rule in served]
    if mutant.calls:
        step = step_of(mutant)
        return any(map(profile.serves, mutant.calls)) and (step not in RULES or step in served)
    try:
        code = code_of(mutant.unit, mutant.edits)
    except SyntaxError:
        return True
    for rule in mine:
        was = original_meaning(rule, profile.name)
        with running(code, mutant.unit):
            try:
                if meaning_of(rule, profile) != was:
                    return True
            except Exception:
                return True
    return False


def step_of(mutant: Mutant) -> str | None:
    """The rule that a step of a sequence runs, if all that is mutated is that step."""
    try:
        body = ast.parse(textwrap.dedent(mutant.was)).body
    except SyntaxError:
        return None  # it is part of a statement
    made = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    made = made.value if isinstance(made, ast.Yield) else made
    if not isinstance(made, ast.Call) or not isinstance(made.func, ast.Name) or made.func.id != run.__name__ or not made.args:
        return None
    rule = made.args[0]
    found = rule.value if isinstance(rule, ast.Constant) else None
    if isinstance(rule, ast.Name):
        found = getattr(importlib.import_module(mutant.unit.module), rule.id, None)
    return found if isinstance(found, str) else None


@cache
def original_meaning(rule: str, profile: str) -> RuleMeaning:
    """What the rule means as it is written. Only while no mutant runs."""
    return meaning_of(rule, profile_named(profile))


def mutants_of(unit: Unit, operators: dict[str, Operator], seen: Usage | None = None) -> Iterator[Mutant]:
    """All mutants of a function, in the order of its source. ``seen``: what it is used for, if not in all rules."""
    seen = seen or usage()
    node = unit.node()
    calls, subjects = calls_driven_by(unit), subjects_of(unit)

    def scope_of(inner: ast.FunctionDef, outer: Scope | None) -> Scope:
        name = unit.qualname if outer is None else f"{outer.name}.<locals>.{inner.name}"
        around = {} if outer is None else outer.sorts
        return Scope(inner, outer, name, {**around, **seen.sorts.get((unit.module, name), {})})

    times: Counter[tuple[str, ...]] = Counter()
    for visit in visits(node, scope_of(node, None), scope_of):
        for name, operator in operators.items():
            rules: tuple[str, ...] | None = None
            for made in operator(visit):
                if rules is None:
                    rules = _rules_of(unit, visit, calls, seen)
                yield _mutant(unit, name, visit, made, times, rules, calls, subjects)


def _rules_of(unit: Unit, visit: Visit, calls: tuple[str, ...], seen: Usage) -> tuple[str, ...]:
    if calls:
        return tuple(dict.fromkeys(rule for call in calls for rule in rules_of(call)))
    return tuple(seen.rules.get((unit.module, visit.scope.name), ()))


def calls_driven_by(unit: Unit) -> tuple[str, ...]:
    """If the function is a sequence, or used by one: the calls that it is of."""
    function = unit.function()
    used_by = [
        each.steps for each in declared() if each.steps is function or (each.steps.__module__ == unit.module and unit.name in names_in(each.steps))
    ]
    return tuple(dict.fromkeys(call for steps in used_by for call in calls_of(steps)))


def _mutant(
    unit: Unit,
    operator: str,
    visit: Visit,
    made: str | Move,
    times: Counter[tuple[str, ...]],
    rules: tuple[str, ...],
    calls: tuple[str, ...],
    subjects: tuple[tuple[str, int], ...],
) -> Mutant:
    was = visit.text
    if isinstance(made, Move):
        now = f"{text_of(made.statement)}\n{was}"
        edits: tuple[Edit, ...] = ((made.path, now), (visit.path, "pass"))
    else:
        now, edits = made, ((visit.path, made),)
    same = (visit.scope.name, operator, _header(visit.statement), was, now)
    times[same] += 1
    number = sha256("\n".join([*same, str(times[same])]).encode()).hexdigest()[:10]
    line = getattr(visit.node, "lineno", visit.statement.lineno)
    return Mutant(f"{unit.words}/{number}", operator, unit, line, was, now, edits, rules, calls, subjects)


def _header(statement: ast.stmt) -> str:
    """The statement, without the statements in it."""
    if isinstance(statement, (ast.If, ast.While)):
        return f"if {text_of(statement.test)}"
    return type(statement).__name__ if hasattr(statement, "body") else text_of(statement)


@cache
def all_mutants() -> tuple[Mutant, ...]:
    """Every mutant of the specification, by module and line."""
    found = [mutant for module in rule_modules() for unit in units_of(module) for mutant in mutants_of(unit, OPERATORS)]
    for module in invariant_modules():
        for unit in units_of(module):
            kinds = {kind for kind, _ in subjects_of(unit)}
            if kinds:
                # what a step property says less shows only in mutants of rules: no proof assumes it
                found += mutants_of(unit, OF_INVARIANTS if "invariant" in kinds else OF_STEPS)
    return tuple(found)


class Sample(NamedTuple):
    """Mutants that were drawn."""

    mutants: tuple[Mutant, ...]
    unchanged: int
    """How many were put back, because they change nothing in the profile."""


def draw(
    population: Sequence[Mutant], profile: Profile, seed: int, number: int | None, on_progress: Callable[[int, int], None] | None = None
) -> Sample:
    """``number`` mutants of the ``population`` (None: all) that change something in ``profile``, as many of each
    operator as there can be.

    Each operator's are in an order that the seed and their names give. So a sample stays the same, but for what has
    changed, when the specification changes.
    """
    left = {operator: deque(sorted(mine, key=partial(_place, seed))) for operator, mine in _by_operator(population).items()}
    drawn: list[Mutant] = []
    unchanged = 0
    most = len(population) if number is None else min(number, len(population))
    while any(left.values()) and len(drawn) < most:
        for mine in left.values():
            while mine and len(drawn) < most:
                stop_if_interrupted()
                mutant = mine.popleft()
                if changes_a_meaning(mutant, profile):
                    drawn.append(mutant)
                    break
                unchanged += 1
            if on_progress:
                on_progress(len(drawn), most)
    return Sample(tuple(drawn), unchanged)


def _place(seed: int, mutant: Mutant) -> str:
    return sha256(f"{seed} {mutant.id}".encode()).hexdigest()


def _by_operator(population: Iterable[Mutant]) -> dict[str, list[Mutant]]:
    found: dict[str, list[Mutant]] = {operator: [] for operator in (*OPERATORS, *OF_INVARIANTS)}
    for mutant in population:
        found[mutant.operator].append(mutant)
    return {operator: mine for operator, mine in found.items() if mine}
