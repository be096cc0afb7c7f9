"""Port sets: groups of receive rights from which a task receives together."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.model.calls.entry import Entry, on_reserved, on_space
from sendright.model.language.actions import leave_sets
from sendright.model.language.evidence import page, rests_on
from sendright.model.language.rule import Case, Context, rule
from sendright.model.language.sorts import Term
from sendright.model.language.state import After, State
from sendright.model.language.terms import Name


def in_a_set(state: State, port: Term) -> Term:
    """``port`` is in some port set."""
    name = z3.Const("set", state.sorts.Name)
    return z3.Exists([name], state.member(port, name))


def _both(k: Context, member: Entry, pset: Entry, alone: Term | None = None) -> Iterator[Case]:
    """The member must be a receive right and, unless it is ``alone``, the set a port set.

    XNU looks up both names before it looks at what either denotes (``ipc_right_lookup_two`` in ``ipc/ipc_right.c``).
    Other kernels are done with the first before they look up the second.
    """
    alone = z3.BoolVal(False) if alone is None else alone
    with_set, both = z3.Not(alone), k.rule.name in k.profile.looks_up_both
    unknown = z3.If(alone, member.objectless, member.unknown) if both else member.unknown
    no_member = k.fails(ReturnCode.KERN_INVALID_NAME, "the member's name denotes nothing", unknown)
    no_receive = k.fails(ReturnCode.KERN_INVALID_RIGHT, "the member's name has no receive right", z3.Not(member.receives))
    no_set = k.fails(ReturnCode.KERN_INVALID_NAME, "the set's name denotes nothing", z3.And(with_set, pset.unknown))
    yield from (no_member, no_set, no_receive) if both else (no_member, no_receive, no_set)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the set's name is not a port set", z3.And(with_set, z3.Not(pset.is_set)))


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_move_member; ipc/ipc_pset.c: ipc_pset_move; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu_792="ipc/mach_port.c: mach_port_move_member; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu="ipc/mach_port.c: mach_port_move_member; ipc/ipc_object.c: ipc_object_translate_port_pset; ipc/ipc_right.c: ipc_right_lookup_two_write",
        manual=page("mach_port_move_member"),
    )
)
def mach_port_move_member(k: Context, task: Name, member: Name, after: Name) -> Iterator[Case]:
    """Put a receive right into one port set and no other.

    With NULL for the set, take it out of all sets.
    """
    # NAMES
    entry, pset = Entry(k, task, member), Entry(k, task, after)
    out = after == k.sorts.null
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, entry.name)
    yield from on_reserved(k, pset.name, when=z3.Not(out), title="the set is DEAD")
    yield from _both(k, entry, pset, alone=out)
    in_none = z3.And(out, z3.Not(in_a_set(k.before, entry.port)))
    yield k.fails(k.profile.null_move_code, "the member is in no set", in_none)

    # RIGHTS
    def move(after: After) -> None:
        leave_sets(after, entry.port)
        after.at("member")[(entry.port, pset.name)] = z3.BoolVal(True)

    leaves = k.otherwise(z3.And(out, z3.Not(in_none)), tested=out)
    yield k.succeeds("the member leaves all sets", leaves, lambda after: leave_sets(after, entry.port))
    yield k.succeeds("the member is in this set and no other", k.otherwise(z3.Not(out)), move)


@rule(
    evidence=rests_on(
        xnu_792="ipc/mach_port.c: mach_port_insert_member; ipc/ipc_object.c: ipc_object_translate_two; ipc/ipc_right.c: ipc_right_lookup_two_write; "
        "ipc/ipc_pset.c: ipc_pset_add; kern/wait_queue.c: wait_queue_link_noalloc",
        xnu="ipc/mach_port.c: mach_port_insert_member; kern/waitq.c: waitq_link_locked; "
        "ipc/ipc_object.c: ipc_object_translate_port_pset; ipc/ipc_right.c: ipc_right_lookup_two_write",
        manual=page("mach_port_insert_member"),
    )
)
def mach_port_insert_member(k: Context, task: Name, name: Name, pset: Name) -> Iterator[Case]:
    """Put a receive right into a port set, and keep it in its other sets."""
    # NAMES
    member, set_ = Entry(k, task, name), Entry(k, task, pset)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, member.name, set_.name)
    yield from _both(k, member, set_)
    yield k.fails(ReturnCode.KERN_ALREADY_IN_SET, "the member is in the set", k.before.member(member.port, set_.name))

    # RIGHTS
    def insert(after: After) -> None:
        after.at("member")[(member.port, set_.name)] = z3.BoolVal(True)

    yield k.succeeds("the member is in this set too", k.otherwise(), insert)


@rule(
    evidence=rests_on(
        xnu_792="ipc/mach_port.c: mach_port_extract_member; ipc/ipc_object.c: ipc_object_translate_two; "
        "ipc/ipc_right.c: ipc_right_lookup_two_write; ipc/ipc_pset.c: ipc_pset_remove",
        xnu="ipc/mach_port.c: mach_port_extract_member; ipc/ipc_object.c: ipc_object_translate_port_pset; "
        "ipc/ipc_right.c: ipc_right_lookup_two_write",
        manual=page("mach_port_extract_member"),
    )
)
def mach_port_extract_member(k: Context, task: Name, name: Name, pset: Name) -> Iterator[Case]:
    """Take a receive right out of one port set."""
    # NAMES
    member, set_ = Entry(k, task, name), Entry(k, task, pset)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, member.name, set_.name)
    yield from _both(k, member, set_)
    yield k.fails(ReturnCode.KERN_NOT_IN_SET, "the member is not in the set", z3.Not(k.before.member(member.port, set_.name)))

    # RIGHTS
    def extract(after: After) -> None:
        after.at("member")[(member.port, set_.name)] = z3.BoolVal(False)

    yield k.succeeds("the member leaves the set", k.otherwise(), extract)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_get_set_status; ipc/ipc_right.c: ipc_right_lookup_write",
        xnu="ipc/mach_port.c: mach_port_get_set_status_from_user, mach_port_get_set_status; ipc/ipc_right.c: ipc_right_lookup_read",
        manual=page("mach_port_get_set_status"),
    )
)
def mach_port_get_set_status(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """List the members of a port set."""
    # NAMES
    pset = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, pset.name)
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the set's name denotes nothing", pset.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the set's name is not a port set", z3.Not(pset.is_set))
    # REPLY: the names of all members (the oracle lists them, since a list has no term)
    yield k.succeeds("the members' names", k.otherwise(), members_of=pset.slot)
