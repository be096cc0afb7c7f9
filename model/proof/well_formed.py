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

import z3

from sendright.mach.kernel.profiles import Profile
from sendright.model.invariants.catalogue import broken_invariants, state_invariants
from sendright.model.language.invariant import Invariant
from sendright.model.language.release import the_same_choices
from sendright.model.language.rule import Case, Context, Rule
from sendright.model.language.sorts import UNBOUNDED, Term
from sendright.model.language.state import FIELDS, Add, After, State, Store, Sweep, Tally, Update, sort_named, updated
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
    own, required, own_argued = _inputs(k), rule.requires(k), dict[str, list[Term]]()
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
        own_argued[case.id] = [assumption for reason in after.argued for assumption in reason.assumptions]
    for case in cases:
        yield from ((case.id, f"it applies when the kernel likes: {name}") for name in _whims(k, case, own_argued[case.id]))
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
            return [*variables, condition, value, z3.StringVal(over)]
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
            said, told = reduce(updated, field.updates, old.read)(*point), field(*point)
            if not said.eq(told):
                yield name


# ---- what a case may speak of


def _unknown(k: Context, case: Case, after: After) -> set[str]:
    """Constants and functions that are neither inputs, nor of the state, nor of the specification, nor of a release.

    They are compared as declarations: a constant of another sort that is called like an input isn't that input.
    """
    known = {*_of_specification(), *_of_inputs(k), *(address_of(each) for release in after.releases for each in release.chosen)}
    found = dict(_declared(_said(case)))
    for name in FIELDS:
        for update in after.fields[name].updates if after.changed(name) else ():
            own = {address_of(variable.decl()) for variable in _variables(update)}
            found |= {address: called for address, called in _declared(_terms(update)) if address not in own}
    return {called for address, called in found.items() if address not in known}


def _declared(terms: list[Term]) -> Iterator[tuple[int, str]]:
    """The constants and functions in ``terms`` that z3 knows nothing of: their addresses and names."""
    seen = set[int]()
    for term in terms:
        for address in declarations_in(term, seen):
            declaration = declaration_at(address)
            if declaration.kind() == z3.Z3_OP_UNINTERPRETED:
                yield address, declaration.name()


def _variables(update: Update) -> tuple[Term, ...]:
    """The variables of an update at many points."""
    match update:
        case Sweep(variables, _, _, _):
            return tuple(variables)
        case Tally(_, slot, _, _):
            return (slot,)
        case _:
            return ()


def _of_inputs(k: Context) -> set[int]:
    limits = (k.caller, k.urefs_max, k.queue_limit, k.queue_limit_max, k.pages)
    return {address_of(each.decl() if z3.is_expr(each) else each) for each in (*limits, *k.constants.values())}


@cache
def _of_specification() -> dict[int, z3.FuncDeclRef]:
    """The declarations of the state's fields and of the specification's own constants and functions, by address.

    They are kept, since z3 reuses the address of one that is gone.
    """
    read = [ANY_STATE.fields[name](*_point(name)) for name in FIELDS]
    special = [each for each in vars(UNBOUNDED).values() if z3.is_expr(each)] + [each for members in UNBOUNDED.members.values() for each in members]
    declared = [term.decl() for term in (*read, *special)] + [each for each in vars(UNBOUNDED).values() if isinstance(each, z3.FuncDeclRef)]
    return {address_of(each): each for each in declared}


def _whims(k: Context, case: Case, argued: list[Term]) -> Iterator[str]:
    """The choices on which it depends whether the case applies: without a shortage, and with no reason that the case
    itself has ``argued``.
    """
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
