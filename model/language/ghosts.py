"""Ghosts: fields that only proofs have. A kernel doesn't have them: no condition, no effect on other fields and no
result of a rule reads them.

Each ghost declares what it is (``FIELDS``), and there are three kinds:

- ``Count``: of each port, the number of slots or messages that count. No rule writes it. ``After`` derives its change
  from every update of the two fields that it counts.
- ``Total``: of each port, a sum over the ports below it. No rule writes it. ``After`` derives it from the updates, too.
- ``Choice``: a value for which the state need only have one. A rule chooses it freely, as a proof names a witness.

First-order formulas can't say that a function is a count. So a count is derived update by update, which is arithmetic.
Where many points change at once (a sweep), a ``Recount`` says what the count becomes, and the prover decides member by
member that this is so (``proof/counting.py``). A sweep over counted fields that no ``Recount`` covers is refused.

**Why rules may choose.** Let ``r`` be the fields that a kernel has, and ``g`` the ghosts that rules choose. The
invariants ``I(r, g)`` hold in every reachable state, in this sense: for each reachable ``r`` there is some ``g`` with
``I(r, g)``. At boot there is one: ``proof/base_case.py`` evaluates it. If ``I(r, g)`` holds and a rule leads from ``r``
to ``r'``, then the proof of its case shows ``I(r', g')`` for the ``g'`` that the rule chooses. For this the step from
``r`` to ``r'`` must not depend on ``g``: ``proof/counting.py`` checks that nothing that a kernel has mentions a ghost.
And there must be a value to choose: see ``After.choose_large``. What the invariants then say of ``r`` alone holds in
every reachable state. A wrong choice can only make a proof fail.

For each of them: ``transit_rank`` orders the ports whose receive rights are on their way to each other, so there is no
circle (18). ``carrier`` and ``carrier_index`` say where an object is, so it is in one place (112). ``ledger_depth``
falls towards the roots, so ledgers are a forest, and ``payee`` and ``payee_number`` number those that a ledger pays
for, so its balance is their number (37).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import z3

from sendright.mach.abi.rights import PortObject
from sendright.model.language.sorts import KIND, LIFE, OBJECT, STAGE, Term

if TYPE_CHECKING:
    from sendright.model.language.state import State


class Count(msgspec.Struct, frozen=True):
    """A number of slots or messages, of each port: of those whose field ``what`` counts and whose field ``by`` is the
    port.
    """

    what: str
    counts: Callable[[Term], Term]
    """Whether this value of ``what`` counts."""
    by: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The fields that it counts."""
        return self.what, self.by

    def member(self, state: State, x: Term) -> Term:
        """``x`` counts in ``state``."""
        return self.counts(state.fields[self.what](x))

    def port(self, state: State, x: Term) -> Term:
        """The port for which ``x`` counts in ``state``."""
        return state.fields[self.by](x)


class Total(msgspec.Struct, frozen=True):
    """A sum of amounts, of each port: of those ports whose field ``by`` is this port.

    An amount may contain the total of the port that it is of: then ports are a forest, whose roots have no ``by``, and
    there is one such sum. (Invariant 37 says that ledgers are one.)
    """

    by: str
    reads: tuple[str, ...]
    """The fields that it depends on, without itself."""
    amount: Callable[[State, Term], Term]
    """What a port adds."""


class Choice(msgspec.Struct, frozen=True):
    """A value that rules choose. Only the invariants of these numbers tie it to other fields."""

    tied_by: tuple[int, ...]


Ghost = Count | Total | Choice


def is_send(kind: Term) -> Term:
    """This ``kind`` includes a send right."""
    return z3.Or(kind == KIND.SEND, kind == KIND.SEND_RECEIVE)


def _is(value: Term, constant: Term) -> Term:
    """``value == constant``; of two constants of an enumeration a literal truth value."""
    known = z3.is_app(value) and value.decl().kind() == z3.Z3_OP_DT_CONSTRUCTOR
    return z3.BoolVal(value.eq(constant)) if known else value == constant


def _is_a_port(port: Term) -> Term:
    """``port`` isn't NO_PORT."""
    sort = port.sort()
    none = sort.constructor(0)() if isinstance(sort, z3.DatatypeSortRef) else z3.Const("NO_PORT", sort)
    return port != none


def _given(state: State, ledger: Term) -> Term:
    """What a finite ledger has and gave: that much its parent gave to it."""
    live = z3.And(state.port_life(ledger) == LIFE.ALIVE, state.object(ledger) == OBJECT.of(PortObject.LEDGER))
    finite = z3.And(live, state.ledger_limit(ledger) != -1)
    return z3.If(finite, state.ledger_limit(ledger) + state.given_limits(ledger), 0)


SENDING_SLOTS = Count("kind", is_send, "port")
SEND_ONCE_SLOTS = Count("kind", lambda kind: kind == KIND.SEND_ONCE, "port")
QUEUED_MESSAGES = Count("stage", lambda stage: _is(stage, STAGE.QUEUED), "queue")
MESSAGES_WITH_ROOM = Count("room", _is_a_port, "room")
GIVEN_LIMITS = Total("ledger_parent", ("port_life", "object", "ledger_limit", "ledger_parent"), _given)


class Number(NamedTuple):
    """A number of slots of each port, which an effect uses: of those that are ``so`` in ``state``, by the ports of the
    rights in them. All of them count for ``among``.
    """

    function: Any
    """The z3 function from ports that stands for the number."""
    state: State
    so: Callable[[Term], Term]
    among: str
    """The ghost that counts these slots, and others."""

    def __call__(self, port: Term) -> Term:
        return self.function(port)

    def port(self, slot: Term) -> Term:
        """The port for which ``slot`` counts."""
        return self.state.port(slot)

    def bounds(self, port: Term) -> Term:
        """It is a number of some of those slots."""
        return z3.And(self(port) >= 0, self(port) <= self.state.fields[self.among](port))


class NewMembers(NamedTuple):
    """Members that an effect makes, one for each slot that is ``number.so``."""

    number: Number
    is_new: Callable[[Term], Term]
    """Whether a member is one of them."""
    slot_of: Callable[[Term], Term]
    """The slot for which it was made."""
    member_of: Callable[[Term], Term]
    """The member that was made for a slot."""


class Recount(NamedTuple):
    """What becomes of a count where many of its members change at once."""

    ghost: str
    none_left: Callable[[Term], Term]
    """The ports for which nothing counts afterwards."""
    lost: Number | None = None
    """Members that no longer count, of other ports."""
    gained: NewMembers | None = None

    def after(self, before: State, port: Term) -> Term:
        """The count of ``port`` afterwards."""
        count = before.fields[self.ghost](port)
        if self.lost and self.gained and self.lost is self.gained.number:
            return z3.If(self.none_left(port), 0, count)  # one for one
        if self.lost:
            count = count - self.lost(port)
        if self.gained:
            count = count + self.gained.number(port)
        return z3.If(self.none_left(port), 0, count)


class RecountStep(NamedTuple):
    """A recount that an effect contains, with the states before and after it."""

    recount: Recount
    before: State
    after: State
