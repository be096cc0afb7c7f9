"""Renaming an entry of a space."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.calls.entry import Entry, on_space
from sendright.model.language.actions import clear, in_space, put
from sendright.model.language.evidence import rests_on, suite
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import KIND, WAIT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Name


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_rename; ipc/ipc_object.c: ipc_object_rename; ipc/ipc_right.c: ipc_right_rename",
        gnumach=suite("test-mach_port.c: test_mach_port", "a send right goes under the new name"),
    )
)
def mach_port_rename(k: Context, task: Name, old_name: Name, new_name: Name) -> Iterator[Case]:
    """Move what one name denotes to another name: with its references, its dead-name request and, for a port set, its
    members.

    If the task is waiting to receive from that name, it goes on waiting under the new name.
    """
    # NAMES
    b, S = k.before, k.sorts.Slot
    old, new = Entry(k, task, old_name), Entry(k, task, new_name)
    # CASES
    yield from on_space(k, task)
    if k.profile.reserved_names_pass:  # else a reserved name denotes nothing, like any unused name
        yield k.fails(ReturnCode.KERN_INVALID_NAME, "the old name is reserved", k.reserved(old_name))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the new name is reserved", k.reserved(new_name))
    yield k.fails(ReturnCode.KERN_NAME_EXISTS, "the new name is in use", z3.Not(new.unknown))
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the old name denotes nothing", old.unknown)

    # RIGHTS
    def move(after: After, source: Term, target: Term) -> None:
        kind, port, urefs = after.kind(source), after.port(source), after.urefs(source)
        clear(after, source)
        put(after, target, kind, port, urefs)

    def move_entry(after: After) -> None:
        move(after, old.slot, new.slot)
        move(after, S.request_slot(old.task, old.name), S.request_slot(new.task, new.name))
        waits_here = z3.And(b.wait(old.task) == WAIT.RECEIVING, b.waits_at(old.task) == old.name)
        after.at("waits_at")[old.task] = z3.If(waits_here, new.name, b.waits_at(old.task))

    def move_send(after: After) -> None:
        move_entry(after)
        after.at("known_as")[(old.task, old.port)] = new.name

    def move_receive(after: After) -> None:
        move_send(after)
        after.at("receiver")[old.port] = new.slot

    def move_set(after: After) -> None:
        move_entry(after)

        def either(port: Term, name: Term) -> Term:
            return z3.And(in_space(b, port, old.task), z3.Or(name == old.name, name == new.name))

        after.sweep("member", "renamed members", lambda p, n: (either(p, n), z3.And(n == new.name, b.member(p, old.name))))

    yield k.succeeds("a receive right goes under the new name", old.receives, move_receive)
    yield k.succeeds("a send right goes under the new name", old.kind == KIND.SEND, move_send)
    yield k.succeeds("a port set goes under the new name, with its members", old.is_set, move_set)
    yield k.succeeds("a send-once right or dead name goes under the new name", k.otherwise(z3.Or(old.is_send_once, old.is_dead)), move_entry)
