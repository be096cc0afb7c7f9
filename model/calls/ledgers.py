"""Ledgers: what a task may draw, given by one ledger to another in whole numbers. A limit of -1 is infinite.

A holder of a send right to a ledger's port may do everything with it. A ledger has a parent, which gave its limit, and
a payer, which is charged 1 for the ledger itself. The root ledgers have neither.
"""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject
from sendright.model.language.actions import make_kernel_port, make_send
from sendright.model.language.evidence import decided, page, rests_on
from sendright.model.language.release import release
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import OBJECT, Term
from sendright.model.language.state import After, State
from sendright.model.language.terms import Bool, Int, Message, Name, Port

INFINITE = -1
"""``LEDGER_ITEM_INFINITY``."""
SIZE = 1
"""What a ledger itself draws on its payer."""


def finite(state: State, ledger: Term) -> Term:
    """The ledger has a limit."""
    return state.ledger_limit(ledger) != INFINITE


def short(state: State, ledger: Term, amount: Term, drawn: Term | int = 0) -> Term:
    """``ledger`` cannot give ``amount`` while its balance, and ``drawn`` more, are drawn on it."""
    return z3.And(finite(state, ledger), state.ledger_limit(ledger) - amount < state.ledger_balance(ledger) + drawn)


def _ledger(k: Context, name: Term) -> Term:
    """The ledger whose port the caller's ``name`` denotes (when ``object(name, LEDGER)``)."""
    return k.before.port(k.slot(name))


def _give(after: After, ledger: Term, amount: Term) -> None:
    """A finite limit grows by ``amount``; an infinite one stays."""
    after.add("ledger_limit", ledger, z3.If(finite(after, ledger), amount, 0))


MINTS = decided("The kernels' ledger_create lets such a transfer make limits out of nothing (hazard H-7). We refuse it: limits are conserved.")
"""Of limits that come from nothing."""
STRANDS = decided(
    "The kernels' ledger_terminate leaves children and tasks with a ledger that is gone (hazard H-7). The manual page ends "
    "all that is drawn on it, which no kernel does. We refuse it."
)
"""Of the end of a ledger that is in use."""


@rule(evidence=rests_on("kern/ledger.c: ledger_create", manual=page("ledger_create")))
def ledger_create(
    k: Context, parent_ledger: Name, ledger_ledger: Name, transfer: Int, shortage: Int, *, new_port: Port, reply_message: Message, out_of_memory: Bool
) -> Iterator[Case]:
    """Make a ledger whose limit is a part of its parent's. ``ledger_ledger`` pays for it.

    No limit comes from nothing: a finite parent gives no infinite limit. (Without hazard H-7.)
    """
    # NAMES
    b, new = k.before, new_port
    parent, payer = _ledger(k, parent_ledger), _ledger(k, ledger_ledger)
    infinite = transfer == INFINITE

    # CASES
    yield from k.request(parent_ledger, ledger_ledger, called="parent_ledger")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "parent_ledger is not a ledger's port", z3.Not(k.object(parent_ledger, PortObject.LEDGER)))
    yield k.fails(ReturnCode.KERN_INVALID_LEDGER, "ledger_ledger is not a ledger's port", z3.Not(k.object(ledger_ledger, PortObject.LEDGER)))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such limit", transfer < INFINITE, evidence=MINTS)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "a finite ledger has no infinite limit to give", z3.And(infinite, finite(b, parent)), evidence=MINTS)
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "ledger_ledger cannot pay", short(b, payer, z3.IntVal(0), SIZE))
    pays_too = z3.If(parent == payer, SIZE, 0)
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "parent_ledger has less to give", short(b, parent, transfer, pays_too))
    yield k.lacks_memory(shortage, out_of_memory)

    # RIGHTS
    def create(after: After) -> None:
        make_kernel_port(after, new, PortObject.LEDGER, k.queue_limit)
        after.at("ledger_limit")[new] = transfer
        after.at("ledger_balance")[new] = z3.IntVal(0)
        after.at("ledger_parent")[new] = parent
        after.at("ledger_payer")[new] = payer
        _give(after, parent, -transfer)
        after.add("ledger_balance", payer, SIZE)
        # ghosts: it gave nothing; one level below its parent; the last among those that its payer pays for
        after.sum_of_parts("given_limits", new)
        after.at("ledger_depth")[new] = b.ledger_depth(parent) + 1
        after.at("payee_number")[new] = b.ledger_balance(payer)
        after.at("payee")[(payer, b.ledger_balance(payer))] = new
        # REPLY: a send right to the new ledger
        [result] = k.begin_reply(after, reply_message, 1)
        make_send(after, result, new)

    yield k.succeeds("a ledger with a part of its parent's limit", k.otherwise(), create, replies=1)


@rule(evidence=rests_on("kern/ledger.c: ledger_transfer", manual=page("ledger_transfer", silent=("nothing is moved", "the child has less"))))
def ledger_transfer(k: Context, parent_ledger: Name, child_ledger: Name, transfer: Int) -> Iterator[Case]:
    """Move a part of the limit from a ledger to its child, or back.

    An infinite ledger gives and takes without change.
    """
    # NAMES
    b = k.before
    parent, child, amount = _ledger(k, parent_ledger), _ledger(k, child_ledger), transfer

    # CASES
    yield from k.request(parent_ledger, child_ledger, called="parent_ledger")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "parent_ledger is not a ledger's port", z3.Not(k.object(parent_ledger, PortObject.LEDGER)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "child_ledger is not a ledger's port", z3.Not(k.object(child_ledger, PortObject.LEDGER)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "both are the same ledger", parent == child)
    yield k.succeeds("nothing is moved", amount == 0)
    yield k.fails(ReturnCode.KERN_INVALID_LEDGER, "child_ledger has another parent", b.ledger_parent(child) != parent)
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "parent_ledger has less to give", z3.And(amount > 0, short(b, parent, amount)))
    yield k.fails(ReturnCode.KERN_RESOURCE_SHORTAGE, "child_ledger has less to give back", z3.And(amount < 0, short(b, child, -amount)))

    # RIGHTS
    def move(after: After) -> None:
        _give(after, child, amount)
        _give(after, parent, -amount)

    yield k.succeeds("the child has more", amount > 0, move)
    yield k.succeeds("the child has less", k.otherwise(amount < 0), move)


@rule(evidence=rests_on("kern/ledger.c: ledger_terminate", manual=page("ledger_terminate")))
def ledger_terminate(k: Context, ledger: Name) -> Iterator[Case]:
    """End a ledger that nothing depends on: its limit goes back to its parent, its payer pays less, its port dies.

    (Without hazard H-7.)
    """
    # NAMES
    b = k.before
    this = _ledger(k, ledger)
    parent, payer, limit = b.ledger_parent(this), b.ledger_payer(this), b.ledger_limit(this)
    other, task = z3.Const("other", k.sorts.Port), z3.Const("drawing", k.sorts.Task)

    # CASES
    yield from k.request(ledger, called="ledger")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "ledger is not a ledger's port", z3.Not(k.object(ledger, PortObject.LEDGER)))
    yield k.fails(ReturnCode.KERN_INVALID_LEDGER, "a root ledger cannot be terminated", parent == k.sorts.no_port)
    yield k.fails(ReturnCode.KERN_FAILURE, "something is drawn on the ledger", b.ledger_balance(this) != 0, evidence=STRANDS)
    child = z3.And(b.active(other), b.object(other) == OBJECT.of(PortObject.LEDGER), b.ledger_parent(other) == this)
    yield k.fails(ReturnCode.KERN_FAILURE, "the ledger has children", z3.Exists([other], child), evidence=STRANDS)
    draws = z3.And(b.alive(task), z3.Or(b.wired(task) == this, b.paged(task) == this))
    yield k.fails(ReturnCode.KERN_FAILURE, "a task draws on the ledger", z3.Exists([task], draws), evidence=STRANDS)

    # RIGHTS
    def end(after: After) -> None:
        _give(after, this, -limit)
        _give(after, parent, limit)
        after.add("ledger_balance", payer, -SIZE)
        # ghosts: it gave nothing to children, for it has none; the last among those that its payer pays for takes its number
        after.sum_of_parts("given_limits", this)
        last = b.payee(payer, b.ledger_balance(payer) - SIZE)
        after.at("payee_number")[last] = b.payee_number(this)
        after.at("payee")[(payer, b.payee_number(this))] = last
        # its port dies
        release(after, lambda slot: z3.BoolVal(False), lambda port: port == this)

    yield k.succeeds("the ledger ends", k.otherwise(), end)


@rule(evidence=rests_on("kern/ledger.c: ledger_read", manual=page("ledger_read")))
def ledger_read(k: Context, ledger: Name) -> Iterator[Case]:
    """Read how much is drawn on a ledger, and its limit."""
    # NAMES
    this = _ledger(k, ledger)
    # CASES
    yield from k.request(ledger, called="ledger")
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "ledger is not a ledger's port", z3.Not(k.object(ledger, PortObject.LEDGER)))
    # REPLY
    yield k.succeeds("balance and limit", k.otherwise(), balance=k.before.ledger_balance(this), limit=k.before.ledger_limit(this))
