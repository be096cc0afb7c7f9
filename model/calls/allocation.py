"""New receive rights, port sets and dead names, under names of the kernel's choice or the caller's."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from sendright.mach.abi.codes import ReturnCode
from sendright.mach.abi.rights import PortObject, Right
from sendright.model.calls.entry import on_chosen_name, on_space
from sendright.model.language.actions import has_no_options, leave_receiver, put, put_name
from sendright.model.language.evidence import page, read, rests_on, suite
from sendright.model.language.rule import Case, Context, Effect, rule
from sendright.model.language.sorts import KIND, LIFE, OBJECT, Term
from sendright.model.language.state import After
from sendright.model.language.terms import Bool, Int, Name, Port

_WHAT = {Right.RECEIVE: "a receive right with a new port", Right.PORT_SET: "a port set", Right.DEAD_NAME: "a dead name"}
"""What can be allocated."""


def fresh_name(k: Context, after: After, task: Term, name: Name) -> None:
    """The kernel's choice ``name`` is a free name of ``task``'s."""
    after.assumptions += [k.before.empty(k.slot(name, task)), z3.Not(k.reserved(name))]


def make_port(k: Context, after: After, task: Term, name: Name, port: Port) -> None:
    """Make ``port``; ``task``'s free ``name`` denotes its receive right."""
    after.assumptions += [k.before.port_life(port) == LIFE.UNBORN, port != k.sorts.no_port]
    after.at("port_life")[port] = LIFE.ALIVE
    after.at("object")[port] = OBJECT.of(PortObject.NONE)
    after.at("receiver")[port] = k.slot(name, task)
    for count in ("mscount", "seqno", "srights", "sorights", "msgcount", "request_slots", "reserved", "lost_sends"):
        after.at(count)[port] = z3.IntVal(0)
    after.at("qlimit")[port] = k.queue_limit
    leave_receiver(after, port)
    has_no_options(after, port)
    put_name(after, task, name, KIND.RECEIVE, port, 0)


def _make(k: Context, after: After, task: Term, name: Name, port: Port, right: Right) -> None:
    """Make a new ``right`` under ``task``'s free ``name``. A receive right is to ``port``."""
    if right is Right.RECEIVE:
        make_port(k, after, task, name, port)
    elif right is Right.PORT_SET:
        put(after, k.slot(name, task), KIND.PORT_SET, k.sorts.no_port)
    else:
        put(after, k.slot(name, task), KIND.DEAD_NAME, k.sorts.no_port, 1)
        if k.profile.dead_names_are_lazy:
            after.at("unlooked")[k.slot(name, task)] = KIND.NONE


def _allocatable(k: Context, right: Int) -> Case:
    unknown = z3.And(*[right != int(what) for what in _WHAT])
    return k.fails(ReturnCode.KERN_INVALID_VALUE, "the right cannot be allocated", unknown)


def _can_be_used(k: Context, task: Term, right: Int, name: Name, named: Bool | bool) -> Iterator[Case]:
    """The chosen name must have the form of a name and be free. A kernel that ignores the name for dead names (hazard
    H-10) doesn't test it.
    """
    tested = z3.BoolVal(True) if k.profile.allocate_name_takes_dead_name else right != int(Right.DEAD_NAME)
    yield from on_chosen_name(k, task, name, z3.And(named, tested))
    yield k.fails(ReturnCode.KERN_NAME_EXISTS, "the name is in use", z3.And(named, tested, z3.Not(k.before.empty(k.slot(name, task)))))


class _New:
    """The right that a call makes in ``task``'s space, under ``new_name`` or a name of the caller's choice."""

    def __init__(self, k: Context, task: Term, right: Int, new_name: Name, new_port: Port) -> None:
        self.k, self.task, self.right, self.new_name, self.new_port = k, task, right, new_name, new_port

    def under_new_name(self, what: Right, when: Bool | bool = True) -> Case:
        return self.k.succeeds(_WHAT[what], z3.And(when, self.right == int(what)), self._named_by_kernel(what), name=self.new_name)

    def under_name(self, name: Name, what: Right, when: Bool | bool = True) -> Case:
        k, condition = self.k, z3.And(when, self.right == int(what))
        if what is Right.DEAD_NAME and not k.profile.allocate_name_takes_dead_name:
            title = "a dead name, under another name than requested"
            return k.succeeds(title, condition, self._named_by_kernel(what), name=self.new_name)
        title = f"{_WHAT[what]}, under the name"
        return k.succeeds(title, condition, lambda after: _make(k, after, self.task, name, self.new_port, what), name=name)

    def _named_by_kernel(self, what: Right) -> Effect:
        def make(after: After) -> None:
            fresh_name(self.k, after, self.task, self.new_name)
            _make(self.k, after, self.task, self.new_name, self.new_port, what)

        return make


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_allocate_full; ipc/ipc_object.c: ipc_object_alloc, ipc_object_alloc_dead",
        gnumach=read("ipc/mach_port.c: mach_port_allocate; ipc/ipc_object.c: ipc_object_alloc, ipc_object_alloc_dead")
        + suite("test-mach_port.c: test_mach_port", "a receive right with a new port", "a port set", "a dead name"),
        xnu="ipc/mach_port.c: mach_port_allocate_full; ipc/ipc_object.c: ipc_object_alloc; ipc/ipc_entry.c: ipc_entry_grow_table",
        manual=page("mach_port_allocate"),
    )
)
def mach_port_allocate(k: Context, task: Name, right: Int, shortage: Int, *, new_name: Name, new_port: Port, out_of_memory: Bool) -> Iterator[Case]:
    """Make a receive right with a new port, a port set, or a dead name, under a name of the kernel's choice."""
    # NAMES
    target = k.task_behind(task)
    new = _New(k, target, right, new_name, new_port)
    # CASES
    yield from on_space(k, task)
    yield _allocatable(k, right)
    yield k.lacks_memory(shortage, out_of_memory)
    # RIGHTS, REPLY
    for what in _WHAT:
        yield new.under_new_name(what)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_allocate_name, mach_port_allocate_full; ipc/ipc_object.c: ipc_object_alloc_name, ipc_object_alloc_dead",
        gnumach=read("ipc/mach_port.c: mach_port_allocate_name; ipc/ipc_object.c: ipc_object_alloc_name, ipc_object_alloc_dead_name")
        + suite(
            "test-mach_port.c: test_mach_port",
            "a receive right with a new port, under the name",
            "a port set, under the name",
            "a dead name, under the name",
        ),
        xnu="ipc/mach_port.c: mach_port_allocate_name, mach_port_allocate_full; "
        "ipc/ipc_object.c: ipc_object_alloc_name; ipc/ipc_entry.c: ipc_entry_grow_table",
        manual=page("mach_port_allocate_name"),
    )
)
def mach_port_allocate_name(
    k: Context, task: Name, right: Int, name: Name, shortage: Int, *, new_name: Name, new_port: Port, out_of_memory: Bool
) -> Iterator[Case]:
    """Make a receive right with a new port, a port set, or a dead name, under a name of the caller's choice.

    XNU looks whether the name is reserved before it hands on the space (``mach_port_allocate_name`` in
    ``ipc/mach_port.c``).
    """
    # NAMES
    target = k.task_behind(task)
    new = _New(k, target, right, new_name, new_port)
    # CASES
    *request, no_space = on_space(k, task)
    reserved = k.fails(ReturnCode.KERN_INVALID_VALUE, "the name is reserved", k.reserved(name))
    yield from (*request, reserved, no_space) if k.profile.reserved_before_space else (*request, no_space, reserved)
    yield _allocatable(k, right)
    yield from _can_be_used(k, target, right, name, True)
    yield k.lacks_memory(shortage, out_of_memory)
    # RIGHTS, REPLY
    for what in _WHAT:
        yield new.under_name(name, what)


@rule(
    evidence=rests_on(
        "ipc/mach_port.c: mach_port_allocate_full; ipc/ipc_object.c: ipc_object_alloc, ipc_object_alloc_name, ipc_object_alloc_dead",
        xnu="ipc/mach_port.c: mach_port_allocate_full; ipc/ipc_object.c: ipc_object_alloc, ipc_object_alloc_name; "
        "ipc/ipc_entry.c: ipc_entry_grow_table",
        manual=page("mach_port_allocate_full"),
    )
)
def mach_port_allocate_full(
    k: Context,
    task: Name,
    right: Int,
    proto: Name,
    named: Bool,
    prealloc: Bool,
    name: Name,
    shortage: Int,
    *,
    new_name: Name,
    new_port: Port,
    out_of_memory: Bool,
) -> Iterator[Case]:
    """As ``mach_port_allocate_name`` if ``named``, else as ``mach_port_allocate``; memory for a message may be set
    aside for a receive right.
    """
    # NAMES
    target = k.task_behind(task)
    new = _New(k, target, right, new_name, new_port)
    # CASES
    yield from on_space(k, task, proto)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "no kernel accepts a subsystem", k.carried_kind(proto) != KIND.NONE)
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "the name is reserved", z3.And(named, k.reserved(name)))
    set_aside = z3.And(prealloc, right != int(Right.RECEIVE))
    yield k.fails(ReturnCode.KERN_INVALID_VALUE, "memory is set aside for receive rights only", set_aside)
    yield _allocatable(k, right)
    yield from _can_be_used(k, target, right, name, named)
    yield k.lacks_memory(shortage, out_of_memory)
    # RIGHTS, REPLY
    for what in _WHAT:
        yield new.under_name(name, what, named)
    for what in _WHAT:
        yield new.under_new_name(what, z3.Not(named))


@rule(evidence=rests_on("kern/ipc_tt.c: mach_reply_port", manual=page("mach_reply_port")))
def mach_reply_port(k: Context, shortage: Int, *, new_name: Name, new_port: Port, out_of_memory: Bool) -> Iterator[Case]:
    """Make a receive right with a new port in the caller's own space.

    A trap can't say what failed.
    """

    # RIGHTS, REPLY
    def make(after: After) -> None:
        fresh_name(k, after, k.caller, new_name)
        make_port(k, after, k.caller, new_name, new_port)

    yield k.succeeds("the kernel is out of memory: NULL", z3.And(shortage > 0, out_of_memory), port=k.sorts.null)
    yield k.succeeds("a receive right with a new port", k.otherwise(z3.Not(z3.And(shortage > 0, out_of_memory))), make, port=new_name)
