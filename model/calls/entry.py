"""A name that a call is about, and the answers that are the same for all names."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import Notification, PortObject
from sendright.model.language.actions import clear, empty_set, forget_name, leave_sets, lose_send, notify, put, set_guard
from sendright.model.language.release import release
from sendright.model.language.rule import Case, Context, Effect
from sendright.model.language.sorts import KIND, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Name


class Entry:
    """NAMES of every call on a name in a task's space: the space, the entry's slot and what it contains."""

    def __init__(self, k: Context, task: Name, name: Name) -> None:
        b = k.before
        self.k = k
        self.task = k.task_behind(task)
        self.name = name
        self.slot = k.slot(self.name, self.task)
        self.kind, self.port, self.urefs = b.kind(self.slot), b.port(self.slot), b.urefs(self.slot)
        self.unknown = self.kind == KIND.NONE
        self.is_dead = self.kind == KIND.DEAD_NAME
        self.is_set = self.kind == KIND.PORT_SET
        self.is_send_once = self.kind == KIND.SEND_ONCE
        self.is_send, self.is_both = self.kind == KIND.SEND, self.kind == KIND.SEND_RECEIVE
        self.sends, self.receives = b.sends(self.slot), b.receives(self.slot)
        self.is_pegged = k.is_pegged(self.slot)
        self.is_asked_for = b.kind(k.sorts.Slot.port_destroyed_slot(self.port)) == KIND.SEND_ONCE
        """Somebody has asked for the receive right, should it die."""

    def guarded_against(self, giving_up: Term) -> Iterator[Case]:
        """Where ports can be guarded, a guard keeps those who don't know it from ``giving_up`` the receive right."""
        if self.k.profile.has_guards:
            guarded = z3.And(self.receives, self.k.before.is_guarded(self.port))
            yield self.k.fails(ReturnCode.KERN_INVALID_RIGHT, "the port is guarded", z3.And(giving_up, guarded))

    # ---- RIGHTS: the ways in which what a name denotes is given up

    def add_references(self, delta: Term | int) -> Effect:
        return lambda after: after.store("urefs", (self.slot,), self.urefs + delta)

    def peg(self, after: After) -> None:
        """The name has all references that it can have from now on."""
        after.at("urefs")[self.slot] = self.k.urefs_max

    def free(self, after: After) -> None:
        """A dead name or a port set goes; what was in the set is in it no more."""
        empty_set(after, self.task, self.name)
        clear(after, self.slot)

    def release_send(self, after: After) -> None:
        """The last reference of a send right goes, and the name with it."""
        lose_send(after, self.port)
        forget_name(after, self.task, self.name)

    def release_send_beside_receive(self, after: After) -> None:
        """The last reference of a send right goes; the name keeps the receive right."""
        lose_send(after, self.port)
        put(after, self.slot, KIND.RECEIVE, self.port, 0)

    def release_send_once(self, message: Term) -> Effect:
        """The send-once right becomes a notification to its port."""
        return lambda after: notify(after, self.slot, message, Notification.SEND_ONCE)

    def release_all(self, after: After) -> None:
        """The name is freed and all that it denoted is given up: a receive right takes its port with it."""
        release(after, lambda slot: slot == self.slot)

    def kill_port(self, after: After) -> None:
        """The receive right goes: the port dies; a send right beside it becomes a dead name."""
        release(after, lambda slot: z3.BoolVal(False), lambda port: port == self.port)

    def give_up_receive(self, after: After) -> None:
        """The receive right goes into limbo, since somebody has asked for it; a send right beside it stays, or dies, as the kernel has it."""
        limbo, port = after.sorts.Slot.limbo_slot(self.port), self.port
        beside = self.kind == KIND.SEND_RECEIVE
        if self.k.profile.send_survives_rescue:
            put(after, self.slot, z3.If(beside, KIND.SEND, KIND.NONE), z3.If(beside, port, after.sorts.no_port), after.urefs(self.slot))
            after.at("known_as")[(self.task, port)] = z3.If(beside, self.name, after.sorts.null)
        else:  # hazard H-8: the count of send rights isn't told
            put(after, self.slot, z3.If(beside, KIND.DEAD_NAME, KIND.NONE), after.sorts.no_port, self.urefs)
            after.at("known_as")[(self.task, port)] = after.sorts.null
        leave_sets(after, port)
        put(after, limbo, KIND.RECEIVE, port)
        after.at("receiver")[port] = limbo
        leave_sets(after, port)
        for count in ("mscount", "seqno"):
            after.at(count)[port] = z3.IntVal(0)
        set_guard(after, port)


def on_space(k: Context, task: Name, *others: Name) -> Iterator[Case]:
    """The first tests of every mach_port call: the request with its ``others`` ports, and the space behind the task port."""
    yield from k.request(task, *others)
    yield k.fails(ReturnCode.KERN_INVALID_TASK, "task is no task", z3.Not(k.object(task, PortObject.TASK)))


def on_reserved(
    k: Context, *names: Term, code: ReturnCode = ReturnCode.KERN_INVALID_RIGHT, when: Term | bool = True, title: str = "", **outputs: Term
) -> Iterator[Case]:
    """Where the kernel has answers of its own for the names NULL and DEAD, this one; elsewhere they denote nothing, like any unused name.

    It is tested where a name would be looked up. Source: ``mach_port.c`` of XNU, ``MACH_PORT_VALID``.
    """
    if k.profile.reserved_names_pass:
        condition = z3.And(z3.Or(*[k.reserved(name) for name in names]), when)
        yield Case(code, title or "the name is NULL or DEAD", condition, outputs=outputs)
