"""A task's special and registered ports: rights that the kernel holds for it."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import TASK_FLAVOURS, Place, PortObject
from sendright.model.language.actions import clear, clone, clone_to_user, drop_held_send, make_kernel_port, make_send, place_slot, put
from sendright.model.language.evidence import decided, page, rests_on
from sendright.model.language.rule import SETTING_RESUMED, Case, Context, rule
from sendright.model.language.sorts import KIND, OBJECT, PLACE, WAIT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Array, Bool, Int, Message, Name, Port


def _selected(k: Context, task: Term, which: Int) -> tuple[Term, Term]:
    """Whether the profile has the selector ``which``, and the slot that the selector means."""
    selectors = k.profile.special_ports
    known = z3.Or(*[which == selector for selector in selectors])
    [first, *rest] = selectors.items()
    place = PLACE.of(first[1])
    for selector, candidate in rest:
        place = z3.If(which == selector, PLACE.of(candidate), place)
    return known, k.sorts.Slot.place_slot(task, place)


KERNELS_PLACES = frozenset({Place.KERNEL, Place.HOST})
"""The places that are for rights to kernel objects' ports."""


def selects(k: Context, which: Int, places: frozenset[Place]) -> Term:
    """The selector ``which`` means one of the ``places``."""
    return z3.Or(*[which == selector for selector, place in k.profile.special_ports.items() if place in places])


STOPS = decided(
    "The kernels release the old right after they have unlocked the task, so other calls may come first. A test decides when one stops there."
)
"""Of a call that stops before it gives up the old right."""
LOOKUP_FAILS = rests_on(
    xnu=decided("XNU 11417 sends three rights back and needs no memory for them. A test may let the call fail, as in the other kernels.")
)
"""Of a shortage in ``mach_ports_lookup``, where the other kernels allocate an array."""


FURTHER = rests_on(xnu="kern/ipc_tt.c: task_get_special_port_from_user, special_port_allowed_with_task_flavor, convert_task_to_port_with_flavor")
"""Of the further ports of a task."""


def selects_flavour(k: Context, which: Int) -> Term:
    """The selector ``which`` means one of a task's further ports."""
    return z3.Or(*[which == selector for selector in k.profile.flavour_ports])


def selected_flavour(k: Context, which: Int) -> Term:
    """Which further port the selector means (when ``selects_flavour``)."""
    [*others, (_, last)] = k.profile.flavour_ports.items()
    flavour = OBJECT.of(last)
    for selector, kind in others:
        flavour = z3.If(which == selector, OBJECT.of(kind), flavour)
    return flavour


def _is_too_weak(k: Context, task: Name, which: Int) -> Term:
    """``task`` is a further port of the task's, and ``which`` doesn't select a port that is as weak."""
    found = []
    for place, flavour in enumerate(TASK_FLAVOURS):
        reached = [which == selector for selector, kind in k.profile.flavour_ports.items() if kind in TASK_FLAVOURS[: place + 1]]
        found.append(z3.And(k.object(task, flavour), z3.Not(z3.Or(*reached))))
    return z3.Or(*found)


@rule(
    evidence=rests_on(
        "kern/ipc_tt.c: task_get_special_port",
        xnu="kern/ipc_tt.c: task_get_special_port, task_get_special_port_internal",
        manual=page("task_get_special_port"),
    )
)
def task_get_special_port(k: Context, task: Name, which: Int, *, reply_message: Message, new_port: Port) -> Iterator[Case]:
    """Get a send right to one of a task's special ports.

    In XNU 11417 a task has further ports, with which a holder can do less. The first call that asks for one
    makes it (``convert_task_to_port_with_flavor``). Through such a port a caller gets only ports that aren't stronger
    (``special_port_allowed_with_task_flavor``; both in ``kern/ipc_tt.c``).

    XNU 11417 tells null for a kernel object's port (``ipc_port_copy_send_mqueue`` in ``ipc/ipc_port.c``), except for
    the task's own and the host's (``task_get_special_port_internal`` in ``kern/ipc_tt.c``).
    """
    # NAMES
    target = k.task_behind(task)
    known, held = _selected(k, target, which)
    kernels_own = selects(k, which, KERNELS_PLACES)
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.is_target(task)))
    further = selects_flavour(k, which)
    if k.profile.flavour_ports:
        yield k.fails(ReturnCode.KERN_INVALID_CAPABILITY, "the task's port is too weak", _is_too_weak(k, task, which), evidence=FURTHER)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the selector is unknown", z3.And(z3.Not(known), z3.Not(further)))

    # RIGHTS
    def make(after: After) -> None:
        flavour = selected_flavour(k, which)
        make_kernel_port(after, new_port, flavour, k.queue_limit)
        after.at("object_task")[new_port] = target
        after.at("flavour_port")[(target, flavour)] = new_port
        [result] = k.begin_reply(after, reply_message, 1)
        make_send(after, result, new_port)

    # REPLY
    def make_right(after: After) -> None:
        [result] = k.begin_reply(after, reply_message, 1)
        make_send(after, result, k.before.flavour_port(target, selected_flavour(k, which)))

    def give(after: After) -> None:
        [result] = k.begin_reply(after, reply_message, 1)
        clone_to_user(after, held, result, kernels_own)

    if k.profile.flavour_ports:
        missing = k.before.flavour_port(target, selected_flavour(k, which)) == k.sorts.no_port
        yield k.succeeds("a right to a further port, which is made now", z3.And(further, missing), make, replies=1, evidence=FURTHER)
        made = k.otherwise(z3.And(further, z3.Not(missing)), tested=further)
        yield k.succeeds("a right to a further port", made, make_right, replies=1, evidence=FURTHER)
    yield k.succeeds("a clone of the special port", k.otherwise(z3.Not(further)), give, replies=1)


@rule(
    evidence=rests_on(
        "kern/ipc_tt.c: task_set_special_port",
        xnu="kern/ipc_tt.c: task_set_special_port, task_set_special_port_internal",
        manual=page("task_set_special_port"),
    )
)
def task_set_special_port(k: Context, task: Name, which: Int, port: Name, stop: Bool) -> Iterator[Case]:
    """Keep a right in one of a task's special places. The old right is given up, at once or in a second step.

    Any send right will do, but some kernels protect some places.
    """
    # NAMES
    profile = k.profile
    known, held = _selected(k, k.task_behind(task), which)

    # CASES
    yield from k.request(task, port)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    yield from may_be_kept(k, port)
    if profile.protected_places:
        yield k.fails(ReturnCode.KERN_NO_ACCESS, "this place cannot be set", selects(k, which, profile.protected_places))
    if profile.set_once_places:
        there = z3.And(selects(k, which, profile.set_once_places), k.before.sends(held))
        yield k.fails(ReturnCode.KERN_NO_ACCESS, "the place is set once", there)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "the selector is unknown", z3.Not(known))

    # RIGHTS
    def keep(after: After) -> None:
        drop_held_send(after, held)
        hold_copy(k, after, port, held)

    def keep_and_stop(after: After) -> None:
        put(after, in_hand(k), after.kind(held), after.port(held))
        clear(after, held)
        hold_copy(k, after, port, held)
        after.at("wait")[k.caller] = WAIT.SETTING

    title = "the right is kept, and the stopped call holds the old one"
    yield k.fails(ReturnCode.MACH_RCV_IN_PROGRESS, title, stop, keep_and_stop, evidence=STOPS)
    yield k.succeeds("the right is kept", k.otherwise(z3.Not(stop)), keep)


def may_be_kept(k: Context, *names: Term) -> Iterator[Case]:
    """Where rights to tasks' ports are immovable, none of them is kept in a place from which others could get it."""
    if k.profile.immovable_objects:
        kept = z3.Or(*[k.stays(k.slot(name)) for name in names])
        yield k.fails(ReturnCode.KERN_INVALID_RIGHT, "a right to a task's port is immovable", kept)


@rule(
    SETTING_RESUMED, resumes="SETTING", evidence=rests_on("kern/ipc_tt.c: task_set_special_port", xnu="kern/ipc_tt.c: task_set_special_port_internal")
)
def resume_setting(k: Context) -> Iterator[Case]:
    """Give up the right that the caller took out of a task's place. It may have died by now."""

    # RIGHTS
    def give_up(after: After) -> None:
        drop_held_send(after, in_hand(k))
        after.at("wait")[k.caller] = WAIT.NOTHING

    yield k.succeeds("the old right is given up", k.otherwise(), give_up)


def in_hand(k: Context) -> Term:
    """The slot of the right that the caller's stopped call holds in hand."""
    return k.sorts.Slot.place_slot(k.caller, PLACE.PLACE_IN_HAND)


def hold_copy(k: Context, after: After, name: Term, held: Term) -> None:
    """Put a copy of the caller's right under ``name`` into the empty place ``held``."""
    kind, port = k.carried_kind(name), k.carried_port(name)
    after.add("srights", port, z3.If(kind == KIND.SEND, 1, 0))
    put(after, held, kind, port)


@rule(
    evidence=rests_on(
        "kern/ipc_tt.c: mach_ports_register",
        xnu="kern/ipc_tt.c: _kernelrpc_mach_ports_register3; ../libsyscall/mach/task.c: mach_ports_register",
        manual=page("mach_ports_register"),
    )
)
def mach_ports_register(k: Context, task: Name, ports: Array[Name], ports_length: Int) -> Iterator[Case]:
    """Replace all of a task's registered ports.

    Places for which the array has no right become empty. In XNU the library counts the rights and fills up the array
    before it makes the request (``mach_ports_register`` in ``libsyscall/mach/task.c``).
    """
    # NAMES
    target, places = k.task_behind(task), k.profile.registered_places
    # CASES
    too_many = k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "more rights than places", ports_length > len(places))
    if k.profile.register_counts_first:
        yield too_many
    yield from k.request(task, arrays={"ports": (ports, ports_length)})
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    given = [z3.If(index < ports_length, ports(index), k.sorts.null) for index, _ in enumerate(places)]
    yield from may_be_kept(k, *given)
    if not k.profile.register_counts_first:
        yield too_many

    # RIGHTS
    def register(after: After) -> None:
        for place in places:
            drop_held_send(after, place_slot(after, target, place))
        for index, place in enumerate(places):
            hold_copy(k, after, given[index], place_slot(after, target, place))

    yield k.succeeds("the registered ports are replaced", k.otherwise(), register)


@rule(evidence=rests_on("kern/ipc_tt.c: mach_ports_lookup", xnu="kern/ipc_tt.c: _kernelrpc_mach_ports_lookup3", manual=page("mach_ports_lookup")))
def mach_ports_lookup(k: Context, task: Name, shortage: Int, *, reply_message: Message, out_of_memory: Bool) -> Iterator[Case]:
    """Get send rights to all of a task's registered ports."""
    # NAMES
    target, places = k.task_behind(task), k.profile.registered_places
    # CASES
    yield from k.request(task)
    yield k.fails(ReturnCode.KERN_INVALID_ARGUMENT, "task is not a task's port", z3.Not(k.object(task, PortObject.TASK)))
    yield k.lacks_memory(shortage, out_of_memory, evidence=LOOKUP_FAILS)

    # REPLY
    def give(after: After) -> None:
        results = k.begin_reply(after, reply_message, len(places))
        for place, result in zip(places, results, strict=True):
            clone(after, place_slot(after, target, place), result)

    yield k.succeeds("clones of the registered ports", k.otherwise(), give, replies=len(places))
