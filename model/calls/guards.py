"""Receive rights with a context or a guard: making them, guarding them, ending them.

A guard is a word that only its owner knows, so that code which gives up names of others can't end the port. A guard
doesn't keep the right from being carried away; an immovable port does. Kernels that have guards have these calls, and
test guards in others (``Entry.guarded_against``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.port_attributes import PortPurpose
from sendright.model.calls.allocation import fresh_name, make_port
from sendright.model.calls.entry import Entry, on_reserved, on_space
from sendright.model.language.actions import put, set_guard
from sendright.model.language.evidence import decided, ran, read, rests_on
from sendright.model.language.rule import Case, Context, Effect, rule
from sendright.model.language.sorts import KIND, PURPOSE, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Array, Bool, Int, Name, Port


def _receives(k: Context, e: Entry, unknown: Term) -> Iterator[Case]:
    """The name must denote a receive right. The reserved names denote nothing."""
    yield k.fails(ReturnCode.KERN_INVALID_NAME, "the name denotes nothing", unknown)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no receive right", z3.Not(e.receives))


SERVICES = rests_on(
    xnu=read("ipc/mach_port.c: mach_port_construct; kern/coalition.c: task_is_in_privileged_coalition")
    + decided("A task of launchd's privileged coalition may do so. We let the first task alone stand for that.")
)
"""Of service ports."""
PURPOSES = rests_on(xnu="ipc/mach_port.c: mach_port_construct; ipc/ipc_port.c: ipc_port_init")
"""Of the options that say what a port is for."""


@rule(evidence=rests_on(xnu="ipc/mach_port.c: mach_port_construct; ipc/ipc_object.c: ipc_object_alloc; ipc/ipc_entry.c: ipc_entry_grow_table"))
def mach_port_construct(
    k: Context,
    task: Name,
    context: Int,
    context_as_guard: Bool,
    strict: Bool,
    immovable: Bool,
    insert_send: Bool,
    qlimit: Int,
    temp_owner: Bool,
    importance_receiver: Bool,
    denap_receiver: Bool,
    service: Bool,
    reply: Bool,
    provisional_reply: Bool,
    enforce_reply: Bool,
    exception: Bool,
    shortage: Int,
    *,
    new_name: Name,
    new_port: Port,
    out_of_memory: Bool,
) -> Iterator[Case]:
    """Make a receive right with a new port, and give it a context or guard, a queue limit, or a send right under the
    same name.

    With a temporary owner, or as a receiver of importance or for App Nap, messages to it lend importance. Without a
    guard, ``strict`` and ``immovable`` mean nothing. The last four options say what the port is for. Programs that
    aren't hardened get a provisional reply port for a reply port (``ipc_port_init`` in ``ipc/ipc_port.c``). Source:
    ``mach_port_construct`` in ``ipc/mach_port.c``.
    """
    # NAMES
    target = k.task_behind(task)
    usual = qlimit == -1
    purposes = (reply, provisional_reply, enforce_reply, exception)
    # CASES
    yield from k.request(task)
    several = z3.Or(*[z3.And(first, second) for first, second in combinations(purposes, 2)])
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "a port for several purposes", several, evidence=PURPOSES)
    yield k.fails(ReturnCode.KERN_INVALID_TASK, "task is not a task's port", z3.Not(k.is_target(task)))
    other = z3.And(service, k.caller != k.sorts.first_task)
    yield k.fails(ReturnCode.KERN_DENIED, "only the first task makes service ports", other, evidence=SERVICES)
    unfit = z3.And(z3.Not(usual), z3.Or(qlimit < 0, qlimit > k.queue_limit_max))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no such queue limit", unfit)
    yield k.lacks_memory(shortage, out_of_memory)

    # RIGHTS
    def make(after: After) -> None:
        fresh_name(k, after, target, new_name)
        make_port(k, after, target, new_name, new_port)
        after.at("qlimit")[new_port] = z3.If(usual, k.queue_limit, qlimit)
        guard = context_as_guard
        set_guard(after, new_port, context, guard, z3.And(guard, strict), z3.Or(exception, z3.And(guard, immovable)))
        after.at("is_donating")[new_port] = z3.Or(temp_owner, importance_receiver, denap_receiver)
        after.at("has_temp_owner")[new_port] = temp_owner
        after.at("is_service")[new_port] = service
        for wanted, purpose in ((z3.Or(reply, provisional_reply), PortPurpose.REPLY), (enforce_reply, PortPurpose.ENFORCED)):
            after.at("purpose")[new_port] = z3.If(wanted, PURPOSE.of(purpose), after.purpose(new_port))
        after.at("purpose")[new_port] = z3.If(exception, PURPOSE.of(PortPurpose.EXCEPTION), after.purpose(new_port))

    def make_with_send(after: After) -> None:
        make(after)
        after.add("srights", new_port, 1)
        after.add("mscount", new_port, 1)
        put(after, k.slot(new_name, target), KIND.SEND_RECEIVE, new_port, 1)

    # REPLY
    yield k.succeeds("a receive right with a new port, and a send right", insert_send, make_with_send, name=new_name)
    yield k.succeeds("a receive right with a new port", k.otherwise(z3.Not(insert_send)), make, name=new_name)


@rule(
    evidence=rests_on(
        xnu=read("ipc/mach_port.c: mach_port_destruct; ipc/ipc_right.c: ipc_right_lookup_write, ipc_right_destruct")
        + ran(
            "XNU 11417's own code gives up guarded ports as this rule says.",
            "all send references go, then the receive right",
            "the receive right goes to the port-destroyed requester",
            "the receive right goes, and its port dies",
        )
    )
)
def mach_port_destruct(k: Context, task: Name, name: Name, srdelta: Int, guard: Int) -> Iterator[Case]:
    """Give up a receive right, whose guard the caller must know. Before it, give up some or all references of the send
    right under the same name.

    Source: ``mach_port_destruct`` in ``ipc/mach_port.c``, ``ipc_right_destruct`` in ``ipc/ipc_right.c``.
    """
    # NAMES
    e = Entry(k, task, name)
    left = e.urefs + srdelta
    if k.profile.pegged_urefs:
        left = z3.If(z3.And(e.is_pegged, srdelta != -k.urefs_max), e.urefs, left)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e, e.unknown)
    yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "the name has no send references", z3.And(srdelta != 0, z3.Not(e.sends)))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "references can only be removed", srdelta > 0)
    other = z3.And(k.before.is_guarded(e.port), k.before.context(e.port) != guard)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has another guard", other)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the name has fewer references", e.urefs + srdelta < 0)

    # RIGHTS
    def first(effect: Effect) -> Effect:
        """Change the references, then give up the receive right."""

        def both(after: After) -> None:
            after.at("urefs")[e.slot] = left
            effect(after)

        return both

    all_go = z3.And(e.sends, left == 0)
    rescued = k.otherwise(z3.And(z3.Not(all_go), e.has_port_destroyed_request), tested=e.has_port_destroyed_request)
    yield k.succeeds("all send references go, then the receive right", all_go, e.release_send_first)
    yield k.succeeds("the receive right goes to the port-destroyed requester", rescued, first(e.give_up_receive))
    dies = k.otherwise(z3.And(z3.Not(all_go), z3.Not(e.has_port_destroyed_request)))
    yield k.succeeds("the receive right goes, and its port dies", dies, first(e.kill_port))


@rule(
    evidence=rests_on(
        xnu=read(
            "ipc/mach_port.c: mach_port_guard, mach_port_guard_locked; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"
        )
        + ran("XNU 11417's own code guards ports as this rule says.", "the port is guarded", "the port has a context")
    )
)
def mach_port_guard(k: Context, task: Name, name: Name, guard: Int, strict: Bool) -> Iterator[Case]:
    """Guard a port that has no context. (One that is guarded with 0 has none, and can be guarded again.)

    Source: ``mach_port_guard_locked`` in ``ipc/mach_port.c``.
    """
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e, e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has a context", k.before.context(e.port) != 0)

    # RIGHTS
    def put_on(after: After) -> None:
        after.at("context")[e.port] = guard
        after.at("is_guarded")[e.port] = z3.BoolVal(True)
        after.at("is_strict")[e.port] = strict

    yield k.succeeds("the port is guarded", k.otherwise(), put_on)


@rule(
    evidence=rests_on(
        xnu=read(
            "ipc/mach_port.c: mach_port_unguard, mach_port_unguard_locked; ipc/ipc_object.c: ipc_object_translate; "
            "ipc/ipc_right.c: ipc_right_lookup_read"
        )
        + ran("XNU 11417's own code takes guards away as this rule says.", "the guard is gone", "the port has no guard, or another")
    )
)
def mach_port_unguard(k: Context, task: Name, name: Name, guard: Int) -> Iterator[Case]:
    """Take the guard off a port; the caller must know the guard. An immovable receive right stays immovable.

    Source: ``mach_port_unguard_locked`` in ``ipc/mach_port.c``.
    """
    # NAMES
    e = Entry(k, task, name)
    matches: Term = z3.And(k.before.is_guarded(e.port), k.before.context(e.port) == guard)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e, e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has no guard, or another", z3.Not(matches))

    # RIGHTS
    def unguard(after: After) -> None:
        after.at("context")[e.port] = z3.IntVal(0)
        after.at("is_guarded")[e.port] = z3.BoolVal(False)
        after.at("is_strict")[e.port] = z3.BoolVal(False)

    yield k.succeeds("the guard is gone", k.otherwise(), unguard)


@rule(
    evidence=rests_on(
        xnu="ipc/mach_port.c: mach_port_guard_with_flags, mach_port_guard_locked; "
        "ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"
    )
)
def mach_port_guard_with_flags(k: Context, task: Name, name: Name, guard: Int, strict: Bool, immovable: Bool) -> Iterator[Case]:
    """Guard a port that has no context, and say whether its receive right can be carried from now on.

    A right that is immovable already stays so. Source: ``mach_port_guard_locked`` in ``ipc/mach_port.c``.
    """
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e, e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has a context", k.before.context(e.port) != 0)

    # RIGHTS
    def put_on(after: After) -> None:
        set_guard(after, e.port, guard, True, strict, z3.Or(k.before.is_immovable(e.port), immovable))

    yield k.succeeds("the port is guarded", k.otherwise(), put_on)


@rule(evidence=rests_on(xnu="ipc/mach_port.c: mach_port_swap_guard; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"))
def mach_port_swap_guard(k: Context, task: Name, name: Name, old_guard: Int, new_guard: Int) -> Iterator[Case]:
    """Replace the guard of a port, which the caller must know. The guard of a strict port stays.

    Source: ``mach_port_swap_guard`` in ``ipc/mach_port.c``.
    """
    # NAMES
    b, e = k.before, Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from _receives(k, e, e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has no guard", z3.Not(b.is_guarded(e.port)))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port is strict", b.is_strict(e.port))
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has another guard", b.context(e.port) != old_guard)

    # RIGHTS
    def replace(after: After) -> None:
        after.at("context")[e.port] = new_guard

    yield k.succeeds("the port has another guard from now on", k.otherwise(), replace)


@rule(
    evidence=rests_on(
        xnu="ipc/mach_port.c: mach_port_get_context_from_user, mach_port_get_context; "
        "ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"
    )
)
def mach_port_get_context(k: Context, task: Name, name: Name) -> Iterator[Case]:
    """Read the context of a receive right; of a guarded port, it is the guard. A strict port hides it.

    Source: ``mach_port_get_context`` in ``ipc/mach_port.c``.
    """
    # NAMES
    b, e = k.before, Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, name)
    yield from _receives(k, e, e.objectless)
    # REPLY
    yield k.succeeds("0, of a strict port", b.is_strict(e.port), context=z3.IntVal(0))
    yield k.succeeds("the context", k.otherwise(z3.Not(b.is_strict(e.port))), context=b.context(e.port))


@rule(evidence=rests_on(xnu="ipc/mach_port.c: mach_port_set_context; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"))
def mach_port_set_context(k: Context, task: Name, name: Name, context: Int) -> Iterator[Case]:
    """Set the context of a receive right. On a guarded port that isn't strict, this replaces the guard, which the
    caller needn't know.

    Source: ``mach_port_set_context`` in ``ipc/mach_port.c``.
    """
    # NAMES
    e = Entry(k, task, name)
    # CASES
    yield from on_space(k, task)
    yield from on_reserved(k, name)
    yield from _receives(k, e, e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port is strict", k.before.is_strict(e.port))

    # RIGHTS
    def store(after: After) -> None:
        after.at("context")[e.port] = context

    yield k.succeeds("the context is stored", k.otherwise(), store)


GUARD_INFO, GUARD_INFO_WORDS, WORD = 8, 2, 1 << 32
"""``MACH_PORT_GUARD_INFO`` and ``MACH_PORT_GUARD_INFO_COUNT``; a word of attributes has 32 bits."""


@rule(
    evidence=rests_on(
        xnu="ipc/mach_port.c: mach_port_assert_attributes; ipc/ipc_object.c: ipc_object_translate; ipc/ipc_right.c: ipc_right_lookup_read"
    )
)
def mach_port_assert_attributes(k: Context, task: Name, name: Name, flavor: Int, info: Array[Int], info_length: Int) -> Iterator[Case]:
    """Fail unless a receive right has a strict guard that the caller knows. Nothing changes.

    Source: ``mach_port_assert_attributes`` in ``ipc/mach_port.c``.
    """
    # NAMES
    b, e = k.before, Entry(k, task, name)
    guard = info(z3.IntVal(0)) + WORD * info(z3.IntVal(1))
    # CASES
    yield from on_space(k, task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the flavour is unknown", flavor != GUARD_INFO)
    yield k.fails(ReturnCode.KERN_FAILURE, "the attributes are too few", info_length < GUARD_INFO_WORDS)
    yield from on_reserved(k, name)
    yield from _receives(k, e, e.objectless)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port has no guard", z3.Not(b.is_guarded(e.port)))
    other = z3.Or(z3.Not(b.is_strict(e.port)), b.context(e.port) != guard)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the port isn't strict, or has another guard", other)
    # REPLY
    yield k.succeeds("the port has this strict guard", k.otherwise())
