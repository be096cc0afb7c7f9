"""What a rule must be, so that the proofs and the oracle speak of the same: otherwise what is proved isn't what runs.

Rules are Python functions that make terms. The prover reads from the terms what becomes of a field; the oracle runs the
list of updates. So of each rule is decided:

- it has no two cases of one name, since witnesses and known breaks name cases;
- made again, it is the same: it depends on nothing but its inputs;
- reading a field after a case gives what its updates say, at the variables of the invariants;
- no quantifier in it, or in an invariant, binds what is called like one of its inputs: that would be another formula;
- its conditions, results and updates speak of its inputs and the state, and of no other constant;
- whether a case applies is the kernel's choice only if memory is short, or if the choice has a reason that is written
  down. Otherwise the kernel could refuse at will, and no right kernel would show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, reduce
from typing import get_args

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.language.invariant import Invariant
from sendright.model.language.release import the_same_choices
from sendright.model.language.rule import SPECIAL_NAMES, Case, Context, Rule
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import FIELDS, Add, After, Everywhere, State, Store, Sweep, Tally, Update, sort_named, updated
from sendright.model.language.term_walk import address_of, application_at, body_of, declaration_at, declarations_in, number_at, term_at
from sendright.model.proof.any_state import ANY_STATE, ANYTHING, of_any_state
from sendright.model.proof.choices import speaks_of
from sendright.model.proof.solver.instantiate import follows_from_nothing

Variable = tuple[str, int]
"""A variable or constant: its name, and the number of its sort."""


def faults(rule: Rule, profile: Profile) -> Iterator[tuple[str, str]]:
    """What is wrong with the form of ``rule``: (the id of the case, words). Nothing, if it is as it must be."""
    k, again = Context(rule, ANY_STATE, profile), Context(rule, State.arbitrary(UNBOUNDED), profile)
    cases, others = list(rule.cases(k)), list(rule.cases(again))
    ids = [case.id for case in cases]
    yield from ((name, "two cases have this name") for name in dict.fromkeys(ids) if ids.count(name) > 1)
    if ids != [case.id for case in others]:
        yield "all cases", "made again, it has other cases"
        return
    own, required, argued = _inputs(k), rule.requires(k), list[Term]()
    if not _same(required, rule.requires(again)):
        yield "all cases", "made again, it requires something else"
    bound = _bound_in(required)
    for invariant in (*state_invariants(profile), *broken_invariants(profile)):
        bound |= _bound_by(invariant)
    for case, other in zip(cases, others, strict=True):
        after, after_again = After(k.before, profile), After(again.before, profile)
        case.effect(after)
        with the_same_choices(after):
            other.effect(after_again)
        if not _same(_said(case), _said(other)) or not _same(_done(after), _done(after_again)):
            yield case.id, "made again, it is another case: it depends on more than its inputs"
        yield from ((case.id, f"{name} is read otherwise than its updates say") for name in _read_otherwise(after))
        bound |= _bound_in([*_said(case), *_done(after)])
        yield from ((case.id, f"it speaks of {name}, and the rule has no such input") for name in sorted(_unknown(k, case, after)))
        argued += [assumption for reason in after.argued for assumption in reason.assumptions]
    for case in cases:
        yield from ((case.id, f"it applies when the kernel likes: {name}") for name in _whims(k, case, argued))
    yield from (("all cases", f"the input {name} has the name of a variable that a formula binds") for name, _ in own & bound.keys())


def _said(case: Case) -> list[Term]:
    return [case.when, z3.IntVal(-1 if case.code is None else int(case.code)), z3.IntVal(case.replies), *case.outputs.values()]


def _done(after: After) -> list[Term]:
    """All that an effect does and assumes."""
    values = [after.fields[name](*_point(name)) for name in FIELDS if after.changed(name)]
    return [*after.assumptions, *_updates(after), *values]


def _updates(after: After) -> list[Term]:
    return [term for name in FIELDS if after.changed(name) for update in after.fields[name].updates for term in _terms(update)]


def _terms(update: Update) -> list[Term]:
    match update:
        case Store(point, value, when):
            return [*point, value, *([] if when is None else [when])]
        case Add(point, amount):
            return [*point, amount]
        case Sweep(variables, condition, value, over):
            return [*variables, condition, value, z3.Bool(over)]
        case Tally(_, slot, condition, sign):
            return [slot, condition, z3.IntVal(sign)]


def _same(terms: list[Term], others: list[Term]) -> bool:
    return len(terms) == len(others) and all(address_of(one) == address_of(other) for one, other in zip(terms, others, strict=True))


_OF_SORT = {variable.sort().get_id(): variable for variable in reversed([each for each in vars(ANYTHING).values() if z3.is_expr(each)])}


def _point(name: str) -> list[Term]:
    """The invariants' variables for a point of the field, where they have one of the sort."""
    sorts = [sort_named(UNBOUNDED, part) for part in FIELDS[name].domain]
    return [_OF_SORT.get(sort.get_id(), z3.Const(f"any{index}", sort)) for index, sort in enumerate(sorts)]


def _read_otherwise(after: After) -> Iterator[str]:
    for name, field in after.fields.items():
        old = after.before.fields[name]
        if after.changed(name) and FIELDS[name].ghost is None:
            point = _point(name)
            if address_of(reduce(updated, field.updates, old.read)(*point)) != address_of(field(*point)):
                yield name


# ---- what a case may speak of


def _unknown(k: Context, case: Case, after: After) -> set[str]:
    """Constants and functions that are neither inputs, nor of the state, nor of the specification, nor of a release."""
    terms, seen, found = [*_said(case), *_updates(after)], set[int](), set[str]()
    for term in terms:
        for address in declarations_in(term, seen):
            declaration = declaration_at(address)
            if declaration.kind() == z3.Z3_OP_UNINTERPRETED:
                found.add(declaration.name())
    inputs = {term.decl().name() if z3.is_expr(term) else term.name() for term in k.constants.values()}
    released = {name for name in found if "!" in name}  # no input can have such a name
    swept = {f"sweep{index}" for index in range(2)}
    return found - inputs - released - swept - FIELDS.keys() - SPECIAL_NAMES - {"tallied", *_EVERYWHERE}


_EVERYWHERE = get_args(Everywhere)


def _whims(k: Context, case: Case, argued: list[Term]) -> Iterator[str]:
    """The choices on which it depends whether the case applies: without a shortage, and with no reason ``argued``."""
    for name in k.rule.choices:
        choice = k.constants[name]
        if speaks_of(case.when, choice) and not any(speaks_of(assumption, choice) for assumption in argued):
            short = "shortage" in k.constants and follows_from_nothing(z3.Implies(case.when, k["shortage"] > 0))
            if not short:
                yield name


# ---- names that are bound


def _inputs(k: Context) -> set[Variable]:
    """What the rule speaks of as constants."""
    limits = (k.caller, k.urefs_max, k.queue_limit, k.queue_limit_max, k.pages)
    constants = [*limits, *(term for term in k.constants.values() if z3.is_expr(term))]
    return {(constant.decl().name(), constant.sort().get_id()) for constant in constants}


@cache
def _bound_by(invariant: Invariant) -> dict[Variable, None]:
    return _bound_in([clause for _, clause in of_any_state(invariant)])


def _bound_in(formulas: Iterable[Term]) -> dict[Variable, None]:
    """The variables that quantifiers in ``formulas`` bind."""
    kept = list(formulas)  # numbers are valid only while the formulas live
    stack, seen, found = [address_of(formula) for formula in kept], set[int](), dict[Variable, None]()
    while stack:
        term = stack.pop()
        if number_at(term) in seen:
            continue
        seen.add(number_at(term))
        if body := body_of(term):
            quantifier = term_at(term)
            found |= {(quantifier.var_name(index), quantifier.var_sort(index).get_id()): None for index in range(quantifier.num_vars())}
            stack.append(body)
        else:
            stack += application_at(term)[1]
    return found


__all__ = ["faults"]
