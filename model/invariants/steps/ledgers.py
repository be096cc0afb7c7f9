"""Step properties of ledgers."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.invariants.ledgers import is_ledger
from sendright.model.language.invariant import Variables
from sendright.model.language.sorts import Term
from sendright.model.language.step_property import forall, step_property
from sendright.model.language.transition import (
    Transition,
)


@step_property(37, "limits are given, not made", of_whole_calls=True)
def conservation(v: Variables, x: Transition) -> Iterator[tuple[str, Term]]:
    """For a finite ledger, the sum of its limit and of all that it gave to its children changes only by transfers with
    its own parent.

    Finite ledgers stay finite. A new ledger has what its parent gave. No root begins or ends, and parents and payers
    never change. Only calls on ledgers change ledgers.
    """
    b, a, none = x.before, x.after, v.sorts.no_port
    kept = z3.And(is_ledger(b, v.p), is_ledger(a, v.p))
    made = z3.And(z3.Not(is_ledger(b, v.p)), is_ledger(a, v.p))
    had, has = b.ledger_limit(v.p) + b.given_limits(v.p), a.ledger_limit(v.p) + a.given_limits(v.p)
    given, parent = z3.IntVal(0), none
    if x.rule == "ledger_transfer" and x.case.code is ReturnCode.KERN_SUCCESS:
        given = z3.If(v.p == b.port(x.k.slot(x.k["child_ledger"])), x.k["transfer"], 0)
    yield "conserved", forall([v.p], z3.Implies(z3.And(kept, b.ledger_limit(v.p) != -1), has == had + given))
    yield "finite stays finite", forall([v.p], z3.Implies(kept, (b.ledger_limit(v.p) == -1) == (a.ledger_limit(v.p) == -1)))
    if x.rule == "ledger_create":
        parent = b.port(x.k.slot(x.k["parent_ledger"]))
        born = z3.And(has == x.k["transfer"], a.ledger_balance(v.p) == 0, a.ledger_parent(v.p) == parent, parent != none)
        yield "a new ledger", forall([v.p], z3.Implies(made, born))
    else:
        yield "no other call makes ledgers", forall([v.p], z3.Not(made))
    ends = z3.And(is_ledger(b, v.p), z3.Not(is_ledger(a, v.p)))
    ended = z3.BoolVal(False)
    if x.rule == "ledger_terminate":
        ended = z3.And(v.p == b.port(x.k.slot(x.k["ledger"])), b.ledger_balance(v.p) == 0, b.ledger_parent(v.p) != none)
    yield "what ends", forall([v.p], z3.Implies(ends, ended))
    same = z3.And(a.ledger_parent(v.p) == b.ledger_parent(v.p), a.ledger_payer(v.p) == b.ledger_payer(v.p))
    if not x.is_call(lambda call: call.changes_ledgers):
        same = z3.And(same, a.ledger_limit(v.p) == b.ledger_limit(v.p), a.ledger_balance(v.p) == b.ledger_balance(v.p))
    yield "what stays", forall([v.p], z3.Implies(kept, same))
