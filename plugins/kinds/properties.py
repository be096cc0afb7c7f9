"""Invariants and step properties that a plugin adds.

Each is tried before it is added: in every profile that has it, its clauses are made, and turned into the code that
judges states. What fails then would fail in the middle of a proof or a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sendright.mach.extensions import PluginError
from sendright.mach.kernel.profiles import PROFILES
from sendright.plugins.changes import Changes
from sendright.plugins.guarded import blaming, guarded, guarded_generator
from sendright.plugins.plugin import Declared, Plugin, shown


def install_invariant(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add an invariant."""
    from sendright.model.execution.property_check import broken_clause, compile_clauses
    from sendright.model.execution.state import ConcreteState
    from sendright.model.invariants import catalogue as _declares  # noqa: F401 - declares sendright's own
    from sendright.model.language.invariant import INVARIANTS, Invariant, Variables
    from sendright.model.language.sorts import UNBOUNDED
    from sendright.model.language.state import State

    number = one.options["number"]
    clauses = guarded_generator(plugin.name, one.words, one.value, _check_clause)
    applies = guarded(plugin.name, f"{one.words}: applies", one.options["applies"])
    invariant = Invariant(number, one.options["title"], _about(one.value), clauses, applies)
    _refuse_taken(number)
    with blaming(plugin.name, one.words):
        having = [profile for profile in PROFILES.values() if applies(profile)]
        if not having:
            raise PluginError("applies to no profile")
        for compiled in compile_clauses([invariant], Variables(UNBOUNDED), State.arbitrary(UNBOUNDED)):
            try:
                broken_clause(ConcreteState(), compiled, having[0])
            except KeyError as error:
                raise PluginError(f"the clause {compiled.title!r} is for all of a sort that can't be looked through: {error}") from error
        if not list(clauses(Variables(UNBOUNDED), State.arbitrary(UNBOUNDED))):
            raise PluginError("yields no clause")
    changes.put(INVARIANTS, number, invariant, one.words)
    changes.adds.append(one.words)


def install_step_property(plugin: Plugin, one: Declared, changes: Changes) -> None:
    """Add a step property. It is tried on every case of the rules that are there; most of them change nothing."""
    from sendright.model import calls as _declares  # noqa: F401 - declares the rules
    from sendright.model.invariants.steps import STEP_PROPERTIES
    from sendright.model.language.step_property import StepProperty

    number = one.options["number"]
    clauses = guarded_generator(plugin.name, one.words, one.value, _check_clause)
    _refuse_taken(number)
    about, order, whole = _about(one.value), one.options["looks_at_order"], one.options["of_whole_calls"]
    step = StepProperty(number, one.options["title"], about, clauses, bool(order), bool(whole))
    for _ in _tried(clauses):
        pass
    changes.put(STEP_PROPERTIES, number, step, one.words)
    changes.adds.append(one.words)


def _tried(clauses: Callable[..., Iterator[Any]]) -> Iterator[Any]:
    """The clauses of one step in each profile: of a case that changes nothing."""
    from sendright.model.language.invariant import Variables
    from sendright.model.language.rule import RULES, Case, Context
    from sendright.model.language.sorts import UNBOUNDED
    from sendright.model.language.state import After, State
    from sendright.model.language.transition import Transition

    rule = RULES["mach_task_self"]
    for profile in PROFILES.values():
        k = Context(rule, State.arbitrary(UNBOUNDED), profile)
        case: Case = next(iter(rule.cases(k)))
        yield from clauses(Variables(UNBOUNDED), Transition(k, case, After(k.before, profile), looks_at_order=True))


def _refuse_taken(number: int) -> None:
    from sendright.model.proof.catalogue import known_invariants

    if number in known_invariants():
        raise PluginError(f"there is an invariant or a step property {number} already (choose another number)")


def _check_clause(clause: Any) -> None:
    """A clause is a title and a closed formula."""
    import z3

    from sendright.model.language.invariant import Variables
    from sendright.model.language.mentions import applications
    from sendright.model.language.sorts import UNBOUNDED

    if not isinstance(clause, tuple) or len(clause) != 2:
        raise PluginError(f"yields {type(clause).__name__}, not a pair of title and formula")
    title, formula = clause
    if not isinstance(title, str) or not title:
        raise PluginError(f"a clause's title is {title!r}, not a text")
    if not z3.is_expr(formula) or not z3.is_bool(formula):
        raise PluginError(f"the clause {title!r} is {' '.join(repr(formula).split())[:60]}, not a formula (write it with z3's functions)")
    free = sorted({name for name, arguments in applications(formula) if not arguments} & vars(Variables(UNBOUNDED)).keys())
    if free:
        raise PluginError(f"the clause {title!r} speaks of {', '.join(free)}, which no forall binds")


def _about(function: Callable[..., Any]) -> str:
    return shown(" ".join((function.__doc__ or "").split()), "its docstring")
