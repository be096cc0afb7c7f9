"""What a kernel can always choose, where more than something new is chosen: each choice is argued here, once.

A case assumes of the kernel's choices that they are what it says: a port that isn't in use, the oldest message of a
queue. An assumption that no choice satisfies would prove everything. So ``proof/choices.py`` decides of every case that
the kernel has a choice. It can't decide that of the choices below, since that takes induction. Their reasons stand
here, and no other module may assume without a proof (``After.assume_argued``).
"""

from __future__ import annotations

from collections.abc import Callable

import z3

from sendright.mach.abi.tokens import ASSIGN_SESSION, FIRST_SESSION
from sendright.model.language.ghosts import NewMembers, Number, Recount
from sendright.model.language.sorts import KIND, PROCESS, STAGE, Term
from sendright.model.language.state import After, State


def choose_oldest(after: After, message: Term, port: Term) -> None:
    """``message`` is the oldest one in the queue of ``port``, which must have one.

    There is such a message: ``msgcount`` counts the queue's messages (invariant 21), and of finitely many numbers of
    arrival one is the least.
    """
    b, other = after.before, z3.Const("other", after.sorts.Message)
    after.assume_argued(
        [
            b.queued_on(message, port),
            z3.ForAll([other], z3.Implies(b.queued_on(other, port), b.arrival(message) <= b.arrival(other))),
        ],
        provided=[b.msgcount(port) > 0],
    )


def choose_order(after: After, port: Term, place: Term, place_of: Callable[[Term], Term], message_at: Callable[[Term], Term]) -> None:
    """``place_of`` and ``message_at`` number the messages in the queue of ``port`` from 0, so that the one at ``place``
    (below ``msgcount``) has those that came earlier before it, and the others after it.

    There is such a numbering: that by arrival, from 0 to ``msgcount`` - 1, since ``msgcount`` counts the queue's
    messages (invariant 21).
    """
    b, one, there = after.before, z3.Const("one", after.sorts.Message), message_at(place)
    numbered = z3.And(place_of(one) >= 0, place_of(one) < b.msgcount(port), message_at(place_of(one)) == one)
    in_order = z3.If(place_of(one) <= place, b.arrival(one) <= b.arrival(there), b.arrival(there) <= b.arrival(one))
    after.assume_argued(
        [
            z3.And(b.queued_on(there, port), place_of(there) == place),
            z3.ForAll([one], z3.Implies(b.queued_on(one, port), z3.And(numbered, in_order))),
        ],
        provided=[place >= 0, place < b.msgcount(port)],
    )


def waits_for_room(state: State, message: Term, port: Term) -> Term:
    """``message`` waits for room in the queue of ``port``, and none is reserved for it."""
    destination = state.sorts.Slot.destination_slot(message)
    waits = z3.And(state.stage(message) == STAGE.WAITING, state.room(message) == state.sorts.no_port)
    return z3.And(waits, state.kind(destination) == KIND.SEND, state.port(destination) == port)


def give_room(after: After, port: Term, places: Term, given: Callable[[Term], Term]) -> None:
    """Reserve ``places`` in the queue of ``port``, if so many messages wait there, for the messages that are ``given``
    room: those that have waited longest.

    There is such a set of messages: of finitely many that wait, each with its own place in the order, the first
    ``places``, or all of them if they are fewer.
    """
    b, S = after.before, after.sorts.Slot
    one, other, p = z3.Const("one", after.sorts.Message), z3.Const("other", after.sorts.Message), z3.Const("p", after.sorts.Port)
    number = Number(
        z3.Function("places_given", after.sorts.Port, z3.IntSort()),
        b,
        lambda s: z3.And(S.is_destination_slot(s), given(S.destined(s))),
        "sending_slots",
    )
    all_get_room = z3.ForAll([one], z3.Implies(waits_for_room(b, one, port), given(one)))
    earlier = z3.And(waits_for_room(b, other, port), b.arrival(other) < b.arrival(one))
    after.assume_argued(
        [
            z3.ForAll([one], z3.Implies(given(one), z3.And(waits_for_room(b, one, port), number(port) > 0))),
            z3.ForAll([one, other], z3.Implies(z3.And(given(one), earlier), given(other))),
            z3.ForAll([p], z3.Implies(p != port, number(p) == 0)),
            z3.And(number(port) <= places, z3.Or(number(port) == places, all_get_room)),
        ],
        provided=[places >= 0],
    )
    after.use_number(number)
    messages = NewMembers(number, given, S.destination_slot, S.destined)
    with after.recounting(Recount("messages_with_room", lambda port: z3.BoolVal(False), gained=messages)):
        after.sweep("room", "messages", lambda message: (given(message), port))
    after.tally("reserved", number, 1)


def choose_pid(after: After, pid: Term) -> None:
    """``pid`` is above 0, and no process has it, not even one that has ended and isn't forgotten.

    There is such a number: there are finitely many processes.
    """
    b, task = after.before, z3.Const("t", after.sorts.Task)
    taken = z3.And(b.process(task) != PROCESS.NO_PROCESS, b.pid(task) == pid)
    after.assume_argued([pid > 0, z3.ForAll([task], z3.Not(taken))])


def choose_session(after: After, session: Term) -> None:
    """``session`` is a number that the kernel may give an audit session, and no process is in that one, not even one
    that has ended and isn't forgotten.

    There is such a number: there are finitely many processes.
    """
    b, task = after.before, z3.Const("t", after.sorts.Task)
    taken = z3.And(b.process(task) != PROCESS.NO_PROCESS, b.session(task) == session)
    after.assume_argued([session >= FIRST_SESSION, session != ASSIGN_SESSION, z3.ForAll([task], z3.Not(taken))])


def choose_copies(after: After, copied: Callable[[Term], Term], object_of: Callable[[Term], Term], page_of: Callable[[Term], Term]) -> None:
    """``object_of`` gives each page that is ``copied`` a new memory object of its own, and ``page_of`` leads back.

    There are such functions: a task has finitely many pages, and memory objects that weren't made yet don't run out.
    """
    b, page = after.before, z3.Int("page")
    none = after.sorts.no_object
    fresh = z3.And(z3.Not(b.object_made(object_of(page))), object_of(page) != none, page_of(object_of(page)) == page)
    after.assume_argued([z3.ForAll([page], z3.Implies(copied(page), fresh))])


class Transit:
    """The ports whose receive rights a message must not carry: the destination itself, and ports that the destination's
    receive right is on its way to.

    A receive right is on its way to a port while it is in a message that is queued there or waits for room there.
    ``reaches(port)``: the port is ``start``, or the port that its receive right is on its way to, and so on.
    """

    def __init__(self, state: State, start: Term, reaches: Callable[[Term], Term], lift: Term) -> None:
        self.state, self.start, self.reaches, self.lift = state, start, reaches, lift

    def assume(self, after: After) -> None:
        """Assume the definition of ``reaches``.

        There is such a set: that of all ports that one comes to from ``start``.
        """
        b, x = self.state, z3.Const("x", self.state.sorts.Port)
        carrier = b.sorts.message_of(b.receiver(x))
        target = b.port(b.sorts.Slot.destination_slot(carrier))
        in_transit = z3.And(b.active(x), b.sorts.Slot.is_body_slot(b.receiver(x)), b.on_its_way(carrier), target != b.sorts.no_port)
        closed = z3.ForAll([x], z3.Implies(z3.And(self.reaches(x), in_transit), self.reaches(target)))
        after.assume_argued([self.reaches(self.start), closed])

    def lead(self, after: After, port: Term) -> None:
        """Record that the receive right of ``port`` is now on its way to ``start``: it ranks below the new rank of
        ``start``.

        The ranks of all ports that ``start`` leads to rise by the same number, which is large enough.
        """
        rank = self.state.transit_rank
        after.choose_large(self.lift, rank(self.start), rank(port))
        self._rise(after)

    def lead_all(self, after: After, ports: Callable[[Term], Term], count: Term, leads: Callable[[Term], Term]) -> None:
        """As ``lead``, of each of ``count`` ports, by their index, which ``leads`` there."""
        rank, index = self.state.transit_rank, z3.Int("i")
        after.choose_large(self.lift, rank(self.start), rank(ports(index)), (index, count, leads(index)))
        self._rise(after)

    def _rise(self, after: After) -> None:
        rank = after.transit_rank
        after.sweep("transit_rank", "ports", lambda p: (self.reaches(p), rank(p) + self.lift))
