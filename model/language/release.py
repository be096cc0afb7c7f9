"""Releases: giving up rights and memory, with all that follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count as counter

import z3

from sendright.mach.abi.descriptors import natural_size
from sendright.mach.abi.rights import Notification
from sendright.model.language.actions import is_exception_place
from sendright.model.language.ghosts import NewMembers, Number, Recount
from sendright.model.language.memo import memoized
from sendright.model.language.sorts import KIND, LIFE, STAGE, Term
from sendright.model.language.state import After, State

_serial = counter()


@contextmanager
def the_same_choices(made: After) -> Iterator[None]:
    """In the block, releases make the choices that those of ``made`` did, in their order: theirs go by the same names.

    So two runs of one case can be compared, in two states.
    """
    global _serial
    later = _serial
    if made.releases:
        _serial = counter(made.releases[0].serial)
    try:
        yield
    finally:
        _serial = later


class Release:
    """One release: gives up everything in some slots and ends some ports, with all that follows. See ``release``.

    ``released(slot)`` and ``dies(port)`` say where it starts. What follows: a port dies when its receive right is given
    up. A dying port's queued messages are destroyed, and their contents are given up in turn. Send and send-once rights
    to a dead port become dead. A send-once right to a live port becomes a send-once notification there.

    Rules of their own do the rest later (``calls/notifications.py``). A receive right that is given up while a live
    port-destroyed request is registered is put in limbo until its notification is sent, unless the requester's port
    dies in the same release, or is on its way to this port. Dead-name requests stay where they are, beside a name that
    is freed or dead.

    Where ``circular_rescue_is_silent``, a port-destroyed request ends without a notification if its port is on its way
    to the port that dies (``unsent``).

    The kernel chooses ``dying`` (the ports that die: the least set closed under the rule), ``notification`` (a fresh
    message for each send-once right given up) and its inverse ``notified``. Which requesters' ports are on their way to
    the port that they ask about (``circular``) is left to it, too.

    In which order all this happens decides what requesters hear, and in which order: ``arrival`` and ``place`` (the
    places of all notifications in the order of arrival), ``sends_first``, ``died_first`` and ``moved_first``. What is
    proved holds for every order. Which order a profile's kernels have, ``execution/consequences.py`` says.
    """

    def __init__(
        self,
        base: State,
        released: Callable[[Term], Term],
        dies: Callable[[Term], Term] | None,
        no_senders_first: bool = False,
        silent: bool = False,
        at_once: bool = False,
    ) -> None:
        sorts = base.sorts
        self.serial = next(_serial)
        tag = f"!{self.serial}"
        self.base = base
        self.starts_at = released
        self.given_up = memoized(self._given_up)
        self.becomes_notification = memoized(self._becomes_notification)
        self.roots = dies or (lambda port: z3.BoolVal(False))
        self.dying = z3.Function("dying" + tag, sorts.Port, z3.BoolSort())
        self.notification = z3.Function("notification" + tag, sorts.Slot, sorts.Message)
        self.notified = z3.Function("notified" + tag, sorts.Message, sorts.Slot)
        self.arrival = z3.Function("arrival" + tag, sorts.Message, z3.IntSort())
        self.next_clock = z3.Int("next_clock" + tag)
        self.sends_released = Number(z3.Function("sends_released" + tag, sorts.Port, z3.IntSort()), base, self.loses, "sending_slots")
        self.sends_first = z3.Function("sends_first" + tag, sorts.Port, z3.BoolSort())
        """Whether the last send right to a dying port goes before it dies."""
        self.place = z3.Function("place" + tag, sorts.Slot, z3.IntSort())
        """The place in the order of arrival that is reserved for the notification of a request that becomes due."""
        self.died_first = z3.Function("died_first" + tag, sorts.Slot, z3.BoolSort())
        """Of a dead-name request: whether the port dies before its name is freed."""
        self.moved_first = z3.Function("moved_first" + tag, sorts.Port, z3.BoolSort())
        """Whether the receive right of a port goes to its port-destroyed requester before the last send right goes."""
        self.circular = z3.Function("circular" + tag, sorts.Port, z3.BoolSort())
        """Whether the port-destroyed requester's port is on its way to the port: to go there, the receive right would
        have to go to itself.
        """
        self.no_senders_first = no_senders_first
        """Whether a name with both rights tells no-senders before its receive right goes."""
        self.at_once = at_once
        """Whether a message's rights end although it isn't on the list of messages to destroy."""
        told = z3.Function("notifications" + tag, sorts.Port, z3.IntSort())
        self.notifications = Number(told, base, self.becomes_notification, "send_once_slots")
        self.silent = silent
        """Whether a circular port-destroyed request ends without a notification."""
        self.sends_once_lost = self.notifications
        """How many send-once rights each live port loses: as many as become notifications, where all do."""
        self.silenced = z3.Function("silenced" + tag, sorts.Port, sorts.Port)
        """Of a port to which an ``unsent`` request leads: a port that has such a request."""
        if silent:
            lost = z3.Function("sends_once_lost" + tag, sorts.Port, z3.IntSort())
            self.sends_once_lost = Number(lost, base, self._loses_once, "send_once_slots")
        self.chosen: tuple[z3.FuncDeclRef, ...] = (
            *(self.dying, self.notification, self.notified, self.arrival, self.next_clock.decl()),
            *(self.sends_released.function, self.sends_first, told),
            *(self.place, self.died_first, self.moved_first, self.circular),
            *((self.sends_once_lost.function, self.silenced) if silent else ()),
        )
        """All constants and functions that stand for a choice of the kernel's or for a number of slots."""

    def take_place(self, after: After) -> None:
        """Apply the release to the state ``after``, which equals ``base`` so far."""
        b = self.base
        self._assume(after, b)
        with after.recounting(*self._recounts()):
            self._release(after, b)
            self._kill(after, b)
            self._leave_sets(after, b)
            self._notify(after, b)
        after.releases.append(self)

    def _recounts(self) -> tuple[Recount, ...]:
        """Nothing leads to a dead port; a live one loses the send rights that were given up, and its send-once rights
        move into notifications, one for one (but for those that are ``unsent``).
        """
        S, source, told = self.base.sorts.Slot, self.notified, self.notifications

        def is_destination(slot: Term) -> Term:
            return z3.And(S.is_destination_slot(slot), self.created(S.destined(slot)))

        moved = NewMembers(told, is_destination, lambda slot: source(S.destined(slot)), lambda slot: S.destination_slot(self.notification(slot)))
        queued = NewMembers(told, self.created, source, self.notification)
        return (
            Recount("sending_slots", self.dying, lost=self.sends_released),
            Recount("send_once_slots", self.dying, lost=self.sends_once_lost, gained=moved),
            Recount("queued_messages", self.dying, gained=queued),
        )

    # ---- the slots given up and the ports that die

    def _given_up(self, slot: Term) -> Term:
        sorts = self.base.sorts
        message = sorts.message_of(slot)
        destroyed = z3.And(sorts.in_message(slot), self._destroyed(message))
        S = sorts.Slot
        watching = z3.And(S.is_no_senders_slot(slot), self.dying(S.watched(slot)))
        guarding = z3.And(S.is_port_destroyed_slot(slot), self.dying(S.guarded(slot)))
        return z3.Or(self.starts_at(slot), destroyed, watching, guarding)

    def has_to_die(self, port: Term) -> Term:
        """What it takes that the port dies: it is a live one of ``roots``, or its receive right is given up."""
        b = self.base
        return z3.And(b.active(port), z3.Or(self.roots(port), z3.And(self.given_up(b.receiver(port)), z3.Not(self.goes_to_limbo(port)))))

    def goes_to_limbo(self, port: Term) -> Term:
        """The port's receive right is given up, but a port-destroyed request is registered, and its port doesn't die
        and isn't on its way to this one: the right goes to limbo.
        """
        b = self.base
        request = b.sorts.Slot.port_destroyed_slot(port)
        asked = z3.And(b.kind(request) == KIND.SEND_ONCE, z3.Not(self.dying(b.port(request))), z3.Not(self.circular(port)))
        return z3.And(b.active(port), z3.Not(self.roots(port)), self.given_up(b.receiver(port)), asked)

    def request_fires(self, slot: Term) -> Term:
        """``slot`` is a dead-name request whose name is freed, or whose port dies."""
        b, S = self.base, self.base.sorts.Slot
        entry = S.name_slot(S.requester(slot), S.requested(slot))
        gone = z3.Or(self.starts_at(entry), self._to_dying(entry))
        return z3.And(S.is_request_slot(slot), z3.Not(b.empty(slot)), gone)

    def _to_dying(self, slot: Term) -> Term:
        port = self.base.port(slot)
        return z3.And(port != self.base.sorts.no_port, self.dying(port))

    def becomes_due(self, slot: Term) -> Term:
        """``slot`` is a request whose notification is left to the rules for pending work."""
        S = self.base.sorts.Slot
        watched = S.watched(slot)
        no_senders = z3.And(S.is_no_senders_slot(slot), self.loses_the_last(watched), self._due_count(watched) != 0)
        rescued = z3.And(S.is_port_destroyed_slot(slot), self.goes_to_limbo(S.guarded(slot)))
        return z3.Or(self.request_fires(slot), no_senders, rescued)

    def loses_the_last(self, port: Term) -> Term:
        """A port that lives on, and has a no-senders request, loses its last send right."""
        b = self.base
        waits = z3.And(z3.Not(self.dying(port)), z3.Not(b.empty(b.sorts.Slot.no_senders_slot(port))))
        return z3.And(waits, b.srights(port) > 0, b.srights(port) == self.sends_released(port))

    def becomes_no_senders(self, slot: Term) -> Term:
        """``slot`` is the no-senders request of a port that loses its last send right before it dies.

        That is so when one name has both rights and no other slot has one to send. Otherwise it depends on the order in
        which the kernel ends rights.
        """
        b, S = self.base, self.base.sorts.Slot
        port = S.watched(slot)
        together = z3.And(b.kind(b.receiver(port)) == KIND.SEND_RECEIVE, self.given_up(b.receiver(port)), b.srights(port) == 1)
        return z3.And(S.is_no_senders_slot(slot), z3.Or(together, self.sends_first(port)))

    def _due_count(self, port: Term) -> Term:
        """What ``no_senders_due`` becomes: 0 for a port that dies. A receive right that has moved has no make-send
        count any more.
        """
        moved = z3.And(self.goes_to_limbo(port), self.moved_first(port))
        return z3.If(self.dying(port), z3.IntVal(0), z3.If(moved, z3.IntVal(1), self.base.mscount(port) + 1))

    def loses(self, slot: Term) -> Term:
        """The slot gives up a send right."""
        return z3.And(self.given_up(slot), self.base.sends(slot))

    def _loses_once(self, slot: Term) -> Term:
        """The slot gives up a send-once right to a port that lives on."""
        return z3.And(self.given_up(slot), self.base.kind(slot) == KIND.SEND_ONCE, z3.Not(self.dying(self.base.port(slot))))

    def _becomes_notification(self, slot: Term) -> Term:
        lost = self._loses_once(slot)
        return z3.And(lost, z3.Not(self.unsent(slot))) if self.silent else lost

    def unsent(self, slot: Term) -> Term:
        """``slot`` is the port-destroyed request of a dying port, and the requester's port is on its way to that."""
        S = self.base.sorts.Slot
        return z3.And(S.is_port_destroyed_slot(slot), self.dying(S.guarded(slot)), self.circular(S.guarded(slot)))

    def created(self, message: Term) -> Term:
        source = self.notified(message)
        return z3.And(self.becomes_notification(source), self.notification(source) == message)

    def _assume(self, after: After, b: State) -> None:
        """Assume what the choices of a release are.

        There are such choices, whatever has been chosen before. ``dying``: what it says of each port follows from what
        dies, and more follows from more, so there is a least such set. ``notification``, ``notified``, ``arrival`` and
        ``next_clock``: finitely many rights become notifications, and messages that aren't in use don't run out.
        ``place``: the same places will do, since finitely many requests become due. ``sends_first``: no port will do.
        ``died_first``, ``moved_first`` and ``circular``: nothing is assumed of them. ``sends_released``,
        ``notifications`` and ``sends_once_lost``: the numbers themselves. If more send-once rights are lost than become
        notifications, some slot has one that doesn't.
        """
        sorts = b.sorts
        p, s, m = z3.Const("p", sorts.Port), z3.Const("s", sorts.Slot), z3.Const("m", sorts.Message)
        fresh = z3.And(b.stage(self.notification(s)) == STAGE.FREE, self.notified(self.notification(s)) == s)
        in_time = z3.And(b.clock() <= self.arrival(m), self.arrival(m) < self.next_clock)
        assumed = [
            z3.ForAll([p], self.dying(p) == self.has_to_die(p)),
            z3.ForAll([s], z3.Implies(self.becomes_notification(s), fresh)),
            z3.ForAll([m], z3.Implies(self.created(m), in_time)),
            z3.ForAll([s], z3.Implies(self.becomes_due(s), z3.And(b.clock() <= self.place(s), self.place(s) < self.next_clock))),
            self.next_clock >= b.clock(),
            z3.ForAll([p], z3.Implies(self.sends_first(p), z3.And(b.srights(p) > 0, b.srights(p) == self.sends_released(p)))),
        ]
        if self.silent:
            lost, told, request = self.sends_once_lost, self.notifications, sorts.Slot.port_destroyed_slot(self.silenced(p))
            dies = z3.And(b.active(self.silenced(p)), self.dying(self.silenced(p)))
            one = z3.And(b.kind(request) == KIND.SEND_ONCE, b.port(request) == p, dies)
            assumed += [z3.ForAll([p], lost(p) >= told(p)), z3.ForAll([p], z3.Implies(lost(p) > told(p), one))]
        after.assume_argued(assumed, of_any=True)
        for number in self.numbers:
            after.use_number(number)

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers of slots that this uses."""
        return (self.sends_released, self.notifications, *((self.sends_once_lost,) if self.silent else ()))

    def _release(self, after: After, b: State) -> None:
        def gone(slot: Term) -> Term:
            return z3.Or(self.given_up(slot), self._to_dying(slot))

        def emptied(slot: Term) -> Term:
            return z3.Or(self.given_up(slot), b.kind(slot) == KIND.RECEIVE)

        after.sweep("kind", "slots", lambda s: (gone(s), z3.If(emptied(s), KIND.NONE, KIND.DEAD_NAME)))
        after.sweep("port", "slots", lambda s: (gone(s), b.sorts.no_port))
        after.sweep("urefs", "slots", lambda s: (z3.And(gone(s), emptied(s)), z3.IntVal(0)))
        if after.profile.dead_names_are_lazy:
            after.sweep("unlooked", "slots", lambda s: (self._becomes_dead(s), self._unlooked(s)))
            after.sweep("told", "slots", lambda s: (self._becomes_dead(s), z3.BoolVal(False)))
        S = b.sorts.Slot
        if after.profile.exception_places:
            after.sweep(
                "had",
                "slots",
                lambda s: (
                    z3.And(is_exception_place(b, s), gone(s)),
                    z3.If(self.given_up(s), b.sorts.no_port, b.port(s)),
                ),
            )

        def limbo(slot: Term) -> Term:
            return z3.And(S.is_limbo_slot(slot), self.goes_to_limbo(S.rescued(slot)))

        after.sweep("kind", "limbo", lambda s: (limbo(s), KIND.RECEIVE))
        after.sweep("port", "limbo", lambda s: (limbo(s), S.rescued(s)))
        after.sweep("receiver", "ports", lambda p: (self.goes_to_limbo(p), S.limbo_slot(p)))
        for count in ("mscount", "seqno"):
            after.sweep(count, "ports", lambda p: (self.goes_to_limbo(p), z3.IntVal(0)))
        if after.profile.has_guards:
            after.sweep("context", "ports", lambda p: (self.goes_to_limbo(p), z3.IntVal(0)))
            for name in ("is_guarded", "is_strict", "is_immovable", "has_temp_owner"):
                after.sweep(name, "ports", lambda p: (self.goes_to_limbo(p), z3.BoolVal(False)))

        after.sweep("no_senders_due", "ports", lambda p: (z3.Or(self.dying(p), self.loses_the_last(p)), self._due_count(p)))

        def due_at(slot: Term) -> tuple[Term, Term]:
            due, none_left = self.becomes_due(slot), z3.And(S.is_no_senders_slot(slot), self.loses_the_last(S.watched(slot)))
            return z3.Or(due, none_left, self.given_up(slot)), z3.If(due, self.place(slot) + 1, z3.IntVal(0))

        after.sweep("due_at", "due requests", due_at)

        def freed(slot: Term) -> Term:
            entry = S.name_slot(S.requester(slot), S.requested(slot))
            return z3.And(self.request_fires(slot), self.starts_at(entry), self._to_dying(entry))

        after.sweep("died_first", "due requests", lambda s: (freed(s), self.died_first(s)))
        after.sweep(
            "known_as",
            "known",
            lambda t, p: (
                z3.Or(self.dying(p), z3.And(b.known_as(t, p) != b.sorts.null, self.given_up(S.name_slot(t, b.known_as(t, p))))),
                b.sorts.null,
            ),
        )
        after.tally("srights", self.sends_released, -1)
        if self.silent:
            after.tally("sorights", self.sends_once_lost, -1)
            after.tally("sorights", self.notifications, 1)

    def _becomes_dead(self, slot: Term) -> Term:
        """The slot is a name that isn't given up, but whose port dies."""
        port = self.base.port(slot)
        name = z3.And(self.base.sorts.Slot.is_name_slot(slot), z3.Not(self.starts_at(slot)))
        return z3.And(name, port != self.base.sorts.no_port, self.dying(port))

    def _unlooked(self, slot: Term) -> Term:
        """What a name whose port dies was, until a call looks at it. (One that has the receive right too is looked at
        by the call that gives this up.)
        """
        kind = self.base.kind(slot)
        return z3.If(z3.Or(kind == KIND.SEND, kind == KIND.SEND_ONCE), kind, KIND.NONE)

    def _kill(self, after: After, b: State) -> None:
        after.sweep("port_life", "ports", lambda p: (self.dying(p), LIFE.ENDED))
        after.sweep("stage", "messages", lambda m: (self._destroyed(m), STAGE.FREE))
        after.sweep("memory", "memory", lambda m, i: (self._destroyed(m), b.sorts.no_object))

    def _destroyed(self, message: Term) -> Term:
        """The message is queued on a port that dies."""
        return z3.And(self.base.stage(message) == STAGE.QUEUED, self.dying(self.base.queue(message)))

    def _leave_sets(self, after: After, b: State) -> None:
        S = b.sorts.Slot

        def leaves(port: Term, name: Term) -> Term:
            receiver = b.receiver(port)
            return z3.Or(self.dying(port), self.given_up(receiver), self.given_up(S.name_slot(S.space(receiver), name)))

        after.sweep("member", "members", lambda p, n: (z3.And(b.member(p, n), leaves(p, n)), z3.BoolVal(False)))

    def _notify(self, after: After, b: State) -> None:
        S, source, created = b.sorts.Slot, self.notified, self.created

        def destination(slot: Term) -> Term:
            return z3.And(S.is_destination_slot(slot), created(S.destined(slot)))

        after.sweep("kind", "notification destinations", lambda s: (destination(s), KIND.SEND_ONCE))
        after.sweep("port", "notification destinations", lambda s: (destination(s), b.port(source(S.destined(s)))))
        after.sweep("urefs", "notification destinations", lambda s: (destination(s), z3.IntVal(0)))
        for name, value in {
            "stage": lambda m: STAGE.QUEUED,
            "queue": lambda m: b.port(source(m)),
            "arrival": lambda m: self.arrival(m),
            "id": lambda m: z3.If(self.becomes_no_senders(source(m)), int(Notification.NO_SENDERS), int(Notification.SEND_ONCE)),
            "data": lambda m: z3.If(self.becomes_no_senders(source(m)), b.mscount(S.watched(source(m))), 0),
            "body_count": lambda m: z3.IntVal(0),
            "layout": lambda m: b.sorts.no_descriptors,
            "size": lambda m: z3.IntVal(natural_size(())),
            "sender_security": lambda m: b.sorts.kernel_security_token,
            "sender_audit": lambda m: b.sorts.kernel_audit_token,
            "from_kernel": lambda m: z3.BoolVal(True),
        }.items():
            after.sweep(name, "notifications", lambda m, value=value: (created(m), value(m)))
        after.store("clock", (), self.next_clock)
        after.tally("msgcount", self.notifications, 1)


def release(
    after: After, released: Callable[[Term], Term], dies: Callable[[Term], Term] | None = None, no_senders_first: bool = False, at_once: bool = False
) -> Release:
    """Give up what is in the ``released`` slots and end the ports that ``dies`` names, with all that follows.

    ``no_senders_first``: a name with both rights tells no-senders before its receive right goes. ``at_once``: a message
    that is among them isn't on the list of messages to destroy. This changes the state ``after``. Returns the release.
    """
    base, silent = State(after.sorts, after.fields), after.profile.circular_rescue_is_silent
    made = Release(base, released, dies, no_senders_first, silent, at_once)
    made.take_place(after)
    return made


def release_message(after: After, message: Term, keep: Callable[[Term], Term] | None = None, at_once: bool = False) -> Release:
    """Give up all that ``message`` carries, which isn't queued (except rights in slots that ``keep`` names).
    ``at_once``: although it isn't on the list of messages to destroy.
    """
    sorts = after.sorts

    def starts(slot: Term) -> Term:
        mine = sorts.slots_of_message(slot, message)
        return mine if keep is None else z3.And(mine, z3.Not(keep(slot)))

    made = release(after, starts, at_once=at_once)
    lose_memory(after, message)
    return made


def lose_memory(after: After, message: Term, when: Term | bool = True) -> None:
    """Drop all memory that ``message`` carries (if ``when``)."""
    after.sweep("memory", "memory", lambda m, i: (z3.And(when, m == message), after.sorts.no_object))
