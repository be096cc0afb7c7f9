"""Invariants of ledgers."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.rights import PortObject
from sendright.mach.kernel.profiles import LedgerRule, Profile
from sendright.model.language.invariant import Variables, forall, invariant
from sendright.model.language.sorts import OBJECT, Term
from sendright.model.language.state import State


def has_ledgers(profile: Profile) -> bool:
    """Whether the profile's kernel has ledgers at all."""
    return profile.ledger_rule is not LedgerRule.NONE


def is_ledger(s: State, port: Term) -> Term:
    """``port`` is a live ledger's."""
    return z3.And(s.active(port), s.object(port) == OBJECT.of(PortObject.LEDGER))


@invariant(37, "ledgers keep within their limits", has_ledgers)
def limits(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A ledger's balance is at least 0 and at most its limit, if that is finite. The balance is the number of live
    ledgers that it pays for.

    Parents are live ledgers, nearer to a root: the ledgers are a forest. A finite ledger's children are finite. A root
    is infinite and has no payer. (A step property says that limits are given and never made.)
    """
    none, live = v.sorts.no_port, is_ledger(s, v.p)
    limit, balance, parent, payer = s.ledger_limit(v.p), s.ledger_balance(v.p), s.ledger_parent(v.p), s.ledger_payer(v.p)
    within = z3.And(limit >= -1, balance >= 0, z3.Or(limit == -1, balance <= limit))
    yield "bounds", forall([v.p], z3.Implies(live, within))
    above = z3.And(is_ledger(s, parent), s.ledger_depth(parent) < s.ledger_depth(v.p))
    yield "a forest", forall([v.p], z3.Implies(live, z3.Or(parent == none, above)))
    yield "infinite limits", forall([v.p], z3.Implies(z3.And(live, limit == -1), z3.Or(parent == none, s.ledger_limit(parent) == -1)))
    yield "roots", forall([v.p], z3.Implies(live, z3.And((parent == none) == (payer == none), z3.Or(parent != none, limit == -1))))
    number = s.payee_number(v.p)
    numbered = z3.And(is_ledger(s, payer), number >= 0, number < s.ledger_balance(payer), s.payee(payer, number) == v.p)
    yield "each ledger that is paid for has a number", forall([v.p], z3.Implies(z3.And(live, payer != none), numbered))
    payee = s.payee(v.p, v.i)
    paid = z3.And(is_ledger(s, payee), s.ledger_payer(payee) == v.p, s.payee_number(payee) == v.i)
    yield "each number has a ledger", forall([v.p, v.i], z3.Implies(z3.And(live, v.i >= 0, v.i < balance), paid))


@invariant(38, "each task draws on two live ledgers", has_ledgers)
def ledgers(v: Variables, s: State) -> Iterator[tuple[str, Term]]:
    """A live task's wired and paged ledgers are active ledger ports: a ledger does not end while a task draws on it."""
    yield "both", forall([v.t], z3.Implies(s.alive(v.t), z3.And(is_ledger(s, s.wired(v.t)), is_ledger(s, s.paged(v.t)))))
