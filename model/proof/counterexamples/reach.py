"""Watches runs from boot for the step that a counterexample shows: the same case of the same rule breaks the same
property.

The state of a counterexample is any in which the invariants hold. Whether a run leads to such a state, a proof doesn't
say. So runs are tried, and the property is evaluated as the oracle evaluates it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from sendright.mach.kernel.call import Call, Result
from sendright.mach.kernel.profiles import Profile
from sendright.mach.state.snapshot import Snapshot
from sendright.model.execution.compiler import FunctionBuilder, NoPython, compile_function, identifier
from sendright.model.execution.encoding import environment
from sendright.model.execution.oracle import Judgement, Oracle
from sendright.model.execution.property_check import CompiledClause, broken_clause, compiled, opened, places_in_words
from sendright.model.execution.satisfied import every_point
from sendright.model.execution.snapshots import ghosts_of
from sendright.model.execution.state import AFTER, ConcreteState
from sendright.model.execution.system import Applied
from sendright.model.invariants.steps import STEP_PROPERTIES
from sendright.model.invariants.theorems import token_integrity
from sendright.model.language.invariant import INVARIANTS, Variables, of_profile
from sendright.model.language.rule import RULES, Case, Context
from sendright.model.language.sorts import UNBOUNDED
from sendright.model.language.state import After, State
from sendright.model.language.transition import Transition
from sendright.model.proof.properties import DECIDED

Fields = dict[str, dict[Any, Any]]


class _Break(Exception):
    """A call breaks what is looked for. The message says where."""


class Target(msgspec.Struct, frozen=True):
    """What is looked for: that a case of a rule breaks a property, each as an ``Obligation`` names it."""

    rule: str
    case: str
    property: str


class CannotBeSeen(ValueError):
    """One run can't show that the property is broken."""


class WatchingOracle(Oracle):
    """An oracle whose only complaint is that a call breaks what is looked for.

    It agrees with everything else. (A specification that is wrong may disagree with a kernel, and then says nothing any
    more of that run.)
    """

    def __init__(self, profile: Profile, target: Target) -> None:
        """Raises CannotBeSeen."""
        super().__init__(profile)
        self._target, self._broken = target, _evaluator(target, profile)
        self._run_rule = self.system.run
        self.system.run = self._watched  # type: ignore[method-assign]
        self.off = False
        """The run went another way than the specification's."""

    def judge(self, task: int, call: Call, result: Result, shown: Snapshot | None = None) -> Judgement:
        if self.off:
            return Judgement(True, ())
        try:
            judgement = super().judge(task, call, result, shown)
        except _Break as seen:
            return Judgement(False, (), f"breaks {self._target.property}", str(seen))
        except AssertionError:
            self.off = True
            return Judgement(True, ())
        self.off = not judgement.agreed
        return Judgement(True, judgement.cases, judgement.clause)

    def _watched(self, name: str, caller: int, given: dict[str, Any]) -> Applied:
        target, mine = self._target, name == self._target.rule
        before = {field: dict(values) for field, values in self.system.state.fields.items()} if mine else {}
        try:
            applied = self._run_rule(name, caller, given)
        except AssertionError as error:
            if _says(target, str(error)):
                raise _Break(str(error)) from error
            raise
        if mine and applied.case.id == f"{target.rule}/{target.case}" and self._broken is not None:
            where = self._broken(before, self.system.state, caller, given)
            if where is not None:
                raise _Break(where)
        return applied


def _says(target: Target, error: str) -> bool:
    """The oracle ran into what is looked for: no case applies, or a rule runs where it doesn't belong."""
    if target.property == DECIDED:
        return error == f"no case of {target.rule} applies"
    return target.property == "sequence" and error.endswith("was run where it doesn't belong") and f"; {error.split(' was run')[0]}" in target.case


Evaluator = Callable[[Fields, ConcreteState, int, dict[str, Any]], str | None]


def _evaluator(target: Target, profile: Profile) -> Evaluator | None:
    """Where a step breaks the property, in words. None: the oracle itself notices. Raises CannotBeSeen."""
    kind, _, number = target.property.rpartition(" ")
    if target.property in (DECIDED, "sequence"):
        return None
    if kind == "invariant" and int(number) in INVARIANTS:
        return partial(_state_breaks, compiled(of_profile(int(number), profile)), profile)
    stated = STEP_PROPERTIES[int(number)].clauses if kind == "step invariant" and int(number) in STEP_PROPERTIES else None
    if target.property == "theorem 3":
        stated = token_integrity
    if stated is None:
        raise CannotBeSeen("this property compares steps, or divides tasks and ports: one run doesn't show it")
    k = Context(RULES[target.rule], State.arbitrary(UNBOUNDED), profile)
    [case] = [case for case in k.rule.cases(k) if case.id == target.case]
    clauses = list(stated(Variables(UNBOUNDED), Transition(k, case, _RunState(k, case), looks_at_order=True)))
    names = (*k.rule.parameters, *k.rule.choices)
    try:
        functions = tuple(_compiled_step(title, clause, names) for title, clause in clauses)
    except NoPython as error:
        raise CannotBeSeen(f"this property speaks of what no run shows: {error}") from error
    return partial(_step_breaks, functions, names, profile)


class _RunState(State):
    """The state after a case, as a run shows it. Which fields the case may change, its effect says."""

    def __init__(self, k: Context, case: Case) -> None:
        shown = State.arbitrary(UNBOUNDED, AFTER)
        super().__init__(shown.sorts, shown.fields)
        self._effect = After(k.before, k.profile)
        case.effect(self._effect)
        self.releases = self._effect.releases

    def changed(self, name: str) -> bool:
        """As ``After.changed``."""
        return self._effect.changed(name)


def _compiled_step(title: str, clause: Any, names: tuple[str, ...]) -> CompiledClause:
    body, variables, sorts = opened(clause)
    builder = FunctionBuilder("holds", ("v_caller", *map(identifier, names), *variables), [body])
    builder.lines.append(f"    return {builder.value(body)}")
    return CompiledClause("", title, compile_function(builder.finish(), "holds"), sorts)


def _state_breaks(clauses: tuple[CompiledClause, ...], profile: Profile, before: Fields, after: ConcreteState, caller: int, given: Any) -> str | None:
    state = ghosts_of(after)
    for clause in clauses:
        where = broken_clause(state, clause, profile, every_point)
        if where is not None:
            return f"{clause.title}, at {where}" if where else clause.title
    return None


def _step_breaks(
    clauses: tuple[CompiledClause, ...],
    names: tuple[str, ...],
    profile: Profile,
    before: Fields,
    after: ConcreteState,
    caller: int,
    given: dict[str, Any],
) -> str | None:
    both = ConcreteState()
    both.fields = {name: {**values, **after.fields[name]} for name, values in before.items()}
    fields = {**before, **{name + AFTER: values for name, values in after.fields.items()}}
    values = [caller, *map(given.get, names)]
    for clause in clauses:
        for point in every_point(both, clause.sorts):
            if not clause.holds(fields, environment(profile), *values, *point):
                return f"{clause.title}, at {places_in_words(clause.sorts, point)}" if point else clause.title
    return None


__all__ = ["CannotBeSeen", "Target", "WatchingOracle"]
