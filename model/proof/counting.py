"""What the counts of a case rest on, member by member, so that no sum is needed; and that ghosts are only for proofs.

An update at one point changes a count by arithmetic (``After.store_all``). Where many points change at once, a
``Recount`` says what becomes of the count. None is left for some ports. Some members no longer count, and how many
those are is a number that the effect uses. Others are new, one for each slot of such a number. That the count then is
the number of members is arithmetic, if the members that count afterwards are exactly those that did and still do, and
the new ones. This module states exactly that, and the prover decides it.

A total is the sum of what ports add. It is right after the case, if no amount changes but those that were taken into
account, each with the amount that its port has in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import z3

from sendright.model.invariants import catalogue as _declared  # noqa: F401 - declares the invariants
from sendright.model.language.ghosts import Count, NewMembers, RecountStep, Total
from sendright.model.language.invariant import INVARIANTS, VARIANTS, Variables, forall
from sendright.model.language.rule import Case, Context
from sendright.model.language.sorts import Term
from sendright.model.language.state import FIELDS, Add, After, Store, Sweep, Tally, Update, sort_named, sums_of, with_total
from sendright.model.language.term_walk import address_of, declarations_in
from sendright.model.proof.any_state import fields_at, fields_in, fields_of

GHOSTS = {name: declaration.ghost for name, declaration in FIELDS.items() if declaration.ghost}
"""What each ghost is."""


def counting(v: Variables, after: After) -> Iterator[tuple[str, Term]]:
    """What must hold for the counts to follow an effect: (title, clause)."""
    for number in after.numbers:
        among = GHOSTS[number.among]
        assert isinstance(among, Count)
        member = z3.And(among.member(number.state, v.s), among.port(number.state, v.s) == number.port(v.s))
        yield f"{number.among}: only members are counted off", forall([v.s], z3.Implies(number.so(v.s), member))
    for recounted in after.recounted:
        for title, clause in _recount(v, recounted):
            yield f"{recounted.recount.ghost}: {title}", clause
    for name, ghost in GHOSTS.items():
        if isinstance(ghost, Total) and after.changed(name):
            for title, clause in _total(v, after, name, ghost):
                yield f"{name}: {title}", clause


def _recount(v: Variables, recounted: RecountStep) -> Iterator[tuple[str, Term]]:
    recount, b, a = recounted
    counted = GHOSTS[recount.ghost]
    assert isinstance(counted, Count)
    x = z3.Const("x", sort_named(v.sorts, FIELDS[counted.what].domain[0]))
    was, port = counted.member(b, x), counted.port(b, x)
    stays = z3.And(was, z3.Not(recount.none_left(port)))
    if recount.lost:
        assert recount.lost.among == recount.ghost, "what is lost are members"
        stays = z3.And(stays, z3.Not(recount.lost.so(x)))
    new = recount.gained.is_new(x) if recount.gained else z3.BoolVal(False)
    yield "who counts", forall([x], z3.And(counted.member(a, x) == z3.Or(stays, new), z3.Not(z3.And(stays, new))))
    yield "for which port", forall([x], z3.Implies(stays, counted.port(a, x) == port))
    if recount.gained:
        yield from _gained(v, recounted, recount.gained, counted, x)


def _gained(v: Variables, recounted: RecountStep, gained: NewMembers, counted: Count, x: Term) -> Iterator[tuple[str, Term]]:
    """The new members and the slots for which they are made correspond one to one."""
    number, slot = gained.number, gained.slot_of(x)
    same = z3.And(number.so(slot), gained.member_of(slot) == x, counted.port(recounted.after, x) == number.port(slot))
    yield "each new one is made for a slot", forall([x], z3.Implies(gained.is_new(x), same))
    made = gained.member_of(v.s)
    one = z3.And(gained.is_new(made), gained.slot_of(made) == v.s, z3.Not(recounted.recount.none_left(number.port(v.s))))
    yield "one is made for each slot", forall([v.s], z3.Implies(number.so(v.s), one))


def _total(v: Variables, after: After, name: str, total: Total) -> Iterator[tuple[str, Term]]:
    ports, sums = after.ports_of(name), sums_of(after, name)
    final, b = with_total(after, name, sums[-1]), after.before
    for index, port in enumerate(ports[:-1]):
        first = z3.And(*[port != earlier for earlier in ports[:index]])
        yield "an amount that was used is the last", z3.Implies(first, sums[-1](port) == sums[index](port))
    others = [v.p != port for port in ports]
    adds, added = total.amount(final, v.p), total.amount(b, v.p)
    same = z3.And(adds == added, z3.Or(added == 0, final.fields[total.by](v.p) == b.fields[total.by](v.p)))
    yield "no other amount changes", forall([v.p], z3.Implies(z3.And(*others), same))


def depends_on_ghosts(k: Context, case: Case, after: After) -> str:
    """What of a case mentions a ghost, in words; empty if nothing does that a kernel has: neither its conditions, nor
    its results, nor its effect on fields that aren't ghosts. Nor may its assumptions, but those that ``After`` makes.
    """
    parts: list[tuple[str, list[Term]]] = [
        ("its condition", [case.when]),
        ("what the rule requires", k.rule.requires(k)),
        ("a result", list(case.outputs.values())),
        ("an assumption", [term for term in after.assumptions if not any(term is own for own in after.about_ghosts)]),
    ]
    for name, field in after.fields.items():
        if not FIELDS[name].ghost and after.changed(name):
            parts.append((f"what becomes of {name}", [term for update in field.updates for term in _terms(update)]))
    chosen = {address_of(choice.decl()): str(choice) for choice in after.ghost_choices}
    if not _ghosts_in([term for _, terms in parts for term in terms], chosen):
        return ""
    found = next((what, there) for what, terms in parts if (there := _ghosts_in(terms, chosen)))
    return f"{found[0]} depends on {', '.join(sorted(found[1]))}"


def _ghosts_in(terms: Iterable[Term], chosen: dict[int, str]) -> set[str]:
    seen: set[int] = set()
    used = {declaration for term in terms for declaration in declarations_in(term, seen)}
    return {name for name in fields_at(used) if name in GHOSTS} | {chosen[declaration] for declaration in used & chosen.keys()}


def _terms(update: Update) -> tuple[Term, ...]:
    match update:
        case Store(point, value, when):
            return (*point, value) if when is None else (*point, value, when)
        case Add(point, amount):
            return *point, amount
        case Sweep(_, condition, value, _):
            return condition, value
        case Tally(_, _, condition, _):
            return (condition,)


DERIVED = frozenset(name for name, ghost in GHOSTS.items() if isinstance(ghost, Count | Total))
"""The ghosts that count."""
COUNTED_BY = frozenset(
    invariant.number
    for invariant in (*INVARIANTS.values(), *(other for others in VARIANTS.values() for other in others))
    if fields_of(invariant) & DERIVED
)
"""The invariants that mention a ghost which counts: what they mean rests on ``counting``."""


def mention_counts(goals: Iterable[Term]) -> bool:
    """Whether goals mention a ghost that counts."""
    return bool(fields_in(goals) & DERIVED)
