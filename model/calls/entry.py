"""The entry that a name denotes, and the tests that all calls on names share."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Notification, PortObject
from sendright.model.language.actions import clear, empty_set, forget_name, leave_receiver, leave_sets, lose_send, notify, put
from sendright.model.language.evidence import rests_on
from sendright.model.language.release import release
from sendright.model.language.rule import Case, Context, Effect
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Name

FORM = rests_on(xnu="ipc/ipc_entry.c: ipc_entry_alloc_name")
"""Of the form of names that callers choose."""

INDEX_FROM = 256
"""A name's number without its generation, divided by this, is its index (``MACH_PORT_INDEX``)."""


class Entry:
    """NAMES of every call on a name in a task's space: the task, the entry's slot and what the slot contains."""

    def __init__(self, k: Context, task: Name, name: Name) -> None:
        b = k.before
        self.k = k
        self.task = k.task_behind(task)
        self.name = name
        self.slot = k.slot(self.name, self.task)
        self.kind, self.port, self.urefs = b.kind(self.slot), b.port(self.slot), b.urefs(self.slot)
        self.unknown = self.kind == KIND.NONE
        self.is_dead = self.kind == KIND.DEAD_NAME
        self.objectless = z3.Or(self.unknown, self.is_dead) if k.profile.dead_name_is_no_name else self.unknown
        """The name leads to no port and no port set, for calls that look for one (``ipc_object_translate``).

        XNU 11417 finds the object before it looks at the entry, and a dead name has none (``ipc_right_lookup_read`` in
        ``ipc/ipc_right.c``).
        """
        self.is_set = self.kind == KIND.PORT_SET
        self.is_send_once = self.kind == KIND.SEND_ONCE
        self.is_send, self.is_both = self.kind == KIND.SEND, self.kind == KIND.SEND_RECEIVE
        self.sends, self.receives = b.sends(self.slot), b.receives(self.slot)
        self.is_pegged = k.is_pegged(self.slot)
        request = k.sorts.Slot.port_destroyed_slot(self.port)
        self.has_port_destroyed_request = z3.Not(b.empty(request)) if k.profile.send_survives_rescue else b.kind(request) == KIND.SEND_ONCE
        """A port-destroyed request is registered. Where a send right under the same name stays, it does so even if the
        requester's port is dead (``ipc_port_has_prdrequest`` in ``ipc/ipc_port.c`` of XNU 11417).
        """

    def guarded_against(self, giving_up: Term) -> Iterator[Case]:
        """Where ports can be guarded, ``giving_up`` a guarded receive right fails."""
        if self.k.profile.has_guards:
            guarded = z3.And(self.receives, self.k.before.is_guarded(self.port))
            yield self.k.fails(ReturnCode.KERN_INVALID_RIGHT, "the port is guarded", z3.And(giving_up, guarded))

    # ---- RIGHTS: the ways to give up what a name denotes

    def add_references(self, delta: Term | int) -> Effect:
        return lambda after: after.store("urefs", (self.slot,), self.urefs + delta)

    def peg(self, after: After) -> None:
        """Set the name's references to their maximum."""
        after.at("urefs")[self.slot] = self.k.urefs_max

    def free(self, after: After) -> None:
        """A dead name or a port set goes; what was in the set is in it no more."""
        empty_set(after, self.task, self.name)
        clear(after, self.slot)

    def release_send(self, after: After) -> None:
        """Give up the last reference of a send right, and the name with it."""
        lose_send(after, self.port)
        forget_name(after, self.task, self.name)

    def release_send_beside_receive(self, after: After) -> None:
        """Give up the last reference of a send right; the name keeps the receive right."""
        lose_send(after, self.port)
        put(after, self.slot, KIND.RECEIVE, self.port, 0)

    def release_send_once(self, message: Term) -> Effect:
        """Turn the send-once right into a notification to its port."""
        return lambda after: notify(after, self.slot, message, Notification.SEND_ONCE)

    def release_all(self, after: After) -> None:
        """Free the name and give up all that it denotes. With a receive right, the port dies."""
        release(after, lambda slot: slot == self.slot)

    def release_send_first(self, after: After) -> None:
        """As ``release_all``, of a name with both rights: no-senders is sent before the receive right goes."""
        release(after, lambda slot: slot == self.slot, no_senders_first=True)

    def kill_port(self, after: After) -> None:
        """Give up the receive right: the port dies, and a send right beside it becomes a dead name."""
        release(after, lambda slot: z3.BoolVal(False), lambda port: port == self.port)

    def give_up_receive(self, after: After) -> None:
        """Move the receive right to limbo, since a port-destroyed request is registered.

        Whether a send right beside it stays or dies depends on the profile.
        """
        limbo, port = after.sorts.Slot.limbo_slot(self.port), self.port
        beside = self.kind == KIND.SEND_RECEIVE
        if self.k.profile.send_survives_rescue:
            put(after, self.slot, z3.If(beside, KIND.SEND, KIND.NONE), z3.If(beside, port, after.sorts.no_port), after.urefs(self.slot))
            after.at("known_as")[(self.task, port)] = z3.If(beside, self.name, after.sorts.null)
        else:  # hazard H-8: the count of send rights isn't updated
            put(after, self.slot, z3.If(beside, KIND.DEAD_NAME, KIND.NONE), after.sorts.no_port, self.urefs)
            after.at("known_as")[(self.task, port)] = after.sorts.null
        leave_sets(after, port)
        put(after, limbo, KIND.RECEIVE, port)
        after.at("receiver")[port] = limbo
        for count in ("mscount", "seqno"):
            after.at(count)[port] = z3.IntVal(0)
        leave_receiver(after, port)


def on_space(k: Context, task: Name, *others: Name) -> Iterator[Case]:
    """The first tests of every mach_port call: the request with its other ports, and the space behind the task port.

    XNU 11417 has wrappers around some calls, which find the space and have a code of their own
    (``mach_port_get_attributes_from_user`` in ``ipc/mach_port.c``).
    """
    yield from k.request(task, *others)
    code = ReturnCode.KERN_INVALID_ARGUMENT if k.rule.name in k.profile.wrapped_calls else ReturnCode.KERN_INVALID_TASK
    yield k.fails(code, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))


def on_chosen_name(k: Context, task: Term, name: Name, when: Term | bool = True) -> Iterator[Case]:
    """Where names have a form, a name that a caller chooses and that isn't in use needs it.

    A name that is in use has the form, so it is never refused for it. Source: ``ipc_entry_alloc_name`` in
    ``ipc/ipc_entry.c`` of XNU 11417.
    """
    if not k.profile.name_index_max:
        return
    b, number = k.before, k.sorts.number_of
    other = z3.Const("other_generation", k.sorts.Name)
    index = number(name) / INDEX_FROM
    new = z3.And(when, b.empty(k.slot(name, task)))
    same_index = z3.And(other != name, number(other) / INDEX_FROM == index, z3.Not(b.empty(k.slot(other, task))))
    yield k.fails(ReturnCode.KERN_NO_SPACE, "the name's index is beyond the table", z3.And(new, index > k.profile.name_index_max), evidence=FORM)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the name has no generation", z3.And(new, number(name) % 4 != 3), evidence=FORM)
    yield k.fails(ReturnCode.KERN_FAILURE, "the name has index 0", z3.And(new, index == 0), evidence=FORM)
    yield k.fails(ReturnCode.KERN_FAILURE, "another generation of the name is in use", z3.And(new, z3.Exists([other], same_index)), evidence=FORM)


def on_reserved(
    k: Context, *names: Term, code: ReturnCode = ReturnCode.KERN_INVALID_RIGHT, when: Term | bool = True, title: str = "", **outputs: Term
) -> Iterator[Case]:
    """The answer for the names NULL and DEAD, in kernels that treat them specially. In others they denote nothing, like
    any unused name.

    The test stands where the kernel would look up the name. Source: ``mach_port.c`` of XNU, ``MACH_PORT_VALID``.
    """
    if k.profile.reserved_names_pass:
        condition = z3.And(z3.Or(*[k.reserved(name) for name in names]), when)
        yield Case(code, title or "the name is NULL or DEAD", condition, outputs=outputs)
